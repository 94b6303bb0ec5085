"""A process, as the one that started it sees it."""

from __future__ import annotations

import os
import signal

import pytest

from scripts.measuring.child import Child, python
from scripts.measuring.errors import MeasureError
from scripts.measuring.usage import cpu_ns, resident_bytes

WAIT_S = 60.0

ECHO = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"event": "heard", **json.loads(line)}), flush=True)
"""


def child(code: str, shows_log: bool = False) -> Child:
    return Child("thing", python("-c", code), shows_log=shows_log)


def test_it_hears_orders_and_tells_and_ends_with_the_block() -> None:
    with child(ECHO) as one:
        one.order("go", to="there")
        assert one.hear("heard", WAIT_S) == {"event": "heard", "do": "go", "to": "there"}
        # Two lines at once are two.
        one.order("a")
        one.order("b")
        assert [one.hear("heard", WAIT_S)["do"] for _ in range(2)] == ["a", "b"]
        assert one.cpu_ns > 0


def test_a_stopped_one_ends_too() -> None:
    with child(ECHO) as one:
        one.signal(signal.SIGSTOP)
        with pytest.raises(MeasureError, match="told no 'heard' within 0 s"):
            one.hear("heard", 0.05)
    one.signal(signal.SIGCONT)  # it has ended: nobody else gets this


def test_its_last_words_are_in_what_is_said() -> None:
    with (
        child("import sys; sys.exit('no such luck')") as one,
        pytest.raises(MeasureError, match="a thing ended before it told 'met':\nno such luck"),
    ):
        one.hear("met", WAIT_S)
    with child("raise SystemExit", shows_log=True) as one:
        with pytest.raises(MeasureError, match="told 'met'; its log is above"):
            one.hear("met", WAIT_S)
        with pytest.raises(MeasureError, match="a thing ended before it was told 'go'"):
            one.order("go")


def test_something_else_than_was_to_come_is_an_error() -> None:
    with (
        child('print(\'{"event": "left"}\')') as one,
        pytest.raises(MeasureError, match="a thing told 'left' instead of 'met'"),
    ):
        one.hear("met", WAIT_S)


def test_what_a_process_has_used_up() -> None:
    before_ns = cpu_ns(os.getpid())
    sum(range(100_000))
    assert cpu_ns(os.getpid()) > before_ns
    assert 1 << 20 < resident_bytes() < 1 << 40
