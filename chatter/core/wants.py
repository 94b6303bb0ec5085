"""What is being asked for in one stream: a few asks, each for a stretch of its numbers.

An ask covers what is missing between the one before it and its own upper end. Whoever is asked
sends the first of it that he has, up to a bound, and so an ask moves through its stretch at the
pace of the answers: a receiver that was away has one answer under way, not all it has missed.
What nobody answers stays behind in its own ask, and holds up no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatter.ids import NetID

if TYPE_CHECKING:
    from chatter.core.origins import OriginLife

# Numbers in one answer, and so under way for one ask.
ANSWER_NUMBERS = 256

# Ranges in one question: at six bytes each, less than one small datagram's worth.
MAX_RANGES = 128

# Asks of one stream at a time: some hundred numbers under way. What is missing above them waits.
MAX_ASKS = 3

# Pauses between two tries of one ask: a few round trips of a local network, then ever longer, up to
# where ten times the usual repair timeout is still one question a second and stream.
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 1.0

# Answers that began and have stopped for so long are complete, as far as anybody can tell.
QUIET_S = 0.05


class Ask:
    """What is missing up to a number, asked for in turn from those who may have it."""

    __slots__ = ("answers", "at", "cursor", "peer", "progress_at", "tries", "upto")

    def __init__(self, upto: int, at: float, found_at: float) -> None:
        self.upto = upto
        self.at = at
        """When to see how it goes."""
        self.progress_at = found_at
        """When something of it last came, or when it was found missing."""
        self.tries = 0
        """How many turns were taken; 0: it has not been sent."""
        self.cursor = 0
        """The highest number that came since the present turn began."""
        self.answers = 0
        """How many came since it was last sent."""
        self.peer: NetID | None = None
        """Who was asked last."""

    def pause_s(self) -> float:
        """How long to wait for an answer."""
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self.tries - 1, 10))


class Wants:
    """The asks of one stream."""

    __slots__ = ("asks", "at", "behind_since", "life", "since_tries")

    def __init__(self, life: OriginLife) -> None:
        self.life = life
        self.asks: list[Ask] = []
        """Their stretches ascend."""
        self.at = float("inf")
        """When to look at it again."""
        self.behind_since = float("-inf")
        """Since when something is missing that no ask covers."""
        self.since_tries = 0
        """How often the origin was asked from where on its numbers are ours."""

    def cover(self, at: float, now: float) -> None:
        """Have all that is missing covered by asks, as far as there may be so many.

        Args:
            at: when to send an ask that is made for it.
        """
        last = self.life.numbers.last_missing
        asks = self.asks
        if asks and asks[-1].upto >= last:
            return
        if asks and not asks[-1].tries:
            asks[-1].upto = last
        elif len(asks) < MAX_ASKS:
            behind = self.behind_since if self.behind_since > float("-inf") else now
            asks.append(Ask(last, at, behind))
            self.behind_since = float("-inf")
        elif self.behind_since == float("-inf"):
            self.behind_since = now

    def arrived(self, number: int, now: float) -> Ask | None:
        """A missing number came: the ask that it is an answer to, if one was sent."""
        for ask in self.asks:
            if number <= ask.upto:
                if not ask.tries:
                    return None  # late by itself
                ask.progress_at = now
                ask.answers += 1
                ask.cursor = max(ask.cursor, number)
                if self.behind_since > float("-inf"):
                    self.behind_since = now  # its turn comes: the answers keep coming
                return ask
        return None

    def prune(self) -> None:
        """Forget the asks of which nothing is missing any more."""
        numbers = self.life.numbers
        below = 0
        left = []
        for ask in self.asks:
            if numbers.is_missing(below, ask.upto):
                left.append(ask)
            below = ask.upto
        self.asks = left
