"""One process of a flood, given its task as JSON; it tells what it did as JSON lines.

The publisher is an ordinary user: `broadcast` in a loop, and again when it raises QueueFull.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402  (after the patch, like everything else)
import logging  # noqa: E402
import math  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gevent.fileobject import FileObject  # noqa: E402

from chatter import Chatter, Gap, Message, QueueFull  # noqa: E402
from scripts.measuring.meeting import wait_until_met  # noqa: E402
from scripts.measuring.telling import tell  # noqa: E402
from scripts.measuring.usage import resident_bytes  # noqa: E402

SAMPLE_EVERY_S = 0.1

# Between two looks at the clock a publisher with a time limit sends so many: they take no longer
# than a few milliseconds, and the clock next to nothing.
LOOK_EVERY = 256

# Without a new message for so long nothing more comes: above it, repair would have given up.
QUIET_S = 12.0


class Orders:
    """What whoever started us says next; the node goes on meanwhile."""

    def __init__(self) -> None:
        self._lines = FileObject(sys.stdin.fileno(), "r", closefd=False)

    def wait_for(self, do: str) -> dict[str, Any]:
        """Returns when it says so; ends the process when nobody is there any more."""
        line = self._lines.readline()
        if not line:
            raise SystemExit("whoever started us is gone")
        order: dict[str, Any] = json.loads(line)
        if order["do"] != do:
            raise SystemExit(f"told {order['do']!r} instead of {do!r}")
        return order


class Memory:
    """The resident memory over time in KiB, a sample a second."""

    def __init__(self) -> None:
        self.samples: list[int] = []
        gevent.spawn(self._sample)

    def _sample(self) -> None:
        while True:
            self.samples.append(resident_bytes() // 1024)
            gevent.sleep(1.0)


def publish(chatter: Chatter, orders: Orders, count: int, size: int, seconds: float | None) -> None:
    """Broadcast numbered messages as fast as that is accepted."""
    memory = Memory()
    padding = bytes(size - 4)
    refused = 0
    began, cpu = time.monotonic(), time.process_time()
    until = math.inf if seconds is None else began + seconds
    sent = 0
    tell("began", at=began)
    for number in range(count):
        if number % LOOK_EVERY == 0 and time.monotonic() > until:
            break
        body = number.to_bytes(4, "big") + padding
        while True:
            try:
                chatter.broadcast("flood", body, codec="bytes")
                sent += 1
                break
            except QueueFull:
                refused += 1
    took_s = time.monotonic() - began
    cpu_s = time.process_time() - cpu
    tell("sent", count=sent, seconds=took_s, cpu_s=cpu_s, refused=refused)
    orders.wait_for("go_on")  # others may still ask for what they missed
    tell("memory", kib=memory.samples, counters=chatter.stats())


class Subscriber:
    """Counts what comes.

    Args:
        most: messages there can be.
    """

    def __init__(self, chatter: Chatter, most: int) -> None:
        self.seen = bytearray(most)
        self.count: int | None = None
        self.got = self.twice = self.lost = 0
        self.last_at = time.monotonic()
        self.samples: list[tuple[float, int]] = []
        chatter.on("flood", codec="bytes")(self.take)
        chatter.on_gap(self.miss)

    def take(self, body: bytes, message: Message) -> None:
        """A message came."""
        number = int.from_bytes(body[:4], "big")
        if self.seen[number]:
            self.twice += 1
        else:
            self.seen[number] = 1
            self.got += 1
        self.last_at = time.monotonic()

    def miss(self, gap: Gap) -> None:
        """Messages are lost, and it is said which."""
        self.lost += gap.last - gap.first + 1

    def hear_count(self, orders: Orders) -> None:
        """How many there were is said when all are sent."""
        self.count = orders.wait_for("expect")["count"]

    def watch(self) -> None:
        """Until all came, or nothing more does."""
        while self.count is None or self.got + self.lost < self.count:
            gevent.sleep(SAMPLE_EVERY_S)
            now = time.monotonic()
            self.samples.append((now, self.got))
            if self.count is not None and now - self.last_at > QUIET_S:
                return


def main() -> None:
    """Be the publisher or a subscriber."""
    logging.basicConfig(level=logging.WARNING)
    task = json.loads(sys.argv[1])
    chatter = Chatter(
        address="127.0.0.1:0",
        multicast=[task["group"]] if task["group"] else [],
        join=task["join"],
        interface="127.0.0.1",
        key=task["key"],
    )
    orders = Orders()
    count = task["count"]
    subscriber = None if task["publisher"] else Subscriber(chatter, count)
    with chatter:
        tell("started", address=str(chatter.local_netid))
        wait_until_met(chatter, task["others"])
        tell("met")
        orders.wait_for("go_on")
        if subscriber is None:
            publish(chatter, orders, count, task["size"], task["seconds"])
            return
        memory = Memory()
        gevent.spawn(subscriber.hear_count, orders)
        subscriber.watch()
        tell(
            "took",
            got=subscriber.got,
            twice=subscriber.twice,
            lost=subscriber.lost,
            last_at=subscriber.last_at,
            cpu_s=time.process_time(),
            samples=subscriber.samples,
            kib=memory.samples,
            counters=chatter.stats(),
        )
        while True:  # until we are ended: others may ask us for what they missed
            gevent.sleep(60.0)


if __name__ == "__main__":
    main()
