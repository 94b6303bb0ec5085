"""How far away peers are, and what it costs to send: as measured here, for the planner.

Each answer to a question of ours tells a round trip, or more: the peer may have been busy, or still
starting, and so may we. So the least of some is taken, and none believed before there are some.
What it costs to send one more branch is told by the shell, as only it has a clock that runs while
something is done. Before both are known, nothing is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from chatter.ids import NetID

# Answers of a peer before its round trip is believed. While many nodes start at once on few cores,
# a round trip seems a hundred times as long as it is, and so does the next.
LEAST_SAMPLES = 3

# A round trip that was longer is believed after so long: a way may have changed.
FRESH_FOR_S = 600.0

# While there are peers to be measured, so many are asked each time: a hundred are known after forty
# seconds. Questions share an allowance with proofs, and who joins must not wait for ours.
ASK_EVERY_S = 1.0
ASK_AT_ONCE = 8

# Questions in a row that a peer may leave unanswered: datagrams may be blocked on the way to it. It
# is tried again when others are measured anew.
MOST_UNANSWERED = 5

# Peers whose round trip is kept: as many as there may be.
MAX_KEPT = 65536

# Sends before their cost is believed, the share of a new one, and the most it may count as, in
# multiples of what is usual: one may have had to wait for the system, or for other processes.
LEAST_SENDS = 16
_SEND_SHARE = 1 / 16
_MOST_USUAL = 4.0

# Nobody tells us how fast the line is, so it is assumed to be slow: then what is large is halved,
# which is never far from the best. A send of 1 KiB takes 0.08 ms longer for it.
LINE_BYTES_PER_S = 12_500_000

# A node spends no more of its time than this on sending branches. A tree that is wide reaches all
# earlier, but who has the next to broadcast before the branches of the last are out, halves.
MOST_BUSY = 0.25


class _RoundTrip(NamedTuple):
    seconds: float
    samples: int
    at: float


class Timing:
    """The round trips to peers, and the cost of a send."""

    def __init__(self) -> None:
        self._round_trips: dict[NetID, _RoundTrip] = {}
        self._send_s = 0.0
        self._sends = 0
        self._ask_at = 0.0
        self._turn: list[NetID] = []
        self._unanswered: dict[NetID, int] = {}
        self._forgive_at = 0.0
        self._passed = 0
        self._passing_since = 0.0
        self._rate = 0.0

    # Round trips

    def answered(self, netid: NetID, seconds: float, now: float) -> None:
        """A peer answered so long after it was asked."""
        self._unanswered.pop(netid, None)
        known = self._round_trips.get(netid)
        if known is None:
            if len(self._round_trips) >= MAX_KEPT:
                del self._round_trips[next(iter(self._round_trips))]
            self._round_trips[netid] = _RoundTrip(seconds, 1, now)
        elif seconds <= known.seconds or now - known.at > FRESH_FOR_S:
            self._round_trips[netid] = _RoundTrip(seconds, known.samples + 1, now)
        else:
            self._round_trips[netid] = known._replace(samples=known.samples + 1)

    def one_way_s(self, netid: NetID) -> float | None:
        """How long a message to this peer takes, with the sending of it; None if not known."""
        known = self._round_trips.get(netid)
        return None if known is None or known.samples < LEAST_SAMPLES else known.seconds / 2

    def next_to_ask(self, served: Iterable[NetID], now: float) -> list[NetID]:
        """Who are to be asked now, so that their round trips are known.

        Args:
            served: whom branches may have to reach; looked at once they have all had their turn.
        """
        if not self._sends or now < self._ask_at:
            return []
        self._ask_at = now + ASK_EVERY_S
        if now >= self._forgive_at:
            self._forgive_at = now + FRESH_FOR_S
            self._unanswered.clear()
        if not self._turn:
            self._turn = [netid for netid in served if self._unknown(netid, now)]
        asked = [self._turn.pop() for _ in range(min(ASK_AT_ONCE, len(self._turn)))]
        for one in asked:
            self._unanswered[one] = self._unanswered.get(one, 0) + 1
        return asked

    def unanswered(self, netid: NetID) -> int:
        """How many questions in a row this peer was asked without an answer until now."""
        return self._unanswered.get(netid, 0)

    def _unknown(self, netid: NetID, now: float) -> bool:
        if self._unanswered.get(netid, 0) >= MOST_UNANSWERED:
            return False
        known = self._round_trips.get(netid)
        return known is None or known.samples < LEAST_SAMPLES or now - known.at > FRESH_FOR_S

    # Sends

    def sent(self, seconds: float) -> None:
        """Another branch was sent in so much time."""
        self._sends += 1
        if self._sends == 1:
            self._send_s = seconds
        else:
            usual = min(seconds, _MOST_USUAL * self._send_s)
            self._send_s += (usual - self._send_s) * _SEND_SHARE

    @property
    def knows_sends(self) -> bool:
        """Whether it is known what a send costs."""
        return self._sends >= LEAST_SENDS

    def send_s(self, size: int) -> float | None:
        """What it costs to send a branch of so many bytes; None if not known."""
        return self._send_s + size / LINE_BYTES_PER_S if self.knows_sends else None

    # How busy we are

    def passed(self) -> None:
        """Another broadcast is passed on, or sent."""
        self._passed += 1

    def most_branches(self, send_s: float, now: float) -> int:
        """Into how many branches a broadcast may be split at the present rate."""
        elapsed_s = now - self._passing_since
        if elapsed_s >= 0.2:
            self._rate = self._passed / elapsed_s
            self._passed, self._passing_since = 0, now
        return max(1, int(MOST_BUSY / max(1e-9, self._rate * send_s)))
