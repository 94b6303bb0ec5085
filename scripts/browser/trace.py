"""What Chromium's performance trace says of the page's updates. Pure.

The events are those of the Trace Event Format: `X` is a complete one with a duration, `b` and `e`
begin and end an asynchronous one; times are in microseconds.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

Event = dict[str, Any]

# A task of a thread, whatever it runs: a turn of the event loop, or the drawing of a frame.
_TASKS = ("RunTask", "ThreadControllerImpl::RunTask")

# The page marks so that it begins to apply what came, and to draw.
_MARK = "chatter-frame-start"


class Update(NamedTuple):
    """The task that applied and drew one update."""

    wall_ms: float
    cpu_ms: float
    """For which its thread ran; on a busy machine less than the task took."""


def measures_ms(trace: Iterable[Event], name: str) -> list[float]:
    """The durations that the page measured under this name."""
    begun: dict[str, float] = {}
    found = []
    for event in sorted(trace, key=lambda one: float(one["ts"])):
        if event["name"] != name or "blink.user_timing" not in event["cat"]:
            continue
        key = str(event.get("id2", event.get("id", "")))
        if event["ph"] == "b":
            begun[key] = event["ts"]
        elif event["ph"] == "e" and key in begun:
            found.append((event["ts"] - begun.pop(key)) / 1000)
    return found


def updates_of(trace: Iterable[Event]) -> list[Update]:
    """The tasks in which an update was drawn, in order, each once."""
    events = list(trace)
    tasks = [one for one in events if one["name"] in _TASKS and one["ph"] == "X"]
    found: dict[float, Update] = {}
    for mark in events:
        if mark["name"] != _MARK or "blink.user_timing" not in mark["cat"]:
            continue
        around = [
            one
            for one in tasks
            if (one["pid"], one["tid"]) == (mark["pid"], mark["tid"])
            and one["ts"] <= mark["ts"] <= one["ts"] + one["dur"]
        ]
        if around:
            task = max(around, key=lambda one: float(one["dur"]))
            cpu_us = float(task["tdur"] if "tdur" in task else task["dur"])
            found[task["ts"]] = Update(task["dur"] / 1000, cpu_us / 1000)
    return [found[at] for at in sorted(found)]
