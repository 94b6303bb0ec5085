"""Recent broadcasts, kept for those who did not hear them. Bounded in bytes and in age."""

from __future__ import annotations

from collections import OrderedDict

from chatter.ids import BroadcastID
from chatter.wire.gossip import Gossip

# Room for what 50 fast seconds of small messages or 100 of the largest take; a fixed cost per node,
# because a dozen nodes may share one machine.
MAX_STORE_BYTES = 4 * 1024 * 1024

# Who has not asked by then learnt of the broadcast in another way or left.
MAX_AGE_S = 30.0

# What an entry costs besides its payload: the id, the gossip, the table slot.
_ENTRY_BYTES = 600


class Store:
    """The broadcasts that this node sent or took lately."""

    def __init__(self, max_bytes: int = MAX_STORE_BYTES) -> None:
        self._kept: OrderedDict[BroadcastID, tuple[float, Gossip]] = OrderedDict()
        self._max_bytes = max_bytes
        self.bytes = 0

    def add(self, gossip: Gossip, now: float) -> None:
        """Keep a broadcast; the oldest go when there is no room."""
        self.remove(gossip.id)
        self._kept[gossip.id] = (now, gossip)
        self.bytes += len(gossip.payload) + _ENTRY_BYTES
        while self.bytes > self._max_bytes:
            self.remove(next(iter(self._kept)))

    def remove(self, broadcast: BroadcastID) -> None:
        """Forget a broadcast, if it is there."""
        entry = self._kept.pop(broadcast, None)
        if entry is not None:
            self.bytes -= len(entry[1].payload) + _ENTRY_BYTES

    def get(self, broadcast: BroadcastID) -> Gossip | None:
        """The broadcast, or None if it was never here or is too long ago."""
        entry = self._kept.get(broadcast)
        return None if entry is None else entry[1]

    def expire(self, now: float) -> None:
        """Forget what is too old."""
        while self._kept:
            oldest, (kept_at, _) = next(iter(self._kept.items()))
            if now - kept_at < MAX_AGE_S:
                return
            self.remove(oldest)

    def __len__(self) -> int:
        return len(self._kept)
