"""Which numbers of one origin's broadcasts to everyone came, and which are missing.

Numbers have no gaps at their origin, so a hole is a loss. What is missing is kept as ranges: a
stream without loss costs two compares a number, and a loss costs a range, however long it is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

from chatter.core.duplicates import WINDOW

# Numbers that came below the first, before the origin told what is ours: reordering at the start
# of a stream, which is a few. One that is forgotten is at worst asked for once more.
MAX_EARLY = 1024

Ranges = list[tuple[int, int]]


class Numbers:
    """The numbers of one life: all up to ``floor`` are settled, above it some are missing.

    Until the origin's word or a first number comes, nothing is known: names are only remembered.
    """

    __slots__ = (
        "_base",
        "_early",
        "_lasts",
        "_named",
        "_told",
        "_unfinished",
        "firsts",
        "known",
        "lost",
        "top",
    )

    def __init__(self) -> None:
        self.known = False
        """Whether there is a floor at all."""
        self.top = 0
        """The highest number that is known to exist."""
        self.lost: Ranges = []
        """What the window has left behind; whoever reports it takes it out."""
        self._base = 0  # nothing at or below is asked for
        self._told = False
        self._named = 0  # the highest name, while nothing is known
        self._early: set[int] = set()
        self.firsts: list[int] = []
        """Where the ranges that are missing begin, ascending and apart."""
        self._lasts: list[int] = []
        self._unfinished: list[int] = []

    @property
    def floor(self) -> int:
        """All at or below it came, were given up, or are not ours."""
        return self.firsts[0] - 1 if self.firsts else self.top

    @property
    def last_missing(self) -> int:
        """The highest number that is missing; 0 if none is."""
        return self._lasts[-1] if self._lasts else 0

    @property
    def needs_since(self) -> bool:
        """Whether numbers are named, but nothing tells which of them are ours."""
        return not self.known and self._named > 0

    def note(self, number: int) -> bool:
        """A number came. False if it was settled before: it came already, or was given up."""
        if number == self.top + 1 and self.known:
            self.top = number
            if self.firsts:
                self._keep_to_window()
            return True
        if not self.known:
            self._open(number - 1)
        if number > self.top:
            self._extend(number)
        elif number <= self._base:
            # Not ours to ask for, but here it is.
            if number in self._early:
                return False
            if not self._told and len(self._early) < MAX_EARLY:
                self._early.add(number)
            return True
        return self._settle(number)

    def name(self, number: int) -> bool:
        """Somebody says that a number exists. False if that was known."""
        if number <= (self.top if self.known else self._named):
            return False
        if self.known:
            self._extend(number)
        else:
            self._named = number
        return True

    def tell_since(self, number: int) -> None:
        """The origin's word: nothing at or below is ours. Only its first word counts.

        Later words speak of a later meeting, after which what was missing before still is.
        """
        if self._told:
            return
        self._told = True
        if not self.known:
            self._open(number)
        elif number < self._base:
            self._fill_back(number)
        else:
            self._drop(number)
            self._base = number
            self.top = max(self.top, number)
        self._early.clear()
        self._keep_to_window()

    def missing(self, limit: int, above: int = 0, upto: int | None = None) -> Ranges:
        """The ranges (first, last) that are missing and not in progress, lowest first.

        Args:
            limit: at most so many ranges.
            above: only what is above it.
            upto: only what is not above it.
        """
        found: Ranges = []
        start = bisect_right(self._lasts, above)
        for position in range(start, len(self.firsts)):
            first, last = max(self.firsts[position], above + 1), self._lasts[position]
            if upto is not None:
                last = min(last, upto)
            if first > last or len(found) >= limit:
                break
            found += self._without_unfinished(first, last)
        return found[:limit]

    def is_missing(self, above: int, upto: int) -> bool:
        """Whether any number above the one and up to the other is missing, in progress or not."""
        position = bisect_right(self._lasts, above)
        return position < len(self.firsts) and self.firsts[position] <= upto

    def give_up(self, upto: int, *, unfinished: bool = False) -> Ranges:
        """Count what is missing up to a number as settled.

        Args:
            unfinished: also what is in progress.

        Returns:
            The ranges that were given up.
        """
        kept = [] if unfinished else [one for one in self._unfinished if one <= upto]
        given_up = self._drop(upto)
        if not kept:
            return given_up
        for number in reversed(kept):
            self.firsts.insert(0, number)
            self._lasts.insert(0, number)
        self._unfinished = sorted({*self._unfinished, *kept})
        return _without(given_up, kept)

    def in_progress(self, number: int, under_way: bool) -> None:
        """A missing number is being assembled, so it needs not be asked for; or is no more."""
        if number in self._unfinished:
            if not under_way:
                self._unfinished.remove(number)
        elif under_way and self.is_missing(number - 1, number):
            insort(self._unfinished, number)

    def _open(self, floor: int) -> None:
        self.known = True
        self._base = self.top = floor
        if self._named > floor:
            self._extend(self._named)

    def _extend(self, number: int) -> None:
        """All above the top, up to this number, is missing."""
        if self._lasts and self._lasts[-1] == self.top:
            self._lasts[-1] = number
        else:
            self.firsts.append(self.top + 1)
            self._lasts.append(number)
        self.top = number
        self._keep_to_window()

    def _fill_back(self, since: int) -> None:
        early = sorted(one for one in self._early if one > since)
        ranges = _without([(since + 1, self._base)], early)
        self.firsts[:0] = [first for first, _ in ranges]
        self._lasts[:0] = [last for _, last in ranges]
        self._base = since

    def _settle(self, number: int) -> bool:
        position = bisect_right(self.firsts, number) - 1
        if position < 0 or self._lasts[position] < number:
            return False
        first, last = self.firsts[position], self._lasts[position]
        if first == last:
            del self.firsts[position], self._lasts[position]
        elif number == first:
            self.firsts[position] = number + 1
        elif number == last:
            self._lasts[position] = number - 1
        else:
            self._lasts[position] = number - 1
            self.firsts.insert(position + 1, number + 1)
            self._lasts.insert(position + 1, last)
        if number in self._unfinished:
            self._unfinished.remove(number)
        return True

    def _drop(self, upto: int) -> Ranges:
        """Take out what is missing up to a number."""
        position = bisect_right(self._lasts, upto)
        dropped = list(zip(self.firsts[:position], self._lasts[:position], strict=True))
        del self.firsts[:position], self._lasts[:position]
        if self.firsts and self.firsts[0] <= upto:
            dropped.append((self.firsts[0], upto))
            self.firsts[0] = upto + 1
        del self._unfinished[: bisect_right(self._unfinished, upto)]
        return dropped

    def _keep_to_window(self) -> None:
        # Who numbers faster than that has outrun the duplicate window too, which takes no more.
        if self.firsts and self.firsts[0] <= self.top - WINDOW:
            self.lost += self._drop(self.top - WINDOW)

    def _without_unfinished(self, first: int, last: int) -> Ranges:
        if not self._unfinished:
            return [(first, last)]
        start = bisect_left(self._unfinished, first)
        stop = bisect_right(self._unfinished, last)
        return _without([(first, last)], self._unfinished[start:stop])


def _without(ranges: Ranges, numbers: Iterable[int]) -> Ranges:
    """The ranges with some numbers, ascending, cut out."""
    left = list(reversed(ranges))
    done: Ranges = []
    for number in numbers:
        while left and left[-1][1] < number:
            done.append(left.pop())
        if left and left[-1][0] <= number:
            first, last = left.pop()
            if first < number:
                done.append((first, number - 1))
            if number < last:
                left.append((number + 1, last))
    return done + left[::-1]
