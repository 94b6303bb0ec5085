"""A process, as the one that started it sees it."""

from __future__ import annotations

import os
import signal

import pytest

from scripts.measuring.child import Child, python
from scripts.measuring.errors import MeasureError
from scripts.measuring.usage import Machine, cpu_ns, resident_bytes

WAIT_S = 60.0

ECHO = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"event": "heard", **json.loads(line)}), flush=True)
"""


def child(code: str, shows_log: bool = False) -> Child:
    return Child("thing", python("-c", code), shows_log=shows_log)


def order_without_end(one: Child) -> None:
    """Of one that ends, the output may be closed a moment before its input is."""
    while True:
        one.order("go")


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
            order_without_end(one)


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


def test_what_others_took_is_what_was_used_and_not_by_us() -> None:
    before = Machine(busy_ns=1000, all_ns=5000, ours_ns=100)
    assert Machine(busy_ns=1600, all_ns=6000, ours_ns=300).others_since(before) == 0.4
    # What is counted in ticks and what is counted exactly may differ a little.
    assert Machine(busy_ns=1100, all_ns=6000, ours_ns=300).others_since(before) == 0.0
    now = Machine.now([1, 2])
    assert now.ours_ns == 3
    assert 0 < now.busy_ns < now.all_ns
    assert 0.0 <= Machine.now([3]).others_since(now) <= 1.0
