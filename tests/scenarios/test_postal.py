"""The tree that is planned by what was measured: never later than halving or a star."""

from __future__ import annotations

from math import ceil, log2

import pytest

from chatter.core.postal import TICKS, completion, halving, star
from chatter.testing import Cluster, Delay, Lose
from chatter.testing.faults import UDP
from chatter.testing.network import BETWEEN_SEGMENTS_S, WITHIN_SEGMENT_S
from tests.scenarios.stage import most_hops, names

SEND_S = 0.00005

# What a node takes a send to cost, in multiples of what it does, so that its trees are these.
STAR, MEASURED, HALVING = 0.0, 1.0, 1e9


def apart(
    nodes: int, round_trip_s: float, misjudged: float = MEASURED, *, seed: int = 1
) -> Cluster:
    """Nodes without multicast that have long met, each so far from each other one."""
    cluster = Cluster(seed)
    cluster.network.send_s = SEND_S
    cluster.network.add(Delay(round_trip_s / 2 - WITHIN_SEGMENT_S))
    for member in cluster.add(nodes, groups=()):
        member.send_misjudged = misjudged
    cluster.start()
    cluster.acquaint()
    return cluster


def last_one_s(cluster: Cluster, origin: str = "a1") -> float:
    """How long until the last one has a broadcast, all connections being up from one before."""
    for _ in range(2):
        cluster.run_for(2)
        began = cluster.now
        sent = cluster.broadcast(origin, body=b"", codec="bytes")
    cluster.run_for(2)
    assert cluster.who_dispatched(sent) == names(cluster, origin)
    assert most_hops(cluster, sent) <= ceil(log2(len(cluster)))
    return cluster.deliveries(sent)[-1][1].at - began


@pytest.mark.parametrize(
    ("round_trip_s", "than_halving", "than_a_star"),
    [(0.0002, 1.2, 4.4), (0.001, 2.1, 2.3), (0.01, 3.7, 1.0), (0.05, 5.3, 1.0), (0.1, 5.6, 1.0)],
)
def test_64_nodes_have_it_earlier_than_by_halving_and_no_later_than_by_a_star(
    round_trip_s: float, than_halving: float, than_a_star: float
) -> None:
    """The figures are how many times earlier, at least."""
    measured, halved, starred = (
        last_one_s(apart(64, round_trip_s, misjudged)) for misjudged in (MEASURED, HALVING, STAR)
    )

    assert halved / measured > than_halving
    assert starred / measured > than_a_star - 0.01


def test_it_takes_as_long_as_the_model_says() -> None:
    latency = int(TICKS * (0.0005 + SEND_S) / SEND_S)
    models = ((MEASURED, completion), (HALVING, halving), (STAR, star))

    for misjudged, model in models:
        modelled_s = model(63, latency) / TICKS * SEND_S
        assert last_one_s(apart(64, 0.001, misjudged)) == pytest.approx(modelled_s, rel=0.06)


def test_nodes_measure_by_themselves_and_halve_until_then() -> None:
    cluster = Cluster(3)
    cluster.network.send_s = SEND_S
    cluster.network.add(Delay(0.025))
    first = cluster.add(1, groups=())
    cluster.add(11, groups=(), join=first)
    cluster.start()
    cluster.run_until(cluster.complete, 30)

    early = cluster.broadcast("a2")
    cluster.run_for(90)
    late = cluster.broadcast("a2")
    cluster.run_for(2)

    for sent in (early, late):
        assert cluster.who_dispatched(sent) == names(cluster, "a2")
    assert most_hops(cluster, early) > 1
    assert most_hops(cluster, late) == 1


def test_so_they_do_where_no_datagram_passes_at_all() -> None:
    cluster = Cluster(3)
    cluster.network.send_s = SEND_S
    cluster.network.add(Delay(0.025), Lose(1.0, kinds=[UDP]))
    first = cluster.add(1, groups=())
    cluster.add(11, groups=(), join=first)
    cluster.start()
    cluster.run_until(cluster.complete, 30)

    early = cluster.broadcast("a2")
    cluster.run_for(120)
    late = cluster.broadcast("a2")
    cluster.run_for(2)

    for sent in (early, late):
        assert cluster.who_dispatched(sent) == names(cluster, "a2")
    assert most_hops(cluster, early) > 1
    assert most_hops(cluster, late) == 1


def test_two_sites_far_apart() -> None:
    """16 at our site, 1 ms from each other, and 16 at another, 50 ms away."""

    def two_sites(misjudged: float) -> Cluster:
        cluster = Cluster(5)
        cluster.network.send_s = SEND_S
        here = cluster.add(16, segment="a", groups=())
        there = cluster.add(16, segment="b", groups=())
        ours, theirs = [{one.netid for one in site} for site in (here, there)]
        within, between = 0.0005 - WITHIN_SEGMENT_S, 0.025 - BETWEEN_SEGMENTS_S
        for near, far in ((ours, theirs), (theirs, ours)):
            cluster.network.add(Delay(within, sources=near, targets=near))
            cluster.network.add(Delay(between, sources=near, targets=far))
        for member in cluster:
            member.send_misjudged = misjudged
        cluster.start()
        cluster.acquaint()
        return cluster

    measured, halved, starred = (
        last_one_s(two_sites(misjudged)) for misjudged in (MEASURED, HALVING, STAR)
    )

    assert measured < halved / 2
    assert measured <= starred + SEND_S  # some bytes come in two pieces


def test_segments_are_entered_once_each() -> None:
    cluster = Cluster(7)
    cluster.network.send_s = SEND_S
    places = [f"s{chr(97 + number)}" for number in range(16)]
    for place in places:
        cluster.add(4, segment=place)
    cluster.network.add(Delay(0.005, kinds=["tcp", "udp"]))
    cluster.start()
    cluster.acquaint()
    cluster.run_for(2)
    before = cluster.count("gossip_sent")

    sent = cluster.broadcast("sa1")
    cluster.run_for(2)

    assert cluster.who_dispatched(sent) == names(cluster, "sa1")
    assert most_hops(cluster, sent) == 2  # one to each segment, and its multicast
    assert cluster.count("gossip_sent") - before <= 15 + 3  # ... and a question to some


@pytest.mark.parametrize("round_trip_s", [0.001, 0.05])
@pytest.mark.parametrize("silently", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_the_branch_of_a_dead_head_is_served_by_others(
    seed: int, silently: bool, round_trip_s: float
) -> None:
    cluster = apart(32, round_trip_s, seed=seed)
    last_one_s(cluster)
    dead = ["a5", "a6", "a7", "a8"]
    for name in dead:
        cluster[name].kill(silently=silently)

    sent = cluster.broadcast("a1")
    cluster.run_for(30)

    assert cluster.who_dispatched(sent) == names(cluster, "a1", *dead)
