from __future__ import annotations

import pytest

from chatter.testing import Lose, Scenario, ScenarioFailed
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
    Step,
    Stop,
    Suffer,
    Wait,
)


def test_a_story_that_goes_well_leaves_its_cluster() -> None:
    cluster = Scenario(
        Start("a", 2),
        Start("b", 2, join="a1"),
        Meet(),
        Broadcast("a1", to="a2 b"),
        Broadcast("b1"),
        EverybodyDispatches(),
        seed=1,
    ).play()

    assert len(cluster) == 4
    assert len(cluster["a1"].inbox) == 1
    assert len(cluster["b2"].inbox) == 2


def test_a_failure_tells_the_story_up_to_it_and_the_seed() -> None:
    story = Scenario(
        Start("a", 3),
        Meet(5),
        Suffer(Lose(1.0)),
        Broadcast("a1", to="a2"),
        EverybodyDispatches(2),
        Heal(),
        seed=42,
    )

    with pytest.raises(ScenarioFailed) as caught:
        story.play()

    lines = str(caught.value).splitlines()
    assert lines[0] == "seed 42"
    assert lines[1].startswith("  ✓ 3 nodes start in segment a")
    assert "a1 broadcasts 16 bytes to a2" in lines[4]
    assert lines[5] == "  ✗ within 2 s everybody meant has dispatched each broadcast once"
    assert lines[6] == "    broadcast 1 of a1: not at: a2"
    assert len(lines) == 7


def test_an_expectation_that_does_not_come_true_fails() -> None:
    story = Scenario(Start("a", 2), Meet(), Expect("a1", "a2", "failed", within_s=2))

    with pytest.raises(ScenarioFailed, match="✗ a1 takes a2 to be failed within 2 s"):
        story.play()


def test_nodes_that_never_meet_fail() -> None:
    with pytest.raises(ScenarioFailed, match="✗ all meet within 3 s"):
        Scenario(Start("a", 1), Start("b", 1), Meet(3)).play()


def test_a_cut_of_some_kinds_one_way() -> None:
    cluster = Scenario(Start("a", 2), Meet(), Cut("a1", "a2", ("multicast",), one_way=True)).play()

    (fault,) = cluster.network.faults
    assert (fault.kinds, fault.sources) == ({"multicast"}, {cluster["a1"].netid})


def test_nodes_that_do_not_run_need_not_dispatch() -> None:
    Scenario(
        Start("a", 3),
        Meet(),
        Kill("a2"),
        Broadcast("a1"),
        EverybodyDispatches(),
        Restart("a2"),
        Stop("a3"),
        Expect("a1", "a3", "left"),
        Meet(),
    ).play()


def test_a_name_that_nobody_has_is_a_mistake_of_the_test() -> None:
    with pytest.raises(ValueError, match="'a9'"):
        Scenario(Start("a", 1), Kill("a9")).play()


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Start("a", 4), "4 nodes start in segment a"),
        (Start("b", 1, join="a1"), "1 nodes start in segment b, joining by a1"),
        (Wait(0.5), "0.5 s pass"),
        (Broadcast("a1", to="a2 b", bytes=5), "a1 broadcasts 5 bytes to a2 b"),
        (Kill("a"), "a is killed"),
        (Kill("a", silently=True), "a loses its power"),
        (Stop("a1"), "a1 leaves"),
        (Restart("a1"), "a1 starts again"),
        (Cut("a", "b"), "nothing passes from a and back to b"),
        (Cut("a", "b", ("udp",), one_way=True), "no udp passes from a to b"),
        (Suffer(Lose(0.5)), "the network begins to lose: "),
        (Heal(), "the network is whole again"),
    ],
)
def test_each_step_prints_itself(step: Step, text: str) -> None:
    assert str(step).startswith(text)
