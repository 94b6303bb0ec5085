"""How much may be under way to us: as much as our handlers are done with in a while.

Credit is granted in bytes, as memory and the kernel's buffers are counted in them. What a handler
can do is counted in messages. As long as these are of a kilobyte the windows themselves hold no
more of them than any handler is done with soon; of tiny ones they hold tens of thousands. So what
is granted follows what was handled: senders of tiny messages begin with small windows, which grow
as fast as our handlers show that they keep up, and shrink when they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

# A sender that is held back for longer than slow_after_s, a second unless configured, goes on
# without us; and a handler that is behind for slow_handler_s pays with its messages. What is under
# way when a handler cannot follow has to be done well within either.
AHEAD_S = 0.5

# How quickly messages are handled is looked at as often. On a busy host a process may have no turn
# for as long, so one look that finds little takes away no more than half.
LOOK_EVERY_S = 0.02

# What was seen longer ago than this tells nothing of today, and who was granted nothing meanwhile
# has nothing under way.
FORGET_S = 1.0

UNLIMITED_BYTES = 1 << 62


class Appetite:
    """What may be under way from all who send.

    Args:
        queued: how many messages wait for our handlers at the moment.
    """

    __slots__ = (
        "_at",
        "_bytes",
        "_granted_at",
        "_handled",
        "_messages",
        "_pace",
        "_window",
        "bytes",
        "messages",
        "queued",
    )

    def __init__(self, queued: Callable[[], int] = lambda: 0) -> None:
        self.queued = queued
        self.bytes = 0
        """What came, as credit counts it. Whoever takes something in adds to it."""
        self.messages = 0
        """What of it was dispatched, each broadcast of a burst as one."""
        self._at = float("-inf")
        self._bytes = self._messages = self._handled = 0
        self._pace = 0.0
        self._window = 0
        self._granted_at: dict[Hashable, float] = {}

    def window_bytes(self, sender: Hashable, least: int, most: int, now: float) -> int:
        """What one of those who send may have under way, from ``least`` to ``most``."""
        elapsed_s = now - self._at
        if elapsed_s >= LOOK_EVERY_S:
            self._look(elapsed_s, now)
        self._granted_at[sender] = now
        return max(least, min(most, self._window // len(self._granted_at)))

    def _look(self, elapsed_s: float, now: float) -> None:
        self._at = now
        handled = self.messages - self.queued()
        pace = (handled - self._handled) / elapsed_s
        self._pace = pace if elapsed_s > FORGET_S else max(pace, self._pace / 2)
        messages, size = self.messages - self._messages, self.bytes - self._bytes
        if messages:
            self._window = int(self._pace * AHEAD_S * size / messages)
        elif size:
            self._window = UNLIMITED_BYTES  # nothing for a handler, or pieces of something large
        self._bytes, self._messages, self._handled = self.bytes, self.messages, handled
        for sender in [one for one, at in self._granted_at.items() if now - at > FORGET_S]:
            del self._granted_at[sender]
