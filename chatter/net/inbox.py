"""What waits for one handler: bounded, and when it is too much, said to whom it concerns.

::

    open ─ above the soft bound ─▶ full ─ for slow_handler_s, or above the hard bound ─▶ behind
      ▲                              │                                                      │
      └──────────────────────────────┴──────────── down to 3/4 of the soft bound ───────────┘

*Full* holds back the senders: the node grants nobody any more credit, so what was on its way still
comes and then no more, and nothing is lost. But one handler must not stop the whole network for
good. *Behind*, what comes for it is dropped, and the senders go on.
"""

from __future__ import annotations

import math
import time
from collections import deque

from chatter.core.effects import Deliver, Gap
from chatter.ids import NetID

# What the network brings in some 40 ms at 100,000 small messages a second: enough that a handler
# which keeps up, but has to wait for its turn, never holds back anybody.
SOFT_MESSAGES = 4096

# Large messages are few. With 8 MiB of them waiting it is time to stop asking for more.
SOFT_BYTES = 8 * 1024 * 1024

# The senders go on when a quarter of that is done: one of 2,500 messages a second, which is slow,
# then holds them up for less than slow_after_s.
RESUME_MESSAGES = SOFT_MESSAGES * 3 // 4
RESUME_BYTES = SOFT_BYTES * 3 // 4

# What is in flight when the senders are held back must find room: no socket buffer that a system
# grants by itself holds as much. A peer that ignores our credit gets no further than this.
HARD_MESSAGES = 65536
HARD_BYTES = 64 * 1024 * 1024

# Dropped numbers are told as ranges. Where tags alternate, each number would be a range of its own.
MAX_RANGES = 64


class Dropped:
    """Which numbers of each origin were dropped since they were last told."""

    def __init__(self) -> None:
        self._ranges: dict[tuple[NetID, int], list[list[int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def add(self, origin: NetID, epoch: int, first: int, last: int) -> None:
        """The numbers from one to another will not be dispatched."""
        ranges = self._ranges.setdefault((origin, epoch), [])
        if ranges and first == ranges[-1][1] + 1:
            ranges[-1][1] = last
            return
        ranges.append([first, last])
        if len(ranges) > MAX_RANGES:
            self._ranges[origin, epoch] = _fewer(ranges)

    def take(self, tag: str) -> list[Gap]:
        """The gaps to tell, each once, ascending for each origin."""
        told, self._ranges = self._ranges, {}
        return [
            Gap(origin, epoch, first, last, tag)
            for (origin, epoch), ranges in told.items()
            for first, last in _merged(ranges)
        ]


def _merged(ranges: list[list[int]]) -> list[list[int]]:
    """The same numbers in ascending ranges that neither overlap nor touch."""
    merged: list[list[int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(last, merged[-1][1])
        else:
            merged.append([first, last])
    return merged


def _fewer(ranges: list[list[int]]) -> list[list[int]]:
    """At most half as many ranges as are allowed. What touches becomes one; if that isn't enough,
    neighbours do, with the numbers between them, which are other handlers' for the most part."""
    merged = _merged(ranges)
    while len(merged) > MAX_RANGES // 2:
        merged = [
            [merged[index][0], merged[min(index + 1, len(merged) - 1)][1]]
            for index in range(0, len(merged), 2)
        ]
    return merged


class Inbox:
    """The messages that wait for one handler.

    Args:
        slow_s: for how long it may be above its soft bound without a break.
    """

    def __init__(self, slow_s: float) -> None:
        self.full = False
        """Whether the senders are to be held back."""
        self.behind = False
        """Whether what comes is dropped."""
        self.dropped = Dropped()
        """The numbers that were, and are still to be told."""
        self.bytes = 0
        self._slow_s = slow_s
        self.queue: deque[Deliver] = deque()
        """What waits, oldest first; ``take`` takes it out."""
        self._messages = 0
        self._above_since = math.inf

    def __len__(self) -> int:
        return self._messages

    def __bool__(self) -> bool:
        return bool(self.queue)

    def put(self, delivery: Deliver) -> bool:
        """Take messages, or drop them: whether they were taken."""
        gossip = delivery.gossip
        size = len(gossip.payload)
        if (
            self.behind
            or self._messages >= HARD_MESSAGES
            or (self.queue and self.bytes + size > HARD_BYTES)
        ):
            if not self.behind:
                self._fall_behind()
            if gossip.number:  # else it was for some: its origin counts on no sequence
                origin, epoch, _ = gossip.id
                self.dropped.add(origin, epoch, gossip.number, gossip.last_number)
            return False
        self.queue.append(delivery)
        self._messages += gossip.many
        self.bytes += size
        if self._messages > SOFT_MESSAGES or self.bytes > SOFT_BYTES:
            self._fill()
        return True

    def take(self) -> Deliver:
        """The oldest. Raises IndexError if there is none.

        One message is off the account with that. Those of a burst wait on, in the hands of who took
        it, until they are ``done``.
        """
        delivery = self.queue.popleft()
        gossip = delivery.gossip
        if gossip.many == 1:
            self.done(1, len(gossip.payload))
        return delivery

    def done(self, messages: int, size: int) -> None:
        """So many messages of a burst that was taken wait no more, and so many bytes are let go."""
        self._messages -= messages
        self.bytes -= size
        if self.full or self.behind:
            if not self._above():
                self._above_since = math.inf
            if self._messages <= RESUME_MESSAGES and self._bytes_at_most(RESUME_BYTES):
                self.full = self.behind = False

    def check(self, now: float) -> None:
        """Fall behind if it was above its soft bound for too long."""
        if now - self._above_since >= self._slow_s:
            self._fall_behind()

    def clear(self) -> None:
        """Forget what waits."""
        self.queue.clear()
        self._messages = self.bytes = 0

    def _fill(self) -> None:
        if self._above_since == math.inf and self._above():
            self._above_since = time.monotonic()
            self.full = True

    def _above(self) -> bool:
        return self._messages > SOFT_MESSAGES or not self._bytes_at_most(SOFT_BYTES)

    def _bytes_at_most(self, limit: int) -> bool:
        # A single message may be larger than all of this: its handler is not slow for that.
        return self.bytes <= limit or len(self.queue) <= 1

    def _fall_behind(self) -> None:
        self.full, self.behind = False, True
        self._above_since = math.inf
