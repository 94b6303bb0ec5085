"""Which part of a node has something to do, and when the next one has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chatter.core.context import Context


class Timed(Protocol):
    """A part that does something at times."""

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""

    def tick(self, now: float) -> None:
        """Do what is due."""


class Schedule:
    """The parts that do something at times, in the order in which they have their turn."""

    def __init__(self, context: Context, parts: Sequence[Timed]) -> None:
        self._context = context
        self._parts = tuple(parts)

    def tick(self, now: float) -> None:
        """Let each do what is due.

        Mostly a single one has something to do, and the others need not even be looked into.
        """
        for part in self._parts:
            if part.next_wakeup() <= now:
                part.tick(now)

    def next_wakeup(self) -> float:
        """When the first of them has something to do, which is then what the context promises."""
        self._context.due = min([part.next_wakeup() for part in self._parts])
        return self._context.due
