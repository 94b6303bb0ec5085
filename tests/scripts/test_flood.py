"""`scripts/measure_flood`: its arithmetic, and short floods of real processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.flood import measure
from scripts.flood.run import Outcome, flood


def took(got: int, lost: int = 0, twice: int = 0) -> dict[str, Any]:
    return {"got": got, "lost": lost, "twice": twice, "samples": []}


def outcome(*subscribers: dict[str, Any], began_at: float = 0.0) -> Outcome:
    return Outcome(began_at, {"count": 10}, {}, list(subscribers))


def test_complete_is_everything_once_at_everybody() -> None:
    assert outcome(took(10), took(10)).is_complete()
    for bad in (took(9), took(9, lost=1), took(10, twice=1)):
        assert not outcome(took(10), bad).is_complete()


def test_who_is_behind_needs_only_be_told_what_it_missed() -> None:
    assert outcome(took(4, lost=6), took(10)).is_complete(behind=1)
    assert not outcome(took(4, lost=5), took(10)).is_complete(behind=1)
    assert not outcome(took(4, lost=6, twice=1), took(10)).is_complete(behind=1)
    assert not outcome(took(10), took(4, lost=6)).is_complete(behind=1)


def test_a_rate_is_that_of_a_part_of_the_time_and_of_those_that_count() -> None:
    samples = [(100.0 + second, 10 * second) for second in range(10)]
    fast = {**took(10), "samples": samples}
    slow = {**took(10), "samples": [(at, got // 10) for at, got in samples]}
    assert outcome(fast, began_at=100.0).rate(2.0, 5.0) == 10
    assert outcome(slow, fast, began_at=100.0).rate(2.0, 5.0) == 5.5
    assert outcome(slow, fast, began_at=100.0).rate(2.0, 5.0, skip=1) == 10
    assert outcome(fast, began_at=100.0).rate(20.0, 30.0) == 0


def test_in_a_pair_the_flood_outlasts_the_stop() -> None:
    assert measure.PAIR_S > measure.STOP_AFTER_S + measure.STOPPED_S


@pytest.mark.parametrize(
    "option", [["--count", "0"], ["--size", "3"], ["--processes", "x"]], ids=" ".join
)
def test_options_that_make_no_sense_are_refused(
    option: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["measure_flood", *option])
    with pytest.raises(SystemExit) as refused:
        measure.main()
    assert refused.value.code == 2
    assert "is no whole number" in capsys.readouterr().err


@pytest.fixture
def from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes find the modules of this checkout."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.mark.usefixtures("from_here")
def test_a_flood_of_a_count_ends_with_it() -> None:
    made = flood(3_000, 64, 2)
    assert made.count == 3_000
    assert made.is_complete()
    assert measure.as_figures(made)["sent"]["count"] == 3_000


@pytest.mark.usefixtures("from_here")
def test_a_flood_of_a_time_ends_with_that() -> None:
    made = flood(50_000_000, 64, 2, seconds=0.5)
    assert 0 < made.count < 50_000_000
    assert made.sent["seconds"] < 30
    assert made.is_complete()
