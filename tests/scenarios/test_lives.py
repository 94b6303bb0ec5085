"""Nodes come and go: by leaving, dying, starting again, and by being cut off for a while."""

from __future__ import annotations

from typing import Any

import pytest

from chatter.testing import Cluster, Scenario
from chatter.testing.cluster import START_UNIX_MS
from chatter.testing.scenario import (
    Broadcast,
    Cut,
    EverybodyDispatches,
    Expect,
    Heal,
    Kill,
    Meet,
    Restart,
    Start,
    Stop,
    Wait,
)
from tests.scenarios.stage import names, segments

SEEDS = range(3)


def states(cluster: Cluster, at: str, of: str) -> list[str]:
    """The states that a node was told another one went through."""
    netid = cluster[of].netid
    return [event.state for event in cluster[at].events if event.address == netid]


@pytest.mark.parametrize("silently", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_silent_node_is_failed_after_ten_seconds(seed: int, silently: bool) -> None:
    cluster = segments(2, 4, seed)
    cluster["b2"].kill(silently=silently)

    took = cluster.run_until(cluster.complete, 15)

    assert took > 9
    assert states(cluster, "a1", "b2") == ["alive", "failed"]


@pytest.mark.parametrize("seed", SEEDS)
def test_leaving_is_told(seed: int) -> None:
    cluster = segments(2, 4, seed)
    cluster["b2"].stop()

    cluster.run_until(lambda: not cluster["b2"].running, 1)
    cluster.run_until(cluster.complete, 1)

    for name in names(cluster, "b2"):
        assert states(cluster, name, "b2") == ["alive", "left"]


@pytest.mark.parametrize("seed", SEEDS)
def test_one_that_left_stays_gone(seed: int) -> None:
    cluster = segments(2, 3, seed)
    cluster["b2"].stop()
    cluster.run_for(90)  # nobody is remembered as long as that

    assert cluster.complete()
    assert states(cluster, "a1", "b2") == ["alive", "left"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_restart_supersedes_the_former_life(seed: int) -> None:
    cluster = segments(2, 4, seed)
    first = cluster.broadcast("b2", body="first life")
    cluster.run_for(1)
    cluster["b2"].kill()
    cluster["b2"].start()
    cluster.run_until(cluster.warm, 5)
    cluster.run_for(2)

    second = cluster.broadcast("b2", body="second life")
    to_it = cluster.broadcast("a1", body="welcome back")
    cluster.run_for(1)

    assert second.epoch > first.epoch
    assert second.seqno == first.seqno == 1
    assert cluster.who_dispatched(first) == names(cluster, "b2")
    assert cluster.who_dispatched(second) == names(cluster, "b2")
    assert cluster.who_dispatched(to_it) == names(cluster, "a1")
    for name in names(cluster, "b2"):
        assert states(cluster, name, "b2") == ["alive", "failed", "alive"]


@pytest.mark.parametrize("groups", [True, False], ids=["multicast", "tcp alone"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_node_whose_clock_went_back_draws_an_epoch_above(seed: int, groups: bool) -> None:
    options: dict[str, Any] = {} if groups else {"groups": ()}
    cluster = segments(2, 3, seed, **options)
    back = cluster["b2"]
    first = cluster.broadcast(back)
    cluster.run_for(1)
    back.kill()
    back.set_clock(lambda: START_UNIX_MS - 86_400_000)
    back.start()
    assert back.node.epoch < first.epoch
    cluster.run_until(cluster.warm, 10)
    cluster.run_for(2)

    second = cluster.broadcast(back)
    cluster.run_for(1)

    assert second.epoch > first.epoch
    assert back.counts["lives_drawn"] == 1
    assert cluster.who_dispatched(second) == names(cluster, "b2")
    assert back.troubles == []


def test_the_younger_of_two_lives_at_one_address_holds_it() -> None:
    cluster = segments(1, 2)
    a1, a2 = cluster["a1"], cluster["a2"]
    older = a2.node.life
    a2.kill()
    a2.start()
    cluster.run_for(5)

    a1.node._contacts.prove(a2.netid, older, 0)

    assert a1.counts["stale_epochs"] == 1
    assert a1.state_of(a2.netid) == "alive"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_healed_partition_comes_together_again(seed: int) -> None:
    Scenario(
        Start("a", 4),
        Start("b", 4, join="a1"),
        Meet(),
        Cut("a", "b"),
        Expect("a", "b", "failed"),
        Expect("b", "a", "failed"),
        Broadcast("a1"),
        Broadcast("b2"),
        EverybodyDispatches(),
        Wait(60),
        Heal(),
        Meet(30),
        Broadcast("a1"),
        Broadcast("b1"),
        EverybodyDispatches(),
        seed=seed,
    ).play()


@pytest.mark.parametrize("seed", SEEDS)
def test_without_seeds_too(seed: int) -> None:
    """Whoever once knew each other tries again, so a seed that is gone is not missed."""
    Scenario(
        Start("a", 3),
        Start("b", 3, join="a1"),
        Meet(),
        Kill("a1", silently=True),
        Cut("a", "b"),
        Wait(30),
        Heal(),
        Meet(60),
        seed=seed,
    ).play()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_short_cut_fails_nobody(seed: int) -> None:
    cluster = Scenario(
        Start("a", 3),
        Start("b", 3, join="a1"),
        Meet(),
        Cut("a", "b"),
        Wait(6),
        Heal(),
        Wait(20),
        seed=seed,
    ).play()

    assert {event.state for member in cluster for event in member.events} == {"alive"}


@pytest.mark.parametrize("seed", SEEDS)
def test_all_restart_one_after_the_other(seed: int) -> None:
    steps = [step for name in ("a1", "b1", "a2", "b2") for step in (Restart(name), Meet(30))]
    Scenario(
        Start("a", 2),
        Start("b", 2, join="a1"),
        Meet(),
        *steps,
        Stop("a1"),
        Expect("b", "a1", "left", 3),
        Broadcast("b2"),
        EverybodyDispatches(),
        seed=seed,
    ).play()


def test_what_is_queued_is_still_sent_by_one_that_leaves() -> None:
    cluster = segments(2, 3)

    sent = [cluster.broadcast("a1", body=number) for number in range(20)]
    cluster["a1"].stop()
    cluster.run_for(3)

    assert [cluster.who_dispatched(one) for one in sent] == [names(cluster, "a1")] * 20
    assert states(cluster, "b1", "a1")[-1] == "left"
