"""Makes a cluster of a shape and has one of its nodes broadcast."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from chatter.testing import Cluster, Member
from chatter.testing.cluster import GROUP
from scripts.measuring.usage import resident_bytes
from scripts.scaling.figures import EVERYONE, NEIGHBOURS, Row, Sent, row_of
from scripts.scaling.shapes import Shape
from scripts.scaling.stopwatch import Stopwatch
from scripts.scaling.wiretap import Carried, Wiretap

# Who is there and hears whom is known from the start, and is not what is measured: for so long
# nobody says anything of it, or thousands would talk of nothing else.
_QUIET_S = 3600.0
_CONFIG = {"beacon_interval_s": 60.0, "failure_timeout_s": 7200.0, "evidence_timeout_s": 7200.0}

# Virtual seconds after a broadcast: all answers have come (they wait for company at most 40 ms),
# and a plan, which serves a burst for 0.25 s, has to be made anew for the next one.
_SETTLE_S = 0.4
# What is not there by then is lost.
_LOST_AFTER_S = 12.0

_TAG = "scaling"


def measure(shape: Shape, nodes: int, body_bytes: int, runs: int, seed: int = 1) -> Iterator[Row]:
    """A row for broadcasts to everyone, then one for those to a subnet's worth of neighbours.

    Args:
        nodes: at least 2.
        body_bytes: random ones, so that no compression helps.
        runs: broadcasts of each kind; at least 2.
    """
    for to in (EVERYONE, NEIGHBOURS):
        began = time.monotonic()
        with _without_collector():
            # Each with a cluster of its own, in which nobody is connected to anybody.
            bench = _Bench(shape, nodes, body_bytes, seed)
            sent = [bench.broadcast(to) for _ in range(runs)]
            yield row_of(
                shape.name,
                nodes,
                to,
                shape.units(nodes, to),
                sent,
                memory_mib=resident_bytes() / 2**20,
                seconds=time.monotonic() - began,
            )
            del bench


@contextmanager
def _without_collector() -> Iterator[None]:
    """Among millions of objects a collection takes seconds, and would be somebody's CPU time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


class _Bench:
    """A cluster that is tapped, and the node in it that broadcasts."""

    def __init__(self, shape: Shape, nodes: int, body_bytes: int, seed: int) -> None:
        self._cluster = cluster = Cluster(seed, **_CONFIG)
        self._body_bytes = body_bytes
        self._carried: list[Carried] = []
        self._sent_at_ns = 0
        self._tap = Wiretap(cluster, self._heard)
        subnets = [
            cluster.add(size, segment=f"s{number}-", groups=(GROUP,) if shape.multicast else ())
            for number, size in enumerate(shape.sizes(nodes))
        ]
        cluster.start()
        cluster.acquaint(quiet_s=_QUIET_S)
        self._origin = subnets[0][len(subnets[0]) // 2]
        others = [one for one in cluster if one is not self._origin]
        neighbours = [one for one in subnets[-1] if one is not self._origin]
        self._members: dict[str, list[Member]] = {
            EVERYONE: others,
            NEIGHBOURS: neighbours[: shape.targets(nodes)],
        }
        self._stopwatch = Stopwatch(self._origin)

    def broadcast(self, to: str) -> Sent:
        """Send one, and wait until it has settled."""
        cluster, origin, stopwatch = self._cluster, self._origin, self._stopwatch
        members = self._members[to]
        self._carried.clear()
        received = self._received()
        for member in cluster:
            member.inbox.clear()
        began_at, began_ns = cluster.now, stopwatch.spent_ns
        self._sent_at_ns = began_ns
        id = cluster.broadcast(
            origin,
            _TAG,
            cluster.rng.randbytes(self._body_bytes),
            to=None if to == EVERYONE else members,
            codec="bytes",
        )
        cluster.run_for(_SETTLE_S)
        while len(got := cluster.deliveries(id)) < len(members):
            if cluster.now - began_at > _LOST_AFTER_S:
                break
            cluster.run_for(_SETTLE_S)
        frames = [
            one for one in self._carried if any(gossip.id == id for gossip in one.gossip.gossips())
        ]
        meant = set(members)
        by_member = Counter(member for member, _ in got)
        return Sent(
            recipients=len(members),
            hops=max((one.message.hops for _, one in got), default=0),
            frames=len(frames),
            header_bytes=sum(one.header_bytes for one in frames),
            list_bytes=sum(one.list_bytes for one in frames),
            other_bytes=sum(one.other_bytes for one in frames),
            listed=sum(one.listed for one in frames),
            received=self._received() - received,
            dispatched=sum(member in meant for member in by_member),
            doubled=len(got) - len(by_member),
            stray=sum(member not in meant for member in by_member),
            last_s=max((one.at for _, one in got), default=cluster.now) - began_at,
            sending_ns=self._sent_at_ns - began_ns,
            total_ns=stopwatch.spent_ns - began_ns,
        )

    def _heard(self, carried: Carried) -> None:
        self._carried.append(carried)
        if carried.path.source == self._origin.netid:
            self._sent_at_ns = self._stopwatch.spent_ns

    def _received(self) -> int:
        """Copies that came to whom they are for. A system hands one's own multicasts back to it,
        and what is for others is overheard: neither is a copy."""
        count = self._cluster.count
        return count("gossip_received") - count("gossip_own")
