"""How a measurement ends."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from scripts.lab.errors import Interrupted
from scripts.measuring.errors import MeasureError
from scripts.measuring.program import carry_out


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (MeasureError("no room"), 1, "x: no room\n"),
        (Interrupted(signal.SIGTERM), 128 + 15, ""),
        (KeyboardInterrupt(), 128 + 2, ""),
    ],
    ids=repr,
)
def test_what_was_measured_before_an_end_is_reported(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reported: list[bool] = []
    assert carry_out("x", raising(error), lambda: reported.append(True)) == status
    assert reported == [True]
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("error", [MeasureError("no page"), OSError("no page")], ids=repr)
def test_a_report_that_cannot_be_written_is_an_error(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert carry_out("x", lambda: None, raising(error)) == 1
    assert capsys.readouterr().err == "x: no page\n"


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        carry_out("x", raising(ZeroDivisionError()), lambda: None)
    assert carry_out("x", lambda: None, lambda: None) == 0
