"""What is being done, and how far it is, where nobody looks."""

from __future__ import annotations

import pytest

from scripts.measuring.screen import progress
from scripts.measuring.status import say_now


def test_a_line_that_moves_is_for_terminals_alone(capsys: pytest.CaptureFixture[str]) -> None:
    say_now("busy")
    assert capsys.readouterr() == ("", "")


def test_elsewhere_each_step_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(2) as told:
        told("first")
        told("second")
    assert capsys.readouterr().err == "1/2 first\n2/2 second\n"
