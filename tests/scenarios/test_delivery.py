"""Exactly once, or a gap that names it: partitions, deaths and addresses where nobody is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatter.ids import NetID
from chatter.testing import Cluster, Cut
from tests.scenarios.oracle import LOOSE, Oracle
from tests.scenarios.stage import segments


def cut(cluster: Cluster) -> None:
    """Nothing passes between the two segments."""
    sides = [[one.netid for one in cluster if one.segment == name] for name in "ab"]
    cluster.network.add(Cut(sources=sides[0], targets=sides[1]))


@pytest.mark.parametrize("seed", range(3))
def test_a_partition_of_a_minute_that_heals(seed: int) -> None:
    cluster = segments(2, 4, seed)
    oracle = Oracle(cluster)
    cut(cluster)
    for origin in ("a1", "a3", "b2", "b4"):
        oracle.publish(origin, 120, lambda _: cluster.rng.randbytes(1000), pause_s=0.5)
    cluster.run_for(60)
    assert all(len(member.live_peers()) == 3 for member in cluster)

    cluster.network.heal()
    cluster.run_until(cluster.warm, 60)
    for origin in ("a1", "b1"):
        oracle.broadcast(origin, b"healed")
    oracle.finish(60)

    oracle.check()


def test_a_partition_that_outlasts_the_store_is_told_as_gaps() -> None:
    """Of what was broadcast, two thirds are too old at the end: none of it may vanish silently."""
    cluster = segments(2, 3, store_age_s=20)
    oracle = Oracle(cluster)
    cut(cluster)
    for origin in ("a1", "b2"):
        oracle.publish(origin, 60, lambda _: cluster.rng.randbytes(1000), pause_s=1.0)
    cluster.run_for(60)

    cluster.network.heal()
    cluster.run_until(cluster.warm, 60)
    cluster.run_for(30)

    oracle.check(gaps=True)
    lost = {(gap.origin, gap.first) for member in cluster for gap in member.gaps}
    assert lost == {(cluster["a1"].netid, 1), (cluster["b2"].netid, 1)}
    assert oracle.missing() == sum(
        gap.last - gap.first + 1 for member in cluster for gap in member.gaps
    )


def trace(cluster: Cluster, to: list[NetID]) -> list[tuple[str, int, float]]:
    """Who dispatched which of 20 broadcasts when."""
    began = cluster.now
    ids = []
    for _ in range(20):
        ids.append(cluster["a1"].broadcast(LOOSE, 0, to)[0])
        cluster.run_for(0.2)
    cluster.run_for(5)
    return [
        (member.name, index, round(one.at - began, 6))
        for index, sent in enumerate(ids)
        for member, one in cluster.deliveries(sent)
    ]


def nobody(cluster: Cluster) -> NetID:
    """An address that refuses connections: its host runs, and nothing listens there."""
    return NetID(cluster["b1"].netid.ip, 9)


def silence(cluster: Cluster) -> NetID:
    """An address from which nothing ever comes back."""
    return NetID("192.0.2.1", 29999)


@pytest.mark.parametrize("missing", [nobody, silence])
def test_an_unreachable_address_delays_nobody(missing: Callable[[Cluster], NetID]) -> None:
    """The same moments to the microsecond for all the others."""
    named = ["a2", "a3", "b1", "b3", "c2", "c4"]
    traces = []
    for with_it in (False, True):
        cluster = segments(3, 4, seed=1)
        to = [cluster[name].netid for name in named]
        traces.append(trace(cluster, [*to, missing(cluster)] if with_it else to))

    assert len(traces[0]) == 20 * len(named)
    assert sorted(traces[0]) == sorted(traces[1])


def test_a_host_that_died_silently_delays_nobody() -> None:
    """Known to be alive a moment ago, so it may head a branch: the others of it get theirs from
    elsewhere after 150 ms, and once that is known nobody waits at all."""
    named = ["a2", "a3", "b1", "b2", "b3", "c1", "c4"]
    cluster = segments(3, 4, seed=1)
    cluster["b2"].kill(silently=True)
    delays = [
        round(at - index * 0.2, 4)
        for name, index, at in trace(cluster, [cluster[name].netid for name in named])
        if name != "b2"
    ]

    assert len(delays) == 20 * 6
    assert max(delays) < 0.3
    assert sum(delay > 0.1 for delay in delays) < 12
