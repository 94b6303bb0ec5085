"""A large payload on its way to one destination, piece by piece; also one that is still arriving.

A relay sends on what it has before it has everything. It sends in the order in which the bytes came
to it: what a hole holds up is only the hole. A body tells that order as ``arrivals``, so that each
piece is found where the last one ended and no piece costs a look at all the holes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from chatter.core.spans import Spans, most_ranges
from chatter.wire.gossip import Gossip
from chatter.wire.records import Chunk


class Body(Protocol):
    """The bytes of a large payload, as far as they are here."""

    @property
    def arrivals(self) -> Sequence[tuple[int, int]]:
        """The ranges (start, stop) that are here, in the order in which they came.

        The last one may grow at its end, and further ones may follow.
        """

    @property
    def edition(self) -> int:
        """Another number whenever ``arrivals`` was written anew: read it from its beginning."""

    @property
    def top(self) -> int:
        """Nothing has come of what lies here or behind."""

    def available(self, start: int, stop: int) -> int:
        """How many bytes from ``start`` on are here without a hole, at most to ``stop``."""

    def read(self, start: int, stop: int) -> bytes:
        """These bytes, which must be available."""


class Whole:
    """A body that is all here."""

    __slots__ = ("_payload", "arrivals", "edition", "top")

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self.arrivals = ((0, len(payload)),)
        self.edition = 0
        self.top = len(payload)

    def available(self, start: int, stop: int) -> int:
        """How many bytes from ``start`` on are here, at most to ``stop``."""
        return max(0, min(stop, self.top) - start)

    def read(self, start: int, stop: int) -> bytes:
        """These bytes. A copy: of a small piece it costs what a view costs, and keeps no more."""
        return self._payload[start:stop]


class Transfer:
    """What one destination is still to get of one large payload.

    Args:
        header: what is to go ahead of the first piece, or along with each datagram.
        body: where the bytes are, or will be.
        ranges: what to send, each (start, stop); what lies beyond the payload is left out.
    """

    __slots__ = ("_at", "_body", "_edition", "_pending", "_withheld", "header")

    def __init__(self, header: Gossip, body: Body, ranges: Iterable[tuple[int, int]]) -> None:
        self.header = header
        self._body = body
        self._pending = Spans(most_ranges(header.size))
        self._edition = body.edition
        self._at = 0
        """The first of the body's arrivals that may hold something to send."""
        self._withheld: int | None = None
        """Where a piece begins that was too small and may grow."""
        self.add(ranges)

    @property
    def finished(self) -> bool:
        """Whether all that was to be sent is sent."""
        return not self._pending

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """What is still to be sent, each (start, stop)."""
        return list(self._pending)

    @property
    def remaining(self) -> int:
        """Bytes still to be sent, here already or not."""
        return self._pending.total

    def add(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Send these too, each (start, stop); not twice what is still to be sent anyway.

        Ranges beyond what is kept apart are left out: who asked for them will ask again.
        """
        size = self.header.size
        for start, stop in ranges:
            if start < min(stop, size) and self._pending.add(start, min(stop, size)):
                self._at = 0

    def next_chunk(self, max_data: int, least: int) -> Chunk | None:
        """The next piece that is here; None if nothing can go now, or nothing is left.

        Args:
            max_data: bytes that it may carry; a piece is as large as it can be.
            least: bytes below which a piece is withheld while it may still grow: while the body is
                arriving just where the piece ends. One before a hole, or at the end of what is to
                be sent, is not.
        """
        piece = self._next(max_data, least)
        if piece is None:
            return None
        start, stop = piece
        self._pending.remove(start, stop)
        header = self.header
        return Chunk(header.id, start, self._body.read(start, stop), header.compress)

    def ready(self, least: int) -> bool:
        """Whether ``next_chunk`` has a piece, given room for ``least`` bytes or more."""
        return self._next(max(1, least), least) is not None

    def _next(self, most: int, least: int) -> tuple[int, int] | None:
        if most <= 0:
            return None
        body = self._body
        if self._edition != body.edition:
            self._edition, self._at = body.edition, 0
        if self._withheld is not None:
            piece = self._piece(self._withheld, self._withheld + 1, most, least)
            if piece is not None:
                return piece
        arrivals = body.arrivals
        while self._at < len(arrivals):
            start, stop = arrivals[self._at]
            piece = self._piece(start, stop, most, least)
            if piece is not None:
                return piece
            if self._at + 1 == len(arrivals):  # the last one may grow
                return None
            self._at += 1
        return None

    def _piece(self, start: int, stop: int, most: int, least: int) -> tuple[int, int] | None:
        """What can go of an arrival. All of it is here, so what is pending of it can be read."""
        pending = self._pending.first(start, stop)
        if pending is None:
            if start == self._withheld:
                self._withheld = None
            return None
        first, end = pending
        end = min(end, first + most)
        last = first + self._body.available(first, end)
        if last < end and last - first < least and last == self._body.top:
            # Bytes arrive in order but for losses, so this grows as long as it is the last.
            self._withheld = first
            return None
        return first, last
