from __future__ import annotations

import pytest

from chatter.command.figures import duration, milliseconds, short, sparkline


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1000, "1.0k"),
        (1234, "1.2k"),
        (99_949, "99.9k"),
        (99_999, "100k"),
        (999_499, "999k"),
        (999_501, "1.0M"),
        (34_000_000, "34.0M"),
        (5e18, "5000P"),
        (0.25, "0.2"),
        (12.0, "12"),
    ],
)
def test_a_number_is_short(value: float | None, text: str) -> None:
    assert short(value) == text
    assert short(5, "B/s") == "5B/s"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.424, "0.42 ms"), (12.34, "12.3 ms"), (999.4, "999.4 ms"), (1234, "1.2 s")],
)
def test_a_time_has_three_figures(value: float | None, text: str) -> None:
    assert milliseconds(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (200_000, "2 d")],
)
def test_a_duration_is_said_in_its_largest_unit(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_bars_go_from_nothing_to_the_highest() -> None:
    assert sparkline([0, 1, 2, 4], 6) == "  ▁▂▄█"
    assert sparkline([9, 0, 1], 2) == "▁█"
    assert sparkline([0, 0], 3) == " ▁▁"
    assert sparkline([], 3) == "   "
