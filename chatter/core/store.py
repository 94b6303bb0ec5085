"""Recent broadcasts, kept for those who did not hear them. Bounded in bytes and in age.

Every broadcast passes here, so keeping one is two entries in tables of small integers: those of
its origin's life, found by one key that all of its broadcasts share.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence

from chatter.config import Config
from chatter.core.numbers import Ranges
from chatter.ids import BroadcastID, NetID
from chatter.wire.gossip import Gossip

# What an entry costs besides its payload, measured with tracemalloc: the id, the gossip, its texts
# and numbers, and its places in the tables.
ENTRY_BYTES = 900

# Places in the queue of those that were removed before their time; more are swept out.
_SLACK = 1024


class _Stream:
    """The kept broadcasts of one life."""

    __slots__ = ("by_number", "by_seqno")

    def __init__(self) -> None:
        self.by_seqno: dict[int, Gossip] = {}
        self.by_number: dict[int, Gossip] = {}


class Store:
    """The broadcasts that this node sent or took lately.

    Args:
        max_bytes: what they may cost together; the oldest go first.
        max_age_s: how long each is kept at most.
    """

    def __init__(
        self, max_bytes: int = Config.store_bytes, max_age_s: float = Config.store_age_s
    ) -> None:
        self._streams: dict[tuple[NetID, int], _Stream] = {}
        self._oldest: deque[tuple[float, BroadcastID]] = deque()
        self._kept = 0
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self.bytes = 0

    def __len__(self) -> int:
        return self._kept

    def add(self, gossip: Gossip, now: float) -> None:
        """Keep a broadcast, instead of an earlier form of the same; the oldest make room."""
        origin, epoch, seqno = gossip.id
        stream = self._streams.get((origin, epoch))
        if stream is None:
            stream = self._streams[origin, epoch] = _Stream()
        earlier = stream.by_seqno.get(seqno)
        if earlier is None:
            self._oldest.append((now, gossip.id))
            self._kept += 1
            self.bytes += len(gossip.payload) + ENTRY_BYTES
        elif earlier.revision > gossip.revision:
            return
        else:
            self.bytes += len(gossip.payload) - len(earlier.payload)
        stream.by_seqno[seqno] = gossip
        if gossip.number:
            stream.by_number[gossip.number] = gossip
        while self.bytes > self._max_bytes:
            self.remove(self._oldest.popleft()[1])

    def remove(self, broadcast: BroadcastID) -> None:
        """Forget a broadcast, if it is there."""
        origin, epoch, seqno = broadcast
        stream = self._streams.get((origin, epoch))
        gossip = None if stream is None else stream.by_seqno.pop(seqno, None)
        if stream is None or gossip is None:
            return
        stream.by_number.pop(gossip.number, None)
        if not stream.by_seqno:
            del self._streams[origin, epoch]
        self._kept -= 1
        self.bytes -= len(gossip.payload) + ENTRY_BYTES
        if len(self._oldest) > 2 * self._kept + _SLACK:
            self._oldest = deque(one for one in self._oldest if self.get(one[1]) is not None)

    def get(self, broadcast: BroadcastID) -> Gossip | None:
        """The broadcast, or None if it was never here or is too long ago."""
        origin, epoch, seqno = broadcast
        stream = self._streams.get((origin, epoch))
        return None if stream is None else stream.by_seqno.get(seqno)

    def numbered(self, origin: NetID, epoch: int, number: int) -> Gossip | None:
        """The broadcast to everyone that has this number, or None."""
        stream = self._streams.get((origin, epoch))
        return None if stream is None else stream.by_number.get(number)

    def held(self, origin: NetID, epoch: int, ranges: Ranges, limit: int) -> list[Gossip]:
        """The first of the asked numbers that are here, ascending.

        However wide the ranges, the work is bounded by what is kept of that life.
        """
        stream = self._streams.get((origin, epoch))
        if stream is None:
            return []
        by_number = stream.by_number
        found: list[Gossip] = []
        # Sorting what is nearly in order takes one pass, which is not worth it for a few.
        wide = sum(last - first + 1 for first, last in ranges) > 4 * limit
        ascending = sorted(by_number) if wide else []
        for first, last in ranges:
            numbers: Sequence[int] = range(first, last + 1)
            if wide:
                numbers = ascending[
                    bisect_left(ascending, first) : bisect_left(ascending, last + 1)
                ]
            for number in numbers:
                gossip = by_number.get(number)
                if gossip is not None:
                    found.append(gossip)
                    if len(found) == limit:
                        return found
        return found

    def expire(self, now: float) -> None:
        """Forget what is too old."""
        oldest = self._oldest
        while oldest and now - oldest[0][0] >= self._max_age_s:
            self.remove(oldest.popleft()[1])
            oldest = self._oldest
