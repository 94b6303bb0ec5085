"""One process of a flood, given its task as JSON; it tells what it did as JSON lines.

The publisher is an ordinary user: `broadcast` in a loop, and again when it raises QueueFull.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402  (after the patch, like everything else)
import logging  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gevent.fileobject import FileObject  # noqa: E402

from chatter import Chatter, Gap, Message, QueueFull  # noqa: E402

SAMPLE_EVERY_S = 0.1
STARTED_WITHIN_S = 30.0

# Without a new message for so long nothing more comes: above it, repair would have given up.
QUIET_S = 12.0


def tell(**what: Any) -> None:
    """One line for whoever started us."""
    print(json.dumps(what), flush=True)


def wait_to_go_on() -> None:
    """Until whoever started us says so; the node goes on meanwhile."""
    with FileObject(sys.stdin.fileno(), "r", closefd=False) as stdin:
        stdin.read(1)


def resident_kib() -> int:
    """The memory of this process that is in RAM."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


class Memory:
    """The resident memory over time, a sample a second."""

    def __init__(self) -> None:
        self.samples: list[int] = []
        gevent.spawn(self._sample)

    def _sample(self) -> None:
        while True:
            self.samples.append(resident_kib())
            gevent.sleep(1.0)


def publish(chatter: Chatter, count: int, size: int) -> None:
    """Broadcast numbered messages as fast as that is accepted."""
    memory = Memory()
    padding = bytes(size - 4)
    refused = 0
    began, cpu = time.monotonic(), time.process_time()
    tell(event="began", at=began)
    for number in range(count):
        body = number.to_bytes(4, "big") + padding
        while True:
            try:
                chatter.broadcast("flood", body, codec="bytes")
                break
            except QueueFull:
                refused += 1
    took_s = time.monotonic() - began
    cpu_s = time.process_time() - cpu
    tell(event="sent", seconds=took_s, cpu_s=cpu_s, refused=refused)
    wait_to_go_on()  # others may still ask for what they missed
    tell(event="memory", kib=memory.samples, counters=chatter.stats())


class Subscriber:
    """Counts what comes."""

    def __init__(self, chatter: Chatter, count: int) -> None:
        self.seen = bytearray(count)
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

    def watch(self, count: int) -> None:
        """Until all came, or nothing more does."""
        while self.got + self.lost < count:
            gevent.sleep(SAMPLE_EVERY_S)
            now = time.monotonic()
            self.samples.append((now, self.got))
            if self.got and now - self.last_at > QUIET_S:
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
    count = task["count"]
    subscriber = None if task["publisher"] else Subscriber(chatter, count)
    with chatter:
        tell(event="started", address=str(chatter.local_netid))
        if not chatter.wait_for_peers(task["others"], timeout=STARTED_WITHIN_S):
            raise SystemExit(f"not all others were met within {STARTED_WITHIN_S:.0f} s")
        tell(event="met")
        wait_to_go_on()
        if subscriber is None:
            publish(chatter, count, task["size"])
            return
        memory = Memory()
        subscriber.watch(count)
        tell(
            event="took",
            got=subscriber.got,
            twice=subscriber.twice,
            lost=subscriber.lost,
            last_at=subscriber.last_at,
            cpu_s=time.process_time(),
            samples=subscriber.samples,
            kib=memory.samples,
            counters=chatter.stats(),
        )
        wait_to_go_on()


if __name__ == "__main__":
    main()
