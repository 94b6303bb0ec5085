"""Multicast that stops working, in whole, in part or one way, is noticed and done without."""

from __future__ import annotations

import pytest

from chatter.testing import Cut, Lose, Scenario
from chatter.testing.scenario import (
    Broadcast,
    EverybodyDispatches,
    Heal,
    Meet,
    Start,
    Suffer,
    Wait,
)
from tests.scenarios.stage import names, segments

SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dead_switch_is_done_without_once_the_evidence_has_aged(seed: int) -> None:
    Scenario(
        Start("a", 5),
        Start("b", 3, join="a1"),
        Meet(),
        Suffer(Lose(1.0, kinds=["multicast"])),
        Wait(16),
        Broadcast("a2"),
        Broadcast("b1"),
        EverybodyDispatches(),
        Heal(),
        Wait(5),
        Broadcast("a1"),
        EverybodyDispatches(),
        seed=seed,
    ).play()


def test_it_ages_though_everybody_goes_on_living() -> None:
    cluster = segments(1, 4)
    assert len(cluster["a1"].listeners()) == 3

    cluster.network.add(Lose(1.0, kinds=["multicast"]))
    cluster.run_for(16)

    assert cluster["a1"].listeners() == set()
    assert len(cluster["a1"].live_peers()) == 3


def test_it_comes_back_when_the_switch_does() -> None:
    cluster = segments(1, 4)
    cluster.network.add(Lose(1.0, kinds=["multicast"]))
    cluster.run_for(16)
    cluster.network.heal()
    cluster.run_for(3)

    sent = cluster.broadcast("a1")
    cluster.run_for(1)

    assert {one.message.via for _, one in cluster.deliveries(sent)} == {"multicast"}


def test_a_probe_notices_long_before_and_fetches_what_was_missed() -> None:
    cluster = segments(1, 2)
    cluster.network.add(Lose(1.0, kinds=["multicast"]))

    sent = cluster.broadcast("a1")
    cluster.run_for(0.5)

    assert cluster.who_dispatched(sent) == ["a2"]
    assert cluster["a2"].counts["probes_missed"] == 1
    assert cluster["a1"].listeners() == set()
    assert cluster["a2"].inbox[-1].message.via == "tcp"


@pytest.mark.parametrize("seed", SEEDS)
def test_whoever_broadcasts_into_a_dead_group_knows_within_two_seconds(seed: int) -> None:
    cluster = segments(1, 16, seed)
    cluster.run_for(30)  # all is calm: beacons come seldom
    cluster.network.add(Lose(1.0, kinds=["multicast"]))

    sent = []
    for _ in range(20):
        sent.append(cluster.broadcast("a1"))
        cluster.run_for(0.1)

    assert cluster["a1"].listeners() == set()
    cluster.run_for(15)  # the others still believe in the group, for whom they serve
    for one in sent:
        assert cluster.who_dispatched(one) == names(cluster, "a1")


@pytest.mark.parametrize("seed", SEEDS)
def test_who_does_not_hear_us_is_served_by_tcp_and_the_others_by_multicast(seed: int) -> None:
    cluster = segments(1, 4, seed)
    deaf = Cut(
        sources=[cluster["a1"].netid],
        targets=[cluster["a2"].netid],
        kinds=["multicast"],
        one_way=True,
    )
    cluster.network.add(deaf)
    cluster.run_for(16)

    there, back = cluster.broadcast("a1"), cluster.broadcast("a2")
    cluster.run_for(1)

    by = {member.name: one.message.via for member, one in cluster.deliveries(there)}
    assert by == {"a2": "tcp", "a3": "multicast", "a4": "multicast"}
    assert cluster.who_dispatched(back) == names(cluster, "a2")
    assert {one.message.via for _, one in cluster.deliveries(back)} == {"multicast"}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_large_segment_without_multicast_is_no_chain_of_nodes(seed: int) -> None:
    """The hint that all are in one segment outlives the multicast that made it one."""
    cluster = segments(2, 16, seed)
    cluster.network.add(Lose(1.0, kinds=["multicast"]))

    for _ in range(40):  # while evidence and hints vanish here and there
        cluster.run_for(0.5)
        cluster.broadcast("a1")
    cluster.run_for(1)

    hops = [one.message.hops for member in cluster for one in member.inbox]
    assert max(hops) <= 9
    assert {len(cluster.who_dispatched(one.id)) for one in cluster["b1"].inbox[-5:]} == {31}


@pytest.mark.parametrize("kinds", [("udp",), ("udp", "multicast")])
def test_a_firewall_that_lets_only_tcp_pass(kinds: tuple[str, ...]) -> None:
    Scenario(
        Start("a", 4),
        Suffer(Lose(1.0, kinds=kinds)),
        Start("b", 4, join="a1"),
        Wait(60),
        *[Broadcast(origin) for origin in ("a1", "a2", "b1", "b4")],
        EverybodyDispatches(),
        seed=1,
    ).play()


def test_datagrams_that_stop_passing_later_fail_nobody() -> None:
    cluster = segments(2, 3)
    cluster.network.add(Lose(1.0, kinds=["udp"]))

    cluster.run_for(120)

    assert cluster.complete()
    assert not [event for member in cluster for event in member.events if event.state == "failed"]


def test_datagrams_that_pass_one_way_only_fail_nobody() -> None:
    cluster = segments(2, 1)
    one_way = Cut(sources=[cluster["a1"].netid], kinds=["udp"], one_way=True)
    cluster.network.add(one_way)

    cluster.run_for(120)

    assert cluster.complete()
    assert not [event for member in cluster for event in member.events if event.state == "failed"]
