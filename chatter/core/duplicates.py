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

    __slots__ = ("_bits", "_floor", "_forced", "_top")

    def __init__(self) -> None:
        self._floor = 0  # everything up to here is settled
        self._forced = 0  # ... of which up to here only because the window had to move on
        self._top = 0
        self._bits: bytearray | None = None  # allocated at the first gap

    @property
    def top(self) -> int:
        """The highest seqno that was taken."""
        return self._top

    def take(self, seqno: int) -> Verdict:
        """Take a seqno if it is new."""
        if seqno == self._floor + 1 and self._top <= self._floor:  # in order: the usual case
            self._floor = self._top = seqno
            return Verdict.NEW
        verdict = self.look(seqno)
        if verdict is Verdict.NEW:
            if seqno > self._floor + WINDOW:
                self._move_floor(seqno - WINDOW)
            self._set(seqno)
        return verdict

    def take_run(self, first: int, last: int) -> bool:
        """Take all seqnos from one to another, if nothing is missing before or among them.

        It is the usual case, and costs what a single seqno does. False: nothing was taken.
        """
        if first != self._floor + 1 or self._top > self._floor:
            return False
        self._floor = self._top = last
        return True

    def look(self, seqno: int) -> Verdict:
        """What ``take`` would say; changes nothing."""
        if seqno <= self._floor:
            return Verdict.TOO_LATE if seqno <= self._forced else Verdict.DUPLICATE
        if seqno <= self._top and self._has(seqno):
            return Verdict.DUPLICATE
        return Verdict.NEW

    def _has(self, seqno: int) -> bool:
        bits = self._bits
        return bits is not None and bool(bits[seqno % WINDOW >> 3] >> (seqno & 7) & 1)

    def _set(self, seqno: int) -> None:
        if self._bits is None:
            self._bits = bytearray(WINDOW // 8)
        self._bits[seqno % WINDOW >> 3] |= 1 << (seqno & 7)
        self._top = max(self._top, seqno)
        self._settle()

    def _settle(self) -> None:
        while self._floor < self._top and self._has(self._floor + 1):
            self._floor += 1
            self._clear(self._floor)
        if self._floor >= self._top:
            self._bits = None

    def _clear(self, seqno: int) -> None:
        if self._bits is not None:
            self._bits[seqno % WINDOW >> 3] &= ~(1 << (seqno & 7))

    def _move_floor(self, floor: int) -> None:
        """Give up on what lies at or below ``floor``; it is rare, and costs at most one window."""
        if floor >= self._top:
            self._bits = None
        else:
            for seqno in range(self._floor + 1, floor + 1):
                self._clear(seqno)
        self._floor = self._forced = floor
        self._top = max(self._top, floor)
