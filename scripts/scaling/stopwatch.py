"""A node whose core's CPU time is taken."""

from __future__ import annotations

import time
from typing import Any

from chatter.testing import Member

# Parts of a node that a shell calls by themselves.
_PARTS = ("lone", "straightway")


class Stopwatch:
    """Stands where a member and its shell have their node, and adds up the CPU time of calls to it.

    What the fake network and the member do around them is not in it. Two looks at the clock a call
    are, half of them: below a microsecond.
    """

    def __init__(self, member: Member) -> None:
        self.spent_ns = 0
        self._node: Any = member.node
        for part in _PARTS:
            setattr(self, part, _Part(self, getattr(member.node, part)))
        member._node = self  # type: ignore[assignment]
        assert member._shell is not None
        member._shell.node = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return timed(self, self._node, name)


class _Part:
    """One of these parts."""

    def __init__(self, stopwatch: Stopwatch, part: Any) -> None:
        self._stopwatch = stopwatch
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return timed(self._stopwatch, self._part, name)


def timed(stopwatch: Stopwatch, one: Any, name: str) -> Any:
    """An attribute; if it is a method, one whose time the stopwatch takes."""
    value = getattr(one, name)
    if name.startswith("_") or not callable(value):
        return value

    def call(*arguments: Any, **named: Any) -> Any:
        began = time.process_time_ns()
        try:
            return value(*arguments, **named)
        finally:
            stopwatch.spent_ns += time.process_time_ns() - began

    return call
