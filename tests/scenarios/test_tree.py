"""The TCP tree: depth, dead heads, and what becomes of their branches."""

from __future__ import annotations

from math import ceil, log2
from typing import Any

import pytest

from chatter.testing import Cluster, Delay, Lose
from tests.scenarios.stage import most_hops, names, segments


def all_tcp(nodes: int, seed: int = 0, **config: Any) -> Cluster:
    """A cluster without any multicast that has long met."""
    cluster = Cluster(seed)
    cluster.add(nodes, groups=(), **config)
    cluster.start()
    cluster.acquaint()
    return cluster


@pytest.mark.parametrize("nodes", [2, 3, 7, 16, 64])
@pytest.mark.parametrize("seed", range(2))
def test_n_nodes_are_reached_in_about_log_n_hops(nodes: int, seed: int) -> None:
    cluster = all_tcp(nodes, seed)

    for origin in ("a1", "a2"):
        sent = cluster.broadcast(origin)
        cluster.run_for(2)
        assert cluster.who_dispatched(sent) == names(cluster, origin)
        assert most_hops(cluster, sent) <= ceil(log2(nodes)) + 1


def test_64_nodes_that_met_by_themselves() -> None:
    cluster = Cluster(3)
    first = cluster.add(1, groups=())
    cluster.add(63, groups=(), join=first)
    cluster.start()
    cluster.run_until(cluster.complete, 30)

    sent = cluster.broadcast("a9", body="x" * 3000)
    cluster.run_for(2)

    assert cluster.who_dispatched(sent) == names(cluster, "a9")
    assert most_hops(cluster, sent) <= ceil(log2(64)) + 1


@pytest.mark.parametrize("silently", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_branch_of_a_dead_head_is_served_by_others(seed: int, silently: bool) -> None:
    """Killed a moment ago: nobody has noticed yet, and some of them would head branches."""
    cluster = all_tcp(32, seed)
    cluster.run_for(1)
    dead = ["a5", "a6", "a7", "a8"]
    for name in dead:
        cluster[name].kill(silently=silently)

    sent = cluster.broadcast("a1")
    cluster.run_for(30)

    assert cluster.who_dispatched(sent) == names(cluster, "a1", *dead)


@pytest.mark.parametrize("seed", range(4))
def test_a_head_that_died_behind_a_warm_connection(seed: int) -> None:
    cluster = all_tcp(12, seed)
    for _ in range(5):
        cluster.broadcast("a1")
        cluster.run_for(0.5)
    dead = ["a2", "a3"]
    for name in dead:
        cluster[name].kill()
    cluster.run_for(0.05)  # their systems have told everybody

    sent = cluster.broadcast("a1")
    cluster.run_for(10)

    assert cluster.who_dispatched(sent) == names(cluster, "a1", *dead)


@pytest.mark.parametrize("seed", range(3))
def test_a_slow_and_lossy_network_is_slow_and_loses_nothing_on_tcp(seed: int) -> None:
    cluster = all_tcp(16, seed, connect_timeout_s=30.0)
    cluster.network.add(Delay(0.05, jitter_s=0.05), Lose(0.1))

    sent = [cluster.broadcast("a1", body="x" * 2000) for _ in range(10)]
    cluster.run_for(30)

    assert [cluster.who_dispatched(one) for one in sent] == [names(cluster, "a1")] * 10


def test_a_node_that_dies_in_the_middle_of_it_all_doubles_nothing() -> None:
    """What it had taken and not passed on is lost until parents answer for their branches."""
    cluster = segments(2, 4)
    for number in range(30):
        cluster.broadcast("a1", body=cluster.rng.randbytes(30_000), codec="bytes")
        if number == 10:
            cluster["b2"].kill()
        cluster.run_for(0.01)
    cluster.run_for(30)

    for member in cluster:
        ids = [one.id for one in member.inbox]
        assert len(ids) == len(set(ids))
    assert {len(cluster[name].inbox) for name in ("a2", "a3", "a4")} == {30}
    assert min(len(cluster[name].inbox) for name in ("b1", "b3", "b4")) >= 29


def test_a_relay_never_touches_a_payload_it_can_not_read() -> None:
    """Nobody but the last one has a handler, and only that one knows the encoding."""
    cluster = all_tcp(8)
    sent = cluster.broadcast("a1", "secret", b"\x80\x81", codec="bytes")
    cluster.run_for(1)

    assert {one.message.body for _, one in cluster.deliveries(sent)} == {b"\x80\x81"}
    assert {one.message.codec for _, one in cluster.deliveries(sent)} == {"bytes"}
