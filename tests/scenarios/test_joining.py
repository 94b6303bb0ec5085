"""How nodes find each other."""

from __future__ import annotations

import pytest

from chatter.ids import NetID
from chatter.testing import Cluster
from tests.scenarios.stage import names

SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
def test_by_beacons_alone(seed: int) -> None:
    cluster = Cluster(seed)
    cluster.add(8)
    cluster.start()

    cluster.run_until(cluster.warm, 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_by_one_seed_alone(seed: int) -> None:
    cluster = Cluster(seed)
    first = cluster.add(1, groups=())
    cluster.add(9, groups=(), join=first)
    cluster.start()

    cluster.run_until(cluster.complete, 5)


@pytest.mark.parametrize("seed", SEEDS)
def test_by_a_chain_of_seeds(seed: int) -> None:
    cluster = Cluster(seed)
    chain = cluster.add(1, groups=())
    for _ in range(5):
        chain += cluster.add(1, groups=(), join=chain[-1:])
    cluster.start()

    cluster.run_until(cluster.complete, 10)


@pytest.mark.parametrize("seed", SEEDS)
def test_by_a_seed_that_starts_later(seed: int) -> None:
    cluster = Cluster(seed)
    late = cluster.add(1, segment="b")
    early = cluster.add(3, join=late)
    cluster.start(*early)
    cluster.run_for(60)
    cluster.start(*late)

    cluster.run_until(cluster.complete, 13)


def test_by_one_of_several_seeds() -> None:
    cluster = Cluster()
    there = cluster.add(2, segment="b")
    nobody = [NetID("192.0.2.1", 9), NetID("10.0.0.200", 9)]
    cluster.add(2, join=[*nobody, there[1]])
    cluster.start()

    cluster.run_until(cluster.complete, 5)


def test_a_node_that_is_its_own_seed_meets_nobody_and_minds_not() -> None:
    cluster = Cluster()
    (alone,) = cluster.add(1, groups=())
    alone.seeds = [alone.netid]
    cluster.start()
    cluster.run_for(30)

    assert alone.counts["connects_failed"] == 0
    assert alone.live_peers() == set()


def test_other_keys_and_other_labels_never_meet() -> None:
    cluster = Cluster()
    ours = cluster.add(2)
    stranger = Cluster(seed=5).key
    theirs = cluster.add(1, key=stranger) + cluster.add(1, label="staging", join=ours)
    cluster.start()
    cluster.run_for(30)

    assert ours[0].live_peers() == {ours[1].netid}
    assert [one.live_peers() for one in theirs] == [set(), set()]
    assert ours[0].counts["dropped_bad_seal"] > 0
    assert ours[0].counts["dropped_unknown_key_hint"] > 0


def test_keys_can_be_changed_one_node_at_a_time() -> None:
    cluster = Cluster()
    new = Cluster(seed=5).key
    cluster.add(1, key=[cluster.key, new])
    cluster.add(1, key=[new, cluster.key])
    cluster.add(1, key=[new, cluster.key], segment="b", join=[cluster["a1"]])
    cluster.start()
    cluster.run_until(cluster.complete, 5)

    sent = cluster.broadcast("a1")
    cluster.run_for(1)

    assert cluster.who_dispatched(sent) == ["a2", "b1"]


@pytest.mark.parametrize("seed", SEEDS)
def test_processes_of_one_host_meet_on_loopback(seed: int) -> None:
    cluster = Cluster(seed)
    cluster.add(4, host="web", groups=())
    for member in cluster:
        assert member.channels == ()
    others = Cluster(seed)
    others.add(4, host="web", loopback=True)
    others.start()
    others.run_until(others.warm, 3)

    sent = others.broadcast("a1", body="x" * 30_000)
    others.run_for(1)

    assert others.who_dispatched(sent) == names(others, "a1")
    assert {one.message.via for _, one in others.deliveries(sent)} == {"multicast"}


@pytest.mark.parametrize("seed", SEEDS)
def test_workers_of_two_hosts_use_loopback_and_the_lan(seed: int) -> None:
    cluster = Cluster(seed)
    for host in ("web1", "web2"):
        cluster.add(3, host=host)
    cluster.start()
    cluster.run_until(cluster.warm, 3)
    cluster.run_for(3)

    small = cluster.broadcast("a1")
    large = cluster.broadcast("a1", body=cluster.rng.randbytes(20_000), codec="bytes")
    cluster.run_for(1)

    assert cluster.who_dispatched(small) == names(cluster, "a1")
    assert cluster.who_dispatched(large) == names(cluster, "a1")
    by = {member.name: one.message.via for member, one in cluster.deliveries(large)}
    assert {by["a2"], by["a3"]} == {"multicast"}  # what the LAN does not take, loopback does
    assert cluster["a5"].netid.ip == cluster["a4"].netid.ip != cluster["a1"].netid.ip


@pytest.mark.parametrize("seed", SEEDS)
def test_ipv6(seed: int) -> None:
    group = NetID("ff15::114", 29999)
    cluster = Cluster(seed)
    first = cluster.add(3, ipv6=True, groups=[group])
    cluster.add(3, segment="b", ipv6=True, groups=[group], join=first[:1])
    cluster.start()
    cluster.run_until(cluster.warm, 5)
    cluster.run_for(3)

    sent = cluster.broadcast("b2", body={"via": "six"})
    named = cluster.broadcast("a1", to=["a2", "b3"])
    cluster.run_for(1)

    assert cluster.who_dispatched(sent) == names(cluster, "b2")
    assert cluster.who_dispatched(named) == ["a2", "b3"]


def test_both_families_in_one_cluster() -> None:
    cluster = Cluster()
    first = cluster.add(2)
    cluster.add(2, segment="b", ipv6=True, groups=(), join=first[:1])
    cluster.start()
    cluster.run_until(cluster.complete, 5)

    sent = cluster.broadcast("b1")
    cluster.run_for(1)

    assert cluster.who_dispatched(sent) == ["a1", "a2", "b2"]


def test_a_loopback_address_is_believed_on_its_own_host_only() -> None:
    """Two hosts, each with a node at a loopback address: neither is told of the other."""
    cluster = Cluster()
    outside = cluster.add(1)
    cluster.add(2, segment="b", loopback=True, join=outside)
    cluster.start()
    cluster.run_for(20)

    assert outside[0].live_peers() == set()
    assert cluster["b1"].live_peers() >= {cluster["b2"].netid}
