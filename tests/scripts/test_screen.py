from __future__ import annotations

import io
import re

import pytest

from scripts.lab.paint import Span
from scripts.lab.screen import Screen

PICTURE: list[list[Span]] = [[("one", "bold")], [("two", "")]]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "10")
    return Terminal()


def test_a_file_gets_pictures_one_below_the_other_without_any_escape() -> None:
    stream = io.StringIO()
    screen = Screen(stream, {"TERM": "xterm"})
    screen.status("starting")
    screen.show(PICTURE)
    screen.show(PICTURE)
    screen.close()
    assert stream.getvalue() == "one\ntwo\n\none\ntwo\n\n"


def test_a_terminal_gets_the_second_picture_in_the_place_of_the_first(terminal: Terminal) -> None:
    screen = Screen(terminal, {"TERM": "xterm"})
    screen.show(PICTURE)
    assert "\x1b[2A" not in terminal.getvalue()
    screen.show(PICTURE)
    assert terminal.getvalue().count("\x1b[2A") == 1
    assert "\x1b[1mone" in terminal.getvalue()


def test_a_terminal_is_given_back_with_its_cursor_and_its_wrapping(terminal: Terminal) -> None:
    screen = Screen(terminal, {"TERM": "xterm"})
    screen.show(PICTURE)
    screen.close()
    assert terminal.getvalue().endswith("\x1b[?25h\x1b[?7h")


def test_no_color_is_redrawn_in_place_but_plain(terminal: Terminal) -> None:
    screen = Screen(terminal, {"TERM": "xterm", "NO_COLOR": "1"})
    screen.show(PICTURE)
    screen.show(PICTURE)
    assert "\x1b[2A" in terminal.getvalue()
    assert not re.search(r"\x1b\[[0-9;]*m", terminal.getvalue())


def test_a_dumb_terminal_counts_as_a_file(terminal: Terminal) -> None:
    screen = Screen(terminal, {"TERM": "dumb"})
    screen.show(PICTURE)
    assert terminal.getvalue() == "one\ntwo\n\n"


def test_a_picture_that_is_too_high_loses_its_middle(terminal: Terminal) -> None:
    screen = Screen(terminal, {"TERM": "xterm", "NO_COLOR": "1"})
    screen.show([[(f"line {number}.", "")] for number in range(30)])
    shown = re.findall(r"line \d+\.|… \d+ lines more", terminal.getvalue())
    assert len(shown) == 9
    assert shown[0] == "line 0."
    assert shown[-1] == "line 29."
    left_out = int(next(line for line in shown if "more" in line).split()[1])
    assert left_out + len(shown) - 1 == 30
