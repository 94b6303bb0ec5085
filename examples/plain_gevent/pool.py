"""Workers that keep the pace that they are told, and no broker: a plain gevent program.

Run it: ``python examples/plain_gevent/pool.py``. It starts three workers, changes their pace twice,
has one more worker join, and ends. In earnest the workers would be services of their own, on any
number of machines; here all is pinned to loopback.
"""

# ruff: noqa: E402  (the patch comes before all other imports, as in any gevent program)
from gevent import monkey

monkey.patch_all()

import os
import subprocess
import sys

import gevent
from gevent.event import Event
from gevent.pool import Group

from chatter import Chatter, Message, PeerEvent, generate_key

WORKERS = 3


def make_chatter() -> Chatter:
    """A node of this machine; the key comes from CHATTER_KEY."""
    return Chatter(address="127.0.0.1:0", interface="127.0.0.1")


# A worker


def work() -> None:
    """Do something, so many times a second as the last word on it says, until told to stop."""
    chatter = make_chatter()
    pace = {"per_second": 1.0}
    changed, stopped = Event(), Event()
    done = 0

    # Ordered: of two changes the later one counts, so it must not be overtaken.
    @chatter.on("pace", ordered=True)
    def change(body: dict[str, float], message: Message) -> None:
        pace.update(body)
        changed.set()

    @chatter.on("stop")
    def stop(body: None, message: Message) -> None:
        stopped.set()

    def jobs() -> None:
        nonlocal done
        while True:
            changed.clear()
            done += 1  # the work itself would be here
            changed.wait(1 / pace["per_second"])

    greenlets = Group()
    with chatter:  # from here on it hears; at the end it leaves
        greenlets.spawn(jobs)
        stopped.wait()
        greenlets.kill()
        # The line with its end in one piece: all workers write to one output, at the same moment.
        print(f"worker {chatter.local_netid} stops after {done} jobs\n", end="", flush=True)


# The program that leads them


def lead() -> None:
    """Start workers, change their pace, stop them."""
    # Who has the key belongs to the cluster: the workers inherit it.
    os.environ.setdefault("CHATTER_KEY", generate_key())
    chatter = make_chatter()
    pace = {"per_second": 2.0}

    @chatter.on_peer
    def welcome(event: PeerEvent) -> None:
        # A broadcast reaches those who are there. Who joins later is told how things stand.
        if event.state == "alive":
            chatter.broadcast("pace", pace, to=[event.address])

    def tell(per_second: float) -> None:
        pace["per_second"] = per_second
        receipt = chatter.broadcast("pace", pace, confirm=True, timeout=5.0)
        receipt.wait()
        late = f", {len(receipt.missing)} did not answer" if receipt.missing else ""
        print(f"{per_second:g} a second: {len(receipt.delivered)} workers know{late}", flush=True)

    with chatter:
        workers = [start_worker() for _ in range(WORKERS)]
        try:
            chatter.wait_for_peers(WORKERS, timeout=30)
            for per_second in (5.0, 50.0):
                tell(per_second)
                gevent.sleep(0.3)
            workers.append(start_worker())
            chatter.wait_for_peers(WORKERS + 1, timeout=30)
            tell(10.0)
            chatter.broadcast("stop", None)
            for worker in workers:
                worker.wait(timeout=30)
        finally:
            for worker in workers:
                if worker.poll() is None:
                    worker.kill()


def start_worker() -> subprocess.Popen[bytes]:
    """This very program, as a worker."""
    return subprocess.Popen([sys.executable, __file__, "worker"])


if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        work()
    else:
        lead()
