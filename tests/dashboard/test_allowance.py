"""So many in a second, and no more."""

from __future__ import annotations

from chatter.dashboard.allowance import Allowance


def test_a_burst_then_as_many_as_time_allows() -> None:
    allowance = Allowance(10)
    assert [allowance.take(0.0) for _ in range(11)] == [True] * 10 + [False]
    assert allowance.take(0.125)
    assert not allowance.take(0.125)
    assert [allowance.take(0.625) for _ in range(6)] == [True] * 5 + [False]


def test_what_was_not_used_is_not_saved_up() -> None:
    allowance = Allowance(2)
    assert allowance.take(0.0)
    assert [allowance.take(1000.0) for _ in range(3)] == [True, True, False]
