"""Recent broadcasts, kept for those who did not hear them. Bounded in bytes and in age.

Every broadcast passes here, so keeping one is two entries in tables of small integers: those of
its origin's life, found by one key that all of its broadcasts share. A burst is kept as one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Sequence

from chatter.config import Config
from chatter.core.numbers import Ranges
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Broadcasts, Burst
from chatter.wire.gossip import Gossip

# What an entry costs besides its payload, measured with tracemalloc: the id, the gossip or burst,
# its texts and numbers, and its places in the tables.
ENTRY_BYTES = 900

# Places in the queue of those that were removed before their time; more are swept out.
_SLACK = 1024


class _Stream:
    """The kept broadcasts of one life."""

    __slots__ = ("bursts", "by_number", "by_seqno")

    def __init__(self) -> None:
        self.by_seqno: dict[int, Gossip] = {}
        self.by_number: dict[int, Gossip] = {}
        self.bursts: deque[Burst] = deque()
        """In the order of their seqnos, of which each is taken once; an origin counts its numbers
        in the same order, or what it says cannot be asked for."""

    def __bool__(self) -> bool:
        return bool(self.by_seqno or self.bursts)

    def add_burst(self, burst: Burst) -> None:
        bursts = self.bursts
        if not bursts or bursts[-1].id.seqno < burst.id.seqno:
            bursts.append(burst)
        else:
            insort(bursts, burst, key=_seqno_of)

    def burst_with(self, seqno: int) -> tuple[int, Burst] | None:
        """Where the burst is that this seqno belongs to, and the burst."""
        position = bisect_right(self.bursts, seqno, key=_seqno_of) - 1
        if position < 0:
            return None
        burst = self.bursts[position]
        return (position, burst) if seqno < burst.id.seqno + burst.many else None

    def remove_burst(self, seqno: int) -> Burst | None:
        bursts = self.bursts
        if bursts and bursts[0].id.seqno == seqno:  # the oldest goes first: usual
            return bursts.popleft()
        found = self.burst_with(seqno)
        if found is None or found[1].id.seqno != seqno:
            return None
        del bursts[found[0]]
        return found[1]

    def bursts_in(self, ranges: Ranges, limit: int) -> list[Broadcasts]:
        """What the bursts have of these numbers, ascending, until it is ``limit`` of them or more.

        Bursts and ranges both ascend, so each is gone through once.
        """
        bursts = self.bursts
        found: list[Broadcasts] = []
        index = 0
        spans: list[tuple[int, int]] = []  # of the burst at ``index``
        for first, last in ranges:
            at = max(index, bisect_right(bursts, first, key=_number_of) - 1)
            while limit > 0:
                if at != index:
                    if spans:
                        found += bursts[index].stretches(spans)
                    index, spans = at, []
                if at >= len(bursts) or bursts[at].number > last:
                    break
                burst = bursts[at]
                start = max(0, first - burst.number)
                stop = min(burst.many, last - burst.number + 1)
                if start < stop:
                    spans.append((start, stop))
                    limit -= stop - start
                if burst.last_number >= last:
                    break
                at += 1
        if spans:
            found += bursts[index].stretches(spans)
        return found


def _number_of(burst: Burst) -> int:
    return burst.number


def _seqno_of(burst: Burst) -> int:
    return burst.id.seqno


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
        """How many entries there are: gossips, and bursts."""
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
        if self.bytes > self._max_bytes:
            self._make_room()

    def add_burst(self, burst: Burst, now: float) -> None:
        """Keep broadcasts none of which was kept before; the oldest make room."""
        origin, epoch, _ = burst.id
        stream = self._streams.get((origin, epoch))
        if stream is None:
            stream = self._streams[origin, epoch] = _Stream()
        stream.add_burst(burst)
        self._oldest.append((now, burst.id))
        self._kept += 1
        self.bytes += len(burst.payload) + ENTRY_BYTES
        if self.bytes > self._max_bytes:
            self._make_room()

    def remove(self, broadcast: BroadcastID) -> None:
        """Forget a broadcast, or a burst by the id of its first, if it is there."""
        origin, epoch, seqno = broadcast
        stream = self._streams.get((origin, epoch))
        if stream is None:
            return
        gossip: Broadcasts | None = stream.by_seqno.pop(seqno, None)
        if gossip is not None:
            stream.by_number.pop(gossip.number, None)
        else:
            gossip = stream.remove_burst(seqno)
            if gossip is None:
                return
        if not stream:
            del self._streams[origin, epoch]
        self._kept -= 1
        self.bytes -= len(gossip.payload) + ENTRY_BYTES
        if len(self._oldest) > 2 * self._kept + _SLACK:
            self._oldest = deque(one for one in self._oldest if one[1] in self)

    def __contains__(self, broadcast: BroadcastID) -> bool:
        """Whether the broadcast is here. Cheaper than ``get``, which makes a gossip of one that
        came in a burst."""
        origin, epoch, seqno = broadcast
        stream = self._streams.get((origin, epoch))
        return stream is not None and (
            seqno in stream.by_seqno
            or (bool(stream.bursts) and stream.burst_with(seqno) is not None)
        )

    def get(self, broadcast: BroadcastID) -> Gossip | None:
        """The broadcast, or None if it was never here or is too long ago."""
        origin, epoch, seqno = broadcast
        stream = self._streams.get((origin, epoch))
        if stream is None:
            return None
        gossip = stream.by_seqno.get(seqno)
        if gossip is None and stream.bursts:
            found = stream.burst_with(seqno)
            if found is not None:
                return found[1].gossip(seqno - found[1].id.seqno)
        return gossip

    def held(self, origin: NetID, epoch: int, ranges: Ranges, limit: int) -> list[Broadcasts]:
        """The first ``limit`` of the asked numbers that are here, ascending.

        Those of a burst that follow each other come as one. Each range begins above the end of the
        one before it. However wide they are, the work is bounded by what is kept of that life.
        """
        stream = self._streams.get((origin, epoch))
        if stream is None:
            return []
        found: list[Broadcasts] = [*_singles(stream.by_number, ranges, limit)]
        if stream.bursts:
            found += stream.bursts_in(ranges, limit)
            found.sort(key=lambda one: one.number)
        for position, one in enumerate(found):
            if one.many >= limit:
                last_one = one.part(0, limit) if isinstance(one, Burst) else one
                return [*found[:position], last_one]
            limit -= one.many
        return found

    def expire(self, now: float) -> None:
        """Forget what is too old."""
        oldest = self._oldest
        while oldest and now - oldest[0][0] >= self._max_age_s:
            self.remove(oldest.popleft()[1])
            oldest = self._oldest

    # Details

    def _make_room(self) -> None:
        while self.bytes > self._max_bytes:
            self.remove(self._oldest.popleft()[1])


def _singles(by_number: dict[int, Gossip], ranges: Ranges, limit: int) -> list[Gossip]:
    """The first of the asked numbers that are in the table, ascending."""
    if not by_number:
        return []
    found: list[Gossip] = []
    # Sorting what is nearly in order takes one pass, which is not worth it for a few.
    wide = sum(last - first + 1 for first, last in ranges) > 4 * limit
    ascending = sorted(by_number) if wide else []
    for first, last in ranges:
        numbers: Sequence[int] = range(first, last + 1)
        if wide:
            numbers = ascending[bisect_left(ascending, first) : bisect_left(ascending, last + 1)]
        for number in numbers:
            gossip = by_number.get(number)
            if gossip is not None:
                found.append(gossip)
                if len(found) == limit:
                    return found
    return found
