"""A set of byte ranges: which bytes of a large payload are here, or still to be sent.

Two lists of starts and stops, ascending and never touching, so every question is a bisection and a
payload that comes in order is a single range.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

# A payload of which every second piece is lost falls into half as many ranges as it has pieces, and
# pieces are about 1,300 bytes; a few more where pieces meet ends of holes. At a hundred bytes a
# range, one byte sent here and there can make a payload cost a fifth more than its size, not fifty
# times as much.
_BYTES_PER_RANGE = 512
_LEAST_RANGES = 16


def most_ranges(size: int) -> int:
    """How many separate ranges of a payload of this size are kept apart, at most."""
    return _LEAST_RANGES + size // _BYTES_PER_RANGE


class Spans:
    """Ranges (start, stop) of bytes; stop is the first byte behind.

    Args:
        limit: how many separate ranges it holds. What would be one more is not added, unless it
            begins with byte 0: so whoever fills holes from the lowest on always gets further.
    """

    __slots__ = ("_limit", "_starts", "_stops", "total")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._starts: list[int] = []
        self._stops: list[int] = []
        self.total = 0
        """Bytes in the set."""

    def add(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Add a range that is not empty.

        Returns:
            Those parts of it that were not in the set before, ascending; none if it was refused.
        """
        starts, stops = self._starts, self._stops
        if stops and stops[-1] == start:  # in order: the usual case
            stops[-1] = stop
            self.total += stop - start
            return [(start, stop)]
        low = bisect_left(stops, start)
        high = bisect_right(starts, stop, low)
        if low == high:  # touches nothing
            if len(starts) >= self._limit and start:
                return []
            starts.insert(low, start)
            stops.insert(low, stop)
            self.total += stop - start
            return [(start, stop)]
        new = []
        at = start
        for position in range(low, high):
            begin = starts[position]
            if at < begin:
                new.append((at, begin))
                self.total += begin - at
            at = max(at, stops[position])
        if at < stop:
            new.append((at, stop))
            self.total += stop - at
        if new:
            first, last = min(start, starts[low]), max(stop, stops[high - 1])
            starts[low:high] = (first,)
            stops[low:high] = (last,)
        return new

    def remove(self, start: int, stop: int) -> None:
        """Take out what of this range is in the set."""
        starts, stops = self._starts, self._stops
        low = bisect_right(stops, start)
        if low < len(starts) and starts[low] == start and stop < stops[low]:  # its front: usual
            starts[low] = stop
            self.total -= stop - start
            return
        high = bisect_left(starts, stop, low)
        if low == high:
            return
        before = sum(stops[low:high]) - sum(starts[low:high])
        kept = []
        if starts[low] < start:
            kept.append((starts[low], start))
        if stop < stops[high - 1]:
            kept.append((stop, stops[high - 1]))
        starts[low:high] = [begin for begin, _ in kept]
        stops[low:high] = [end for _, end in kept]
        self.total -= before - sum(end - begin for begin, end in kept)

    def first(self, start: int, stop: int) -> tuple[int, int] | None:
        """The first range that has a byte in start..stop, from that byte to the range's own end."""
        position = bisect_right(self._stops, start)
        if position == len(self._stops) or self._starts[position] >= stop:
            return None
        return max(start, self._starts[position]), self._stops[position]

    def missing(self, size: int) -> Iterator[tuple[int, int]]:
        """The ranges below ``size`` that are not in the set, ascending."""
        at = 0
        for start, stop in zip(self._starts, self._stops, strict=True):
            if start >= size:
                break
            if at < start:
                yield at, start
            at = stop
        if at < size:
            yield at, size

    @property
    def prefix(self) -> int:
        """Up to where the set has every byte from 0 on."""
        return self._stops[0] if self._starts and not self._starts[0] else 0

    @property
    def top(self) -> int:
        """Where the last range stops; 0 if there is none."""
        return self._stops[-1] if self._stops else 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._stops, strict=True)

    def __len__(self) -> int:
        return len(self._starts)
