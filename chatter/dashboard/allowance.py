"""Allowance: so many in a second, a burst of as many, and no more."""

from __future__ import annotations


class Allowance:
    """Tells whether one more is allowed; a bucket that fills with time and is emptied by one each.

    Args:
        per_second: how many, in the long run and at once; above 0.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._left = per_second
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Whether one more is allowed at this time, in seconds of a clock that never goes back."""
        if self._at is not None:
            self._left = min(self._per_second, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
