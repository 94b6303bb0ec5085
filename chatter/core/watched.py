"""What this node tells those who watch the cluster: its figures, and where broadcasts came by.

Nothing is remembered of who watches. Whoever asks says which version of our figures it knows, and
gets what changed since; what is lost on the way is in the next answer. Broadcasts are traced only
while somebody watches, and of many only those whose hash says so: the same ones at each node.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from chatter.core.context import Context
from chatter.core.datagrams import DATAGRAM_BYTES, fits
from chatter.core.effects import Deliver, Edge, Outcome
from chatter.core.peers import Peer
from chatter.core.receipts import group_edges
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Broadcasts
from chatter.wire.gossip import Gossip
from chatter.wire.records import (
    MAX_CLOCK_US,
    NO_TRACES,
    Figures,
    Record,
    Result,
    Trace,
    Traces,
    Watch,
)

# After the last question for so long traces are kept: several questions of a watcher may get lost.
WATCHED_FOR_S = 10.0

# Traces kept, and told in one answer. A watcher sees to it that about four a second are chosen.
MAX_TRACES = 256
MAX_TRACES_TOLD = 64

# Outcomes of confirmed broadcasts kept; each may name every node of the cluster.
MAX_OUTCOMES = 8

# Confirmed broadcasts of ours, sent while somebody watched, that are not settled yet.
MAX_UNSETTLED = 256

# Answers in one second: twenty who watch a busy node, and a bound on what questions can make it do.
MAX_ANSWERS_PER_S = 100

# Nodes in one record of an outcome, to begin with: neighbours cost less than ten bytes each.
_EDGES_IN_RESULT = 120

# A name in the figures, besides its letters: two lengths, and a number.
_NAMED_BYTES = 12

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def chosen(broadcast: BroadcastID, thin: int) -> bool:
    """Whether this broadcast is traced, where one in ``2 ** thin`` is: the same at every node.

    Source: multiplicative hashing, Knuth, The Art of Computer Programming, vol. 3, section 6.4.
    """
    mixed = (broadcast.epoch ^ (broadcast.seqno * _GOLDEN)) & _MASK
    return not (mixed >> 32) & ((1 << thin) - 1)


class Passed(NamedTuple):
    """One broadcast that came by here, or was sent from here."""

    id: BroadcastID
    hop: int
    sender: NetID
    multicast: bool
    at: float
    tag: str
    size: int
    recipients: int


class Ended(NamedTuple):
    """What became of a confirmed broadcast of ours."""

    id: BroadcastID
    at: float
    """When it was sent."""
    tag: str
    size: int
    recipients: int
    outcome: Outcome


class News(NamedTuple):
    """What changed here since a version."""

    version: int
    counters: list[tuple[str, int]]
    tags: list[tuple[str, int]]
    passed: list[Passed]
    ended: list[Ended]


class Watched:
    """Figures and traces of this node.

    Args:
        tell: sends a peer one datagram's worth of records.
        gauges: what the shell can tell of itself at the moment: queues and kernel counters.
    """

    def __init__(
        self,
        context: Context,
        tell: Callable[[Peer, list[Record]], None],
        gauges: Callable[[], Mapping[str, int]],
    ) -> None:
        self._context = context
        self._tell = tell
        self._gauges = gauges
        self.active = False
        """Whether somebody watches, so that broadcasts are traced."""
        self._wakeup = float("inf")
        """When ``tick`` has something to do: nobody watches any more by then. An attribute, as the
        node looks at it with every datagram."""
        self._started_at = 0.0
        self._thin = 0
        self._version = 0
        self._values: dict[str, int] = {}
        self._changed: dict[str, int] = {}
        self._tag_values: dict[str, int] = {}
        self._tag_changed: dict[str, int] = {}
        # Each with the version of the first answer that tells of it.
        self._passed: deque[tuple[int, Passed]] = deque(maxlen=MAX_TRACES)
        self._ended: deque[tuple[int, Ended]] = deque(maxlen=MAX_OUTCOMES)
        self._unsettled: dict[BroadcastID, Passed] = {}
        self._answers = 0
        self._answers_since = float("-inf")

    def start(self, now: float) -> None:
        """The node begins to live."""
        self._started_at = now

    # What happens here

    def delivered(self, deliver: Deliver, now: float) -> None:
        """Broadcasts are dispatched here, while somebody watches."""
        broadcasts, sender, via, _ = deliver
        for gossip in self._chosen(broadcasts):
            size = len(gossip.payload)
            self._keep(
                Passed(gossip.id, gossip.hop, sender, via == "multicast", now, gossip.tag, size, 0)
            )

    def gathered(self, broadcasts: Broadcasts, recipients: int, now: float) -> None:
        """Broadcasts of ours begin their way, while somebody watches."""
        for gossip in self._chosen(broadcasts):
            self.sent(gossip, len(gossip.payload), recipients, now)

    def sent(self, gossip: Gossip, size: int, recipients: int, now: float) -> None:
        """A broadcast of ours begins its way, while somebody watches."""
        if not chosen(gossip.id, self._thin):
            return
        passed = Passed(gossip.id, 0, gossip.id.origin, False, now, gossip.tag, size, recipients)
        self._keep(passed)
        if gossip.confirm_ms and len(self._unsettled) < MAX_UNSETTLED:
            self._unsettled[gossip.id] = passed

    def settled(self, broadcast: BroadcastID, outcome: Outcome) -> None:
        """All is known of a confirmed broadcast of ours."""
        passed = self._unsettled.pop(broadcast, None)
        if passed is not None:
            ended = Ended(broadcast, passed.at, passed.tag, passed.size, passed.recipients, outcome)
            self._ended.append((self._version + 1, ended))

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        return self._wakeup

    def tick(self, now: float) -> None:
        """Trace nothing once nobody watches any more."""
        if now >= self._wakeup:
            self.active = False
            self._wakeup = float("inf")
            self._passed.clear()
            self._ended.clear()
            self._unsettled.clear()

    # What is told

    def watch(self, thin: int, now: float) -> None:
        """Somebody watches, and wants so many traced."""
        self.active = True
        self._wakeup = now + WATCHED_FOR_S
        self._context.wake(self._wakeup)
        self._thin = thin

    def asked(self, peer: Peer, watch: Watch, now: float) -> None:
        """A peer watches: tell it what changed since what it knows."""
        if now - self._answers_since >= 1.0:
            self._answers_since, self._answers = now, 0
        if self._answers >= MAX_ANSWERS_PER_S:
            self._context.counts["watches_ignored"] += 1
            return
        self._answers += 1
        # Monitoring asks for figures alone, for as long as we live: it must not have us trace.
        alone = watch.thin >= NO_TRACES
        if not alone:
            self.watch(watch.thin, now)
        news = self.news(watch.known)
        for figures in self._figures(watch.question, news, now):
            self._tell(peer, [figures])
        if alone:
            return
        for traces in _packed([self._trace(one) for one in news.passed]):
            self._tell(peer, [traces])
        for ended in news.ended:
            for result in _results(ended, self._clock_us(ended.at)):
                self._tell(peer, [result])

    def news(self, known: int) -> News:
        """What changed since this version; everything if it is not one of ours."""
        if known > self._version:
            known = 0
        self._version += 1
        values = {**self._context.counts, **self._gauges()}
        return News(
            self._version,
            self._note(values, self._values, self._changed, known),
            self._note(self._context.tags.values, self._tag_values, self._tag_changed, known),
            [one for version, one in self._passed if version > known][-MAX_TRACES_TOLD:],
            [one for version, one in self._ended if version > known],
        )

    def uptime_s(self, now: float) -> int:
        """Whole seconds since the node was started."""
        return self._clock_us(now) // 1_000_000

    # Details

    def _chosen(self, broadcasts: Broadcasts) -> Iterator[Gossip]:
        """Those that are traced, of all that are in it."""
        if isinstance(broadcasts, Gossip):
            if chosen(broadcasts.id, self._thin):
                yield broadcasts
            return
        origin, epoch, seqno = broadcasts.id
        positions = [
            position
            for position in range(broadcasts.many)
            if chosen(BroadcastID(origin, epoch, seqno + position), self._thin)
        ]
        if positions:
            yield from broadcasts.gossips(positions)

    def _clock_us(self, at: float) -> int:
        return min(MAX_CLOCK_US, max(0, int((at - self._started_at) * 1e6)))

    def _trace(self, passed: Passed) -> Trace:
        broadcast, hop, sender, multicast, at, tag, size, recipients = passed
        at_us = self._clock_us(at)
        return Trace(broadcast, hop, sender, multicast, at_us, tag, size, recipients)

    def _keep(self, passed: Passed) -> None:
        self._passed.append((self._version + 1, passed))

    def _note(
        self, values: Mapping[str, int], former: dict[str, int], changed: dict[str, int], known: int
    ) -> list[tuple[str, int]]:
        for name, value in values.items():
            if former.get(name) != value:
                former[name] = value
                changed[name] = self._version
        return [(name, former[name]) for name, version in changed.items() if version > known]

    def _figures(self, question: int, news: News, now: float) -> list[Figures]:
        parts: list[tuple[list[tuple[str, int]], list[tuple[str, int]]]] = [([], [])]
        room = DATAGRAM_BYTES - 128
        for which, entries in ((0, news.counters), (1, news.tags)):
            for name, value in entries:
                cost = len(name.encode()) + _NAMED_BYTES
                if cost > room:
                    parts.append(([], []))
                    room = DATAGRAM_BYTES - 128
                room -= cost
                parts[-1][which].append((name, value))
        clock_us, package = self._clock_us(now), self._context.package
        return [
            Figures(
                question, news.version, part, len(parts), clock_us, package,
                tuple(counters), tuple(tags),
            )
            for part, (counters, tags) in enumerate(parts)
        ]  # fmt: skip


def _packed(traces: Sequence[Trace]) -> list[Traces]:
    """The traces in records that each fit in a datagram."""
    if not traces:
        return []
    whole = Traces(tuple(traces))
    if len(traces) == 1 or fits([whole]):
        return [whole]
    middle = len(traces) // 2
    return _packed(traces[:middle]) + _packed(traces[middle:])


def _results(ended: Ended, at_us: int) -> list[Result]:
    """An outcome in records that each fit in a datagram."""
    size = _EDGES_IN_RESULT
    while True:
        results = _results_of(ended, size, at_us)
        if size == 1 or all(fits([result]) for result in results):
            return results
        size //= 2


def _results_of(ended: Ended, size: int, at_us: int) -> list[Result]:
    outcome = ended.outcome
    rows: list[Edge | NetID] = [*outcome.missing, *outcome.edges]
    results = []
    for start in range(0, max(1, len(rows)), size):
        part = rows[start : start + size]
        # NetID is a tuple too; what has a server is an edge.
        edges = [one for one in part if isinstance(one, Edge)]
        missing = tuple(one for one in part if isinstance(one, NetID))
        groups = tuple(served for report in group_edges(edges) for served in report)
        results.append(
            Result(
                ended.id, at_us, ended.tag, ended.size, ended.recipients,
                missing, groups,
            )
        )  # fmt: skip
    return results
