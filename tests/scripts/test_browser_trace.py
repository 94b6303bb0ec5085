"""Reading a performance trace of the browser."""

from __future__ import annotations

from typing import Any

from scripts.browser.trace import Update, measures_ms, updates_of


def event(name: str, ts: float, **fields: Any) -> dict[str, Any]:
    return {"name": name, "ts": ts, "pid": 1, "tid": 1, "ph": "X", "cat": "toplevel", **fields}


def mark(ts: float, **fields: Any) -> dict[str, Any]:
    return event("chatter-frame-start", ts, ph="R", cat="blink.user_timing", **fields)


def test_the_task_around_a_mark_is_an_update() -> None:
    trace = [
        event("RunTask", 1000, dur=9000, tdur=4000),
        event("RunTask", 1500, dur=3000, tdur=3000),  # nested: part of the other
        event("RunTask", 20_000, dur=5000),  # an old browser tells no time of the thread
        event("RunTask", 40_000, dur=90_000, tdur=90_000),  # nothing was drawn
        event("RunTask", 1000, dur=99_000, tdur=99_000, tid=2),  # another thread
        mark(21_000),
        mark(2000),
        mark(2500),  # twice in one task: one frame
    ]

    assert updates_of(trace) == [Update(9.0, 4.0), Update(5.0, 5.0)]


def test_a_mark_outside_of_any_task_is_none() -> None:
    assert updates_of([event("RunTask", 1000, dur=10), mark(5000)]) == []


def test_measures_are_paired_by_their_ids() -> None:
    timing = {"cat": "blink.user_timing", "dur": 0}
    trace = [
        event("chatter-frame", 4000, ph="e", id="a", **timing),
        event("chatter-frame", 1000, ph="b", id="a", **timing),
        event("chatter-frame", 2000, ph="b", id="b", **timing),
        event("chatter-frame", 2500, ph="e", id="b", **timing),
        event("chatter-frame", 9000, ph="b", id="c", **timing),  # the trace ended before it did
        event("other", 1000, ph="b", id="a", **timing),
    ]

    assert measures_ms(trace, "chatter-frame") == [0.5, 3.0]
