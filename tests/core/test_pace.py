from __future__ import annotations

from itertools import pairwise

import pytest

from chatter.core.pace import EAGER_ROUNDS, MOST_ROUNDS, Pace
from tests.core.parts import make_context


def rounds(pace: Pace, many: int) -> list[int]:
    """The rounds, of so many, in which it speaks."""
    return [number for number in range(many) if pace.speaks()]


def test_pauses_double_up_to_four_rounds() -> None:
    spoken = rounds(Pace(make_context()), 40)
    assert [after - before for before, after in pairwise(spoken)] == [
        *[1] * EAGER_ROUNDS,
        2,
        *[4] * 8,
    ]


def test_news_makes_it_speak_at_once_and_often_again() -> None:
    pace = Pace(make_context())
    rounds(pace, 20)
    pace.hurry()
    assert rounds(pace, 12) == [0, 1, 2, 3, 4, 5, 7, 11]


def test_hurrying_each_time_it_speaks_each_time() -> None:
    pace = Pace(make_context())
    spoken = 0
    for _ in range(20):
        pace.hurry()
        spoken += pace.speaks()
    assert spoken == 20


@pytest.mark.parametrize(
    ("interval_s", "timeout_s", "longest_s"),
    [(1.0, 10.0, 4.0), (1.0, 3.5, 1.0), (1.0, 6.0, 2.0), (2.0, 10.0, 4.0), (0.05, 60.0, 0.2)],
)
def test_the_longest_pause_ends_well_before_a_silent_peer_is_asked(
    interval_s: float, timeout_s: float, longest_s: float
) -> None:
    context = make_context(beacon_interval_s=interval_s, failure_timeout_s=timeout_s)
    pace = Pace(context)
    assert pace.longest_s == pytest.approx(longest_s)
    assert max(interval_s, pace.longest_s) * 1.1 < max(timeout_s / 2, 1.2 * interval_s)
    assert max(rounds(pace, 60)) >= 60 - MOST_ROUNDS


def test_a_large_segment_has_long_rounds_and_speaks_in_each() -> None:
    context = make_context()
    pace = Pace(context)
    context.crowd = 500
    assert pace.interval_s == pace.longest_s == 10.0
    assert pace.lately_s == 35.0
    assert len(rounds(pace, 20)) == 20


def test_one_lost_beacon_is_no_reason_to_say_that_somebody_is_not_heard() -> None:
    pace = Pace(make_context())
    assert pace.lately_s > 2 * 1.1 * pace.longest_s
