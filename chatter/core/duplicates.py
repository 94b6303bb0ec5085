"""Each broadcast is dispatched at most once in the life of a receiver: what was taken already.

For every epoch of an origin: a floor, at or below which everything counts as taken, and a bitmap
over the 65,536 seqnos above it. Both are bounded, so a very late copy may be dropped though it was
never seen; it is told apart as *too late*, because that one is a loss.
"""

from __future__ import annotations

from enum import Enum

# How far copies of one origin's broadcasts may overtake each other: a second of 65,536 messages.
WINDOW = 65536


class Verdict(Enum):
    """What a broadcast's id says about it."""

    NEW = "new"
    DUPLICATE = "duplicate"
    TOO_LATE = "too_late"


class SeqnoWindow:
    """The seqnos of one epoch that were taken."""

    __slots__ = ("_bits", "_forced", "floor", "top")

    def __init__(self) -> None:
        self.floor = 0
        """Everything up to here is settled."""
        self._forced = 0  # ... of which up to here only because the window had to move on
        self.top = 0
        """The highest seqno that was taken."""
        self._bits: bytearray | None = None  # allocated at the first gap

    def take(self, seqno: int) -> Verdict:
        """Take a seqno if it is new."""
        if seqno == self.floor + 1 and self.top <= self.floor:  # in order: the usual case
            self.floor = self.top = seqno
            return Verdict.NEW
        verdict = self.look(seqno)
        if verdict is Verdict.NEW:
            if seqno > self.floor + WINDOW:
                self._move_floor(seqno - WINDOW)
            self._set(seqno)
        return verdict

    def look(self, seqno: int) -> Verdict:
        """What ``take`` would say; changes nothing."""
        if seqno <= self.floor:
            return Verdict.TOO_LATE if seqno <= self._forced else Verdict.DUPLICATE
        if seqno <= self.top and self._has(seqno):
            return Verdict.DUPLICATE
        return Verdict.NEW

    def _has(self, seqno: int) -> bool:
        bits = self._bits
        return bits is not None and bool(bits[seqno % WINDOW >> 3] >> (seqno & 7) & 1)

    def _set(self, seqno: int) -> None:
        if self._bits is None:
            self._bits = bytearray(WINDOW // 8)
        self._bits[seqno % WINDOW >> 3] |= 1 << (seqno & 7)
        self.top = max(self.top, seqno)
        self._settle()

    def _settle(self) -> None:
        while self.floor < self.top and self._has(self.floor + 1):
            self.floor += 1
            self._clear(self.floor)
        if self.floor >= self.top:
            self._bits = None

    def _clear(self, seqno: int) -> None:
        if self._bits is not None:
            self._bits[seqno % WINDOW >> 3] &= ~(1 << (seqno & 7))

    def _move_floor(self, floor: int) -> None:
        """Give up on what lies at or below ``floor``; it is rare, and costs at most one window."""
        if floor >= self.top:
            self._bits = None
        else:
            for seqno in range(self.floor + 1, floor + 1):
                self._clear(seqno)
        self.floor = self._forced = floor
        self.top = max(self.top, floor)
