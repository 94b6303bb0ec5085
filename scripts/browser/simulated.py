"""A dashboard over a simulated cluster: the cores of real nodes on the fake network.

They live at the pace of a clock. Prints the address of its page, and serves it until its input
ends.
"""

# ruff: noqa: E402  (the patch comes before whatever might keep an unpatched socket)

from gevent import monkey

monkey.patch_all()

import argparse
import logging
import random
import time
from collections.abc import Callable
from typing import Any, cast

import gevent
from gevent.os import tp_read

from chatter import Config, generate_key
from chatter.core.membership import Summary
from chatter.dashboard.server import Dashboard
from chatter.ids import NetID
from chatter.net.service import Observed, Service
from chatter.testing import Cluster

STDIN = 0
STEP_S = 0.05

# Hundreds of nodes' beacons once a second would keep a core busy with what is not measured here.
BEACON_INTERVAL_S = 30.0

# Time that was missed is left out, or a machine that is busy for a moment never gets out of it.
CATCH_UP_S = 0.1

TAGS = ("hello", "cache", "config", "presence")


class SimulatedService:
    """One member of the cluster, as the dashboard knows a node."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._member = cluster["a1"]
        self._observers: list[Callable[[Observed], None]] = []
        self._ahead_s = 0.0
        self.config = Config(key=generate_key(), dashboard="127.0.0.1:0", multicast=[])

    @property
    def local_netid(self) -> NetID:
        return self._member.netid

    @property
    def segment(self) -> NetID:
        return self._member.node.segment

    @property
    def epoch(self) -> int:
        return self._member.node.epoch

    def known_peers(self) -> list[Summary]:
        return self._member.node.peers(self._cluster.now)

    def observe(self, observer: Callable[[Observed], None]) -> Callable[[], None]:
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def watch(self) -> None:
        self._member.watch()

    def run(self, rate: float) -> None:
        """Let the cluster live at the pace of the clock, as far as this machine keeps up."""
        rng = random.Random(1)
        cluster = self._cluster
        next_at = time.monotonic()
        before = time.monotonic()
        while True:
            now = time.monotonic()
            cluster.run_for(min(CATCH_UP_S, now - before))
            before = now
            self._ahead_s = now - cluster.now
            if now >= next_at:
                next_at += 1 / rate
                origin = rng.choice(cluster.running)
                cluster.broadcast(
                    origin,
                    rng.choice(TAGS),
                    {"n": 1},
                    confirm_s=2.0 if rng.random() < 0.2 else None,
                )
            for event in self._member.watched:
                self._tell(event)
            self._member.watched.clear()
            gevent.sleep(STEP_S)

    def _tell(self, event: Any) -> None:
        if hasattr(event, "at"):
            event = event._replace(at=event.at + self._ahead_s)
        for observer in self._observers:
            observer(event)


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=300)
    parser.add_argument("--segments", type=int, default=6)
    parser.add_argument("--rate", type=float, default=1.0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    cluster = Cluster(1, beacon_interval_s=BEACON_INTERVAL_S, failure_timeout_s=300.0)
    for number in range(options.segments):
        share = options.nodes * (number + 1) // options.segments
        cluster.add(share - len(cluster), segment=chr(ord("a") + number))
    cluster.start()
    cluster.acquaint()
    service = SimulatedService(cluster)
    dashboard = Dashboard(cast(Service, service), logging.getLogger("dashboard"))
    dashboard.start()
    print(dashboard.url, flush=True)
    living = gevent.spawn(service.run, options.rate)
    while tp_read(STDIN, 4096):
        pass
    living.kill()
    dashboard.stop()


if __name__ == "__main__":
    main()
