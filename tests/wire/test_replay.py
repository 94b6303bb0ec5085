"""The replay window against a model that remembers everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.errors import Replayed
from chatter.wire.replay import USABLE_WINDOW, WINDOW, ReplayWindow
from tests.wire.samples import PROPERTY


class Model:
    """Every counter ever accepted, in a set."""

    def __init__(self, floor: int) -> None:
        self.floor = self.top = floor
        self.seen: set[int] = set()

    def takes(self, counter: int) -> bool:
        return (
            counter > self.floor and counter not in self.seen and counter > self.top - USABLE_WINDOW
        )

    def accept(self, counter: int) -> None:
        self.seen.add(counter)
        self.top = max(self.top, counter)


def takes(window: ReplayWindow, counter: int) -> bool:
    try:
        window.check(counter)
    except Replayed:
        return False
    return True


# Steps relative to the newest counter: near, about the window's edge, jumps over it, any block.
STEPS = st.one_of(
    st.integers(-20, 20),
    st.integers(-WINDOW - 20, -WINDOW + 20),
    st.integers(WINDOW - 20, WINDOW + 20),
    st.integers(-2 * WINDOW, 3 * WINDOW),
)


@PROPERTY
@given(st.integers(0, 2**40), st.lists(st.tuples(st.sampled_from("tttttf"), STEPS), max_size=60))
def test_like_a_set_of_all_counters(floor: int, steps: list[tuple[str, int]]) -> None:
    window, model = ReplayWindow(floor), Model(floor)
    for what, step in steps:
        counter = max(0, model.top + step)
        if what == "f":
            counter = min(counter, model.top)
            window.raise_floor(counter)
            model.floor = max(model.floor, counter)
            continue
        accepted = model.takes(counter)
        assert takes(window, counter) == accepted, counter
        if accepted:
            window.accept(counter)
            model.accept(counter)
            assert not takes(window, counter)


@pytest.mark.parametrize("floor", [0, 1, 7, 8, 12345])
def test_nothing_at_or_below_the_floor(floor: int) -> None:
    window = ReplayWindow(floor)

    assert not takes(window, floor)
    assert not takes(window, 0)
    assert takes(window, floor + 1)


def test_a_whole_window_backwards() -> None:
    window = ReplayWindow()
    top = 100_000
    window.accept(top)
    for counter in range(top - 1, top - USABLE_WINDOW, -1):
        window.check(counter)
        window.accept(counter)

    assert not any(takes(window, counter) for counter in range(top - 2 * WINDOW, top + 1))
    assert takes(window, top + 1)


def test_counters_in_sequence_are_never_refused() -> None:
    """Three times round the ring: what an old block remembers is not held against a new one."""
    window = ReplayWindow()
    for counter in range(1, 3 * WINDOW):
        window.check(counter)
        window.accept(counter)


@pytest.mark.parametrize("swapped", [8, 16, 100, 4096])
def test_counters_that_overtake_each_other_are_never_refused(swapped: int) -> None:
    window = ReplayWindow()
    for start in range(8, 3 * WINDOW, swapped):
        for counter in reversed(range(start, start + swapped)):
            window.check(counter)
            window.accept(counter)


@pytest.mark.parametrize("step", [7, 8, 9, 64, WINDOW - 1, WINDOW, WINDOW + 1])
def test_counters_with_gaps_are_never_refused(step: int) -> None:
    window = ReplayWindow()
    for counter in range(1, 4 * WINDOW * min(step, 8), step):
        window.check(counter)
        window.accept(counter)


def test_a_check_alone_changes_nothing() -> None:
    window = ReplayWindow()
    for _ in range(3):
        assert takes(window, 10**9)

    assert takes(window, 1)
