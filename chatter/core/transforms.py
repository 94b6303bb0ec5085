"""Broadcasts whose handler may replace the body: held back until it answers, at most a second."""

from __future__ import annotations

from collections import OrderedDict

from chatter.ids import BroadcastID
from chatter.wire.gossip import Gossip

# A handler that takes longer must not hold up those behind us.
PATIENCE_S = 1.0

# Held at a time, each with its payload; with more, new ones travel on as they came.
MAX_HELD = 1024


class Transforms:
    """What waits for its handler, oldest first."""

    def __init__(self) -> None:
        self._held: OrderedDict[BroadcastID, tuple[float, Gossip]] = OrderedDict()

    def hold(self, gossip: Gossip, now: float) -> None:
        """Keep a gossip, with whom to serve as its distribution list."""
        deadline = now + PATIENCE_S if len(self._held) < MAX_HELD else now
        self._held[gossip.id] = (deadline, gossip)

    def release(self, broadcast: BroadcastID) -> Gossip | None:
        """The gossip whose handler is done, or None if it went on already."""
        entry = self._held.pop(broadcast, None)
        return None if entry is None else entry[1]

    def overdue(self, now: float) -> list[Gossip]:
        """Those that waited long enough, taken out."""
        overdue = [gossip for deadline, gossip in self._held.values() if deadline <= now]
        for gossip in overdue:
            del self._held[gossip.id]
        return overdue

    def __bool__(self) -> bool:
        return bool(self._held)

    def next_wakeup(self) -> float:
        """When one has waited long enough."""
        return min((deadline for deadline, _ in self._held.values()), default=float("inf"))
