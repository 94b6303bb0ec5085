"""A clock that nobody waits for: when all is done at one moment, it jumps to the next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

# What may happen within one virtual second, per thousand nodes or so. Above it somebody answers
# somebody else's answer for ever, and the test shall fail instead of hanging.
MAX_EVENTS_PER_S = 2_000_000


class Livelock(AssertionError):
    """So much happened in so little virtual time that it can't be meant."""


class Timer:
    """Something that will happen, unless it is cancelled."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call: Callable[[], Any] | None = call

    def cancel(self) -> None:
        """It shall not happen."""
        self._call = None

    def fire(self) -> None:
        """It happens now, if it wasn't cancelled."""
        if self._call is not None:
            self._call()


class Clock:
    """Virtual seconds since the start of the test.

    Things that are due at the same moment happen in the order in which they were asked for.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._second = 0
        self._events = 0

    def at(self, when: float, call: Callable[[], Any]) -> Timer:
        """Have something done at a moment; one that has passed means now."""
        timer = Timer(call)
        heapq.heappush(self._due, (max(when, self.now), next(self._order), timer))
        return timer

    def after(self, seconds: float, call: Callable[[], Any]) -> Timer:
        """Have something done so many seconds from now."""
        return self.at(self.now + seconds, call)

    def step(self, until: float = float("inf")) -> bool:
        """Jump to the next thing that is due and do it; False if there is none before ``until``.

        Raises:
            Livelock: too much happened in this virtual second.
        """
        if not self._due or self._due[0][0] > until:
            return False
        self.now, _, timer = heapq.heappop(self._due)
        self._count_event()
        timer.fire()
        return True

    def run_until(self, moment: float) -> None:
        """Do all that is due up to a moment, and stand there."""
        while self.step(moment):
            pass
        self.now = max(self.now, moment)

    def _count_event(self) -> None:
        if int(self.now) != self._second:
            self._second, self._events = int(self.now), 0
        self._events += 1
        if self._events > MAX_EVENTS_PER_S:
            raise Livelock(f"{self._events} events within virtual second {self._second}")
