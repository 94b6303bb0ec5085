"""How often a node says unasked that it lives: often while something changes, else seldom.

Nodes look around in *rounds*, and mostly speak in each. Where all hear each other and nothing has
changed, a beacon tells nobody anything but that its sender lives, and wakes every process of the
segment for it: the square of their number. So the pauses double then, up to what the failure
detector bears, and begin anew with whatever is news.

Source: RFC 6206, "The Trickle Algorithm", section 4.2: intervals double while all is consistent and
are reset when something is not. Its suppression of what others have said has no place here, as
nobody can say for another that it lives.
"""

from __future__ import annotations

from chatter.config import Config
from chatter.core.context import Context

# A segment hears at most this many beacons a second, whatever its size.
BEACONS_PER_S = 50

# Rounds between two beacons, at most, and what part of the failure timeout they may take: a silent
# peer is asked after half of it, and one that only had nothing to say shall not be.
MOST_ROUNDS = 4
_CALM_PART = 0.4

# After news so many rounds are spoken in, one after the other: who has just come learns from
# beacons what it has missed, and some are lost, or come before it can tell that they are true.
EAGER_ROUNDS = 5

# What one hears counts as heard lately for so many rounds, or of the longest pauses anybody makes,
# whose settings may be others: a beacon may be lost.
_ROUNDS_LATELY = 3.5
_PAUSES_LATELY = 2.5


def least_lately_s(config: Config) -> float:
    """How long a multicast counts as heard lately in the smallest of segments."""
    return _PAUSES_LATELY * MOST_ROUNDS * config.beacon_interval_s


class Pace:
    """When it is time for a beacon."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._eager = EAGER_ROUNDS
        self._pause = 1
        self._left = 0

    @property
    def interval_s(self) -> float:
        """The time between two rounds."""
        context = self._context
        return max(context.config.beacon_interval_s, context.crowd / BEACONS_PER_S)

    @property
    def longest_s(self) -> float:
        """The longest pause between two beacons of a node."""
        return self.interval_s * self._most_rounds

    @property
    def lately_s(self) -> float:
        """How long a multicast that was heard counts as heard lately."""
        return max(_ROUNDS_LATELY * self.interval_s, least_lately_s(self._context.config))

    def hurry(self) -> None:
        """There is news: speak in this round and the next ones, then ever less often again."""
        self._eager = EAGER_ROUNDS
        self._pause, self._left = 1, 0

    def speaks(self) -> bool:
        """Whether this round is one to speak in. Asked once in each."""
        if self._eager:
            self._eager -= 1
            return True
        if self._left:
            self._left -= 1
            return False
        self._pause = min(2 * self._pause, self._most_rounds)
        self._left = self._pause - 1
        return True

    @property
    def _most_rounds(self) -> int:
        config = self._context.config
        longest_s = min(
            _CALM_PART * config.failure_timeout_s, MOST_ROUNDS * config.beacon_interval_s
        )
        return max(1, int(longest_s / self.interval_s + 1e-9))
