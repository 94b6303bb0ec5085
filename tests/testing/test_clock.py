from __future__ import annotations

import pytest

from chatter.testing import clock as clock_module
from chatter.testing.clock import Clock, Livelock


def test_it_jumps_to_what_is_due_and_does_it_in_order() -> None:
    clock = Clock()
    done: list[tuple[str, float]] = []
    for name, when in (("late", 1000.0), ("early", 1.0), ("also early", 1.0)):
        clock.at(when, lambda name=name: done.append((name, clock.now)))  # type: ignore[misc]

    clock.run_until(2000.0)

    assert done == [("early", 1.0), ("also early", 1.0), ("late", 1000.0)]
    assert clock.now == 2000.0


def test_what_lies_behind_the_moment_waits() -> None:
    clock = Clock()
    done: list[int] = []
    clock.after(5.0, lambda: done.append(1))

    clock.run_until(4.9)
    assert (done, clock.now) == ([], 4.9)
    assert not clock.step(4.95)
    assert clock.step()
    assert (done, clock.now) == ([1], 5.0)
    assert not clock.step()


def test_the_past_means_now() -> None:
    clock = Clock()
    clock.run_until(10.0)
    moments: list[float] = []
    clock.at(3.0, lambda: moments.append(clock.now))
    clock.after(-1.0, lambda: moments.append(clock.now))

    clock.run_until(10.0)

    assert moments == [10.0, 10.0]


def test_what_is_cancelled_does_not_happen() -> None:
    clock = Clock()
    done: list[int] = []
    timer = clock.after(1.0, lambda: done.append(1))
    timer.cancel()

    clock.run_until(2.0)

    assert done == []


def test_who_goes_on_for_ever_without_time_passing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "MAX_EVENTS_PER_S", 1000)
    clock = Clock()

    def again() -> None:
        clock.after(0.0, again)

    again()
    with pytest.raises(Livelock):
        clock.run_until(1.0)


def test_a_steady_pace_is_no_livelock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "MAX_EVENTS_PER_S", 1000)
    clock = Clock()
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(clock.now)
        clock.after(0.01, tick)

    tick()
    clock.run_until(100.0)

    assert 9_990 <= len(ticks) <= 10_010
