"""Broadcasts whose handler may replace the body: held back until it answers, at most a second."""

from __future__ import annotations

from collections import OrderedDict

from chatter.core.duties import Duty
from chatter.ids import BroadcastID
from chatter.wire.gossip import Gossip

# A handler that takes longer must not hold up those behind us.
PATIENCE_S = 1.0

# Held at a time, which is also what a handler may have to do in that second. Above half of it the
# senders are held back, so the other half is for what is under way by then: what the window of a
# connection has room for, however small the messages. What finds no room travels on as it came.
MAX_HELD = 48 * 1024
MAX_HELD_BYTES = 32 * 1024 * 1024


class Transforms:
    """What waits for its handler, oldest first."""

    def __init__(self) -> None:
        self._held: OrderedDict[BroadcastID, tuple[float, Gossip, Duty]] = OrderedDict()
        self._bytes = 0

    def hold(self, gossip: Gossip, duty: Duty, now: float) -> None:
        """Keep a gossip, with whom to serve as its distribution list, and what answers for it."""
        self._held[gossip.id] = (now + PATIENCE_S, gossip, duty)
        self._bytes += len(gossip.payload)

    def release(self, broadcast: BroadcastID) -> tuple[Gossip, Duty] | None:
        """The gossip whose handler is done, or None if it went on already."""
        entry = self._held.pop(broadcast, None)
        if entry is None:
            return None
        _, gossip, duty = entry
        self._bytes -= len(gossip.payload)
        return gossip, duty

    def overdue(self, now: float) -> list[tuple[Gossip, Duty]]:
        """Those that waited long enough, taken out."""
        overdue = []
        while self._held:
            broadcast, (deadline, _, _) = next(iter(self._held.items()))
            if deadline > now:
                break
            entry = self.release(broadcast)
            assert entry is not None
            overdue.append(entry)
        return overdue

    @property
    def full(self) -> bool:
        """Whether what comes now has to travel on as it came. One alone always has room."""
        return len(self._held) >= MAX_HELD or self._bytes >= MAX_HELD_BYTES

    @property
    def crowded(self) -> bool:
        """Whether the senders are to be held back, so that what is under way finds room."""
        return len(self._held) > MAX_HELD // 2 or self._bytes > MAX_HELD_BYTES // 2

    def __bool__(self) -> bool:
        return bool(self._held)

    def next_wakeup(self) -> float:
        """When one has waited long enough: the oldest, as all may wait for the same time."""
        return next(iter(self._held.values()))[0] if self._held else float("inf")
