"""A handler that takes its time, under the clock of the test: its queue, and who empties it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from chatter.testing.clock import Clock, Timer


class Worker:
    """Handles one thing after the other.

    Args:
        takes_s: seconds for each.
        full_at: how many may wait before the senders are held back. They go on at 3/4 of it.
        keeps: whether its process is stopped; then the call is made when it goes on.
        note_full: told when that changes.
    """

    def __init__(
        self,
        clock: Clock,
        takes_s: float,
        full_at: int,
        keeps: Callable[[Callable[[], Any]], bool],
        note_full: Callable[[], Any],
    ) -> None:
        self.full = False
        self.most = 0
        """The most that ever waited at a time."""
        self.longest_above_s = 0.0
        """For how long more waited than may, at most, in one go."""
        self._above_since: float | None = None
        self._clock = clock
        self._takes_s = takes_s
        self._full_at = full_at
        self._keeps = keeps
        self._note_full = note_full
        self._queue: deque[Callable[[], Any]] = deque()
        self._turn: Timer | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, call: Callable[[], Any]) -> None:
        """Have something done when its turn comes."""
        self._queue.append(call)
        self.most = max(self.most, len(self._queue))
        if self._turn is None:
            self._turn = self._clock.after(self._takes_s, self._work)
        if len(self._queue) > self._full_at and self._above_since is None:
            self._above_since = self._clock.now
        if not self.full and len(self._queue) > self._full_at:
            self.full = True
            self._note_full()

    def clear(self) -> None:
        """Forget what waits, as its process has ended."""
        if self._turn is not None:
            self._turn.cancel()
        self._turn = None
        self._queue.clear()
        self.full, self._above_since = False, None

    def _work(self) -> None:
        if self._keeps(self._work):
            return
        self._queue.popleft()()
        if self._above_since is not None:
            self.longest_above_s = max(self.longest_above_s, self._clock.now - self._above_since)
            if len(self._queue) <= self._full_at:
                self._above_since = None
        more = bool(self._queue)
        self._turn = self._clock.after(self._takes_s, self._work) if more else None
        if self.full and len(self._queue) <= self._full_at * 3 // 4:
            self.full = False
            self._note_full()
