"""Board: events of the core, folded into what the page shows, as plain values.

Pure: it is told events and the time. Each reader says which version it has and gets what changed
since, so any number of slow readers share one board.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from chatter.core.effects import BroadcastPassed, BroadcastSettled, NodeFigures, PeerEvent
from chatter.core.membership import Summary
from chatter.core.peers import MAX_PEERS
from chatter.core.tags import OTHERS
from chatter.dashboard.stories import Stories
from chatter.dashboard.versioned import Versioned
from chatter.ids import NetID

# What the page can draw: five minutes, a sample a second.
MAX_SAMPLES = 300
SAMPLE_EVERY_S = 1.0

# Nodes are asked every second or two; after this somebody begins to look, and the first figures of
# a node are those of its whole life.
UNSEEN_AFTER_S = 5.0

# Nodes that were removed, for readers that are behind; one that missed more asks for a snapshot.
MAX_REMOVED = 4096

# Uptimes are told in steps, as each is a change to send.
UPTIME_STEP_S = 10

# Names that a member may make up, so that one that does fills no memory: what a node counts by, the
# tags and reasons that are shown, and the addresses that get a number. There are never so many.
MAX_NAMES = 1024
MAX_SHOWN = 512
MAX_NUMBERS = 2 * MAX_PEERS

# The number of all nodes beyond those.
NO_NUMBER = -1

# A round trip moves by this much of what was measured last.
_RTT_SHARE = 0.3

# What a node counts -> the column it belongs to.
_COLUMN_OF = {
    "broadcasts": "broadcasts",
    "gossip_received": "copies",
    "gossip_overheard": "copies",
    "duplicates": "duplicates",
    "numbers_answered": "repairs",
    "numbers_multicast": "repairs",
    "wants_answered": "repairs",
    "numbers_lost": "gaps",
    "kernel_drops": "kernel_drops",
    "bytes_received": "bytes_in",
    "bytes_sent": "bytes_out",
    "frames_received": "frames_in",
    "frames_sent": "frames_out",
    "receipts_full": "receipts_full",
    "receipts_partial": "receipts_partial",
}
_DROPPED = "dropped_"

# What the table has of each node, besides deliveries; the totals have all columns.
_NODE_COLUMNS = (
    *("broadcasts", "deliveries", "copies", "duplicates", "repairs", "gaps", "drops"),
    *("kernel_drops", "bytes_in", "bytes_out"),
)
_TOTALS = (
    *_NODE_COLUMNS,
    *("frames_in", "frames_out", "receipts_full", "receipts_partial"),
)
_RATES = (
    *("broadcasts", "deliveries", "copies", "repairs", "gaps", "drops", "kernel_drops"),
    *("bytes_in", "bytes_out"),
)


class _Row:
    """One node."""

    __slots__ = ("columns", "counters", "rtt_s", "shown", "tags", "told_at", "uptime_s")

    def __init__(self) -> None:
        self.shown = Versioned()
        self.counters: dict[str, int] = {}
        """As its present process told them last."""
        self.tags: dict[str, int] = {}
        self.columns: dict[str, int] = {}
        self.rtt_s: float | None = None
        self.told_at = float("-inf")
        """When it told its figures last."""
        self.uptime_s = -1
        """-1 until it told its figures."""


class Board:
    """What is known of the whole cluster.

    Args:
        local: the node that watches.
        about: what goes with each snapshot as it is: label, version, what the page may do.
        unix_ms: the wall clock at a time of ours.
    """

    def __init__(
        self, local: NetID, about: dict[str, Any], unix_ms: Callable[[float], int]
    ) -> None:
        self.version = 0
        self._local = local
        self._about = about
        self._unix_ms = unix_ms
        self._rows: dict[NetID, _Row] = {}
        self._numbers: dict[NetID, int] = {}
        self._removed: deque[tuple[int, str]] = deque(maxlen=MAX_REMOVED)
        self._totals = Versioned()
        self._tags = Versioned()
        self._drops = Versioned()
        self._sums: dict[str, int] = dict.fromkeys(_TOTALS, 0)
        self._tag_sums: dict[str, int] = {}
        self._drop_sums: dict[str, int] = {}
        self._history: deque[tuple[int, dict[str, Any]]] = deque(maxlen=MAX_SAMPLES)
        self._sampled_at: float | None = None
        self._sampled: dict[str, int] = {}
        self._stories = Stories(self._number_of, self._segment_of, unix_ms)

    # What happens

    def fold(self, event: object, now: float) -> None:
        """Take in an event of the node that watches."""
        if isinstance(event, NodeFigures):
            self._figures(event, now)
        elif isinstance(event, BroadcastPassed):
            self._stories.passed(event, now)
        elif isinstance(event, BroadcastSettled):
            self._stories.settled(event, now)
        elif isinstance(event, PeerEvent):
            self.version += 1
            shown = self._row(event.address).shown
            shown.put("state", event.state, self.version)
            shown.put("epoch", str(event.epoch), self.version)

    def tell_nodes(self, peers: Sequence[Summary], own_segment: NetID | None, epoch: int) -> None:
        """What the node that watches knows of its peers now, and of itself."""
        self.version += 1
        own = Summary(self._local, epoch, "alive", False, own_segment, 0.0)
        known = [own, *peers]
        for one in known:
            shown = self._row(one.address).shown
            shown.put("state", one.state, self.version)
            segment = None if one.segment is None else str(one.segment)
            shown.put("segment", segment, self.version)
            multicast = None if one.address == self._local else one.multicast
            shown.put("multicast", multicast, self.version)
            shown.put("epoch", str(one.epoch), self.version)
        for netid in self._rows.keys() - {one.address for one in known}:
            del self._rows[netid]
            self._removed.append((self.version, str(netid)))

    def tick(self, now: float) -> None:
        """Time went on: take a sample once a second, and show what was learnt."""
        self.version += 1
        self._stories.tick(now, self.version)
        for name, value in self._sums.items():
            self._totals.put(name, value, self.version)
        if self._sampled_at is None or now - self._sampled_at > UNSEEN_AFTER_S:
            # Nobody looked in between: a rate over that time would say nothing.
            self._sampled_at, self._sampled = now, dict(self._sums)
        elif now - self._sampled_at >= SAMPLE_EVERY_S:
            self._history.append((self.version, self._sample(now)))
            self._sampled_at, self._sampled = now, dict(self._sums)

    # What is shown

    def snapshot(self) -> dict[str, Any]:
        """Everything, as `docs/dashboard.md` describes it."""
        return {
            "type": "snapshot",
            "board": self.version,
            "local": str(self._local),
            **self._about,
            "nodes": {str(netid): row.shown.values.copy() for netid, row in self._rows.items()},
            "totals": self._totals.values.copy(),
            "tags": self._tags.values.copy(),
            "drops": self._drops.values.copy(),
            "history": [sample for _, sample in self._history],
            "broadcasts": self._stories.since(0),
        }

    def changes(self, since: int) -> dict[str, Any]:
        """What changed after a version: ``type``, ``board``, and only what has changed."""
        nodes = {
            str(netid): row.shown.since(since)
            for netid, row in self._rows.items()
            if row.shown.latest > since
        }
        parts = {
            "nodes": nodes,
            "gone": self._gone_since(since),
            "totals": self._totals.since(since),
            "tags": self._tags.since(since),
            "drops": self._drops.since(since),
            "history": [sample for version, sample in self._history if version > since],
            "broadcasts": self._stories.since(since),
        }
        return {
            "type": "changes",
            "board": self.version,
            **{name: part for name, part in parts.items() if part},
        }

    # Details

    def _gone_since(self, since: int) -> list[str]:
        here = {str(netid) for netid in self._rows}  # one may have come back meanwhile
        return [one for version, one in self._removed if version > since and one not in here]

    def _row(self, netid: NetID) -> _Row:
        row = self._rows.get(netid)
        if row is None:
            row = self._rows[netid] = _Row()
            put = row.shown.put
            put("n", self._number_of(netid), self.version)
            put("state", "alive", self.version)
            for name in ("segment", "multicast", "version", "rtt_ms", "uptime_s", "queue"):
                put(name, None, self.version)
            for name in ("outbox", *_NODE_COLUMNS):
                put(name, None, self.version)
            put("epoch", "0", self.version)
        return row

    def _number_of(self, netid: NetID) -> int:
        number = self._numbers.get(netid)
        if number is None:
            if len(self._numbers) >= MAX_NUMBERS:
                return NO_NUMBER
            number = self._numbers[netid] = len(self._numbers)
        return number

    def _segment_of(self, netid: NetID) -> str | None:
        row = self._rows.get(netid)
        return None if row is None else row.shown.values["segment"]

    def _figures(self, event: NodeFigures, now: float) -> None:
        self.version += 1
        row = self._row(event.address)
        # What it counted while nobody looked belongs to the sums, but to no second of the history.
        unseen = now - row.told_at > UNSEEN_AFTER_S
        row.told_at = now
        before = self._sums.copy() if unseen else {}
        if event.uptime_s < row.uptime_s:  # another process: it counts from 0
            row.counters.clear()
            row.tags.clear()
            row.columns.clear()
        if row.uptime_s < 0:
            row.columns = dict.fromkeys(_NODE_COLUMNS, 0)
        row.uptime_s = event.uptime_s
        for name, value in event.counters.items():
            self._count(row, name, value)
        for tag, value in event.tags.items():
            more = _more(row.tags, tag, value)
            self._show(self._tags, self._tag_sums, tag, more)
            self._add(row, "deliveries", more)
        for name, sum_before in before.items():
            self._sampled[name] = self._sampled.get(name, 0) + self._sums[name] - sum_before
        put = row.shown.put
        for name in _NODE_COLUMNS:
            put(name, row.columns.get(name, 0), self.version)
        put("version", event.package, self.version)
        put("uptime_s", event.uptime_s - event.uptime_s % UPTIME_STEP_S, self.version)
        put("queue", row.counters.get("handler_queue", 0), self.version)
        put("outbox", row.counters.get("outbox_bytes", 0), self.version)
        if event.rtt_s is not None:
            former = event.rtt_s if row.rtt_s is None else row.rtt_s
            row.rtt_s = former + _RTT_SHARE * (event.rtt_s - former)
            put("rtt_ms", round(row.rtt_s * 1000, 1 if row.rtt_s >= 0.01 else 2), self.version)

    def _count(self, row: _Row, name: str, value: int) -> None:
        more = _more(row.counters, name, value)
        if name.startswith(_DROPPED):
            self._show(self._drops, self._drop_sums, name.removeprefix(_DROPPED), more)
            self._add(row, "drops", more)
        else:
            column = _COLUMN_OF.get(name)
            if column is not None:
                self._add(row, column, more)

    def _show(self, shown: Versioned, sums: dict[str, int], name: str, more: int) -> None:
        """So many more of what is shown by its name."""
        if name not in sums and len(sums) >= MAX_SHOWN:
            name = OTHERS
        sums[name] = sums.get(name, 0) + more
        shown.put(name, sums[name], self.version)

    def _add(self, row: _Row, column: str, more: int) -> None:
        row.columns[column] = row.columns.get(column, 0) + more
        self._sums[column] += more

    def _sample(self, now: float) -> dict[str, Any]:
        assert self._sampled_at is not None
        took_s = now - self._sampled_at
        sample: dict[str, Any] = {"t": self._unix_ms(now)}
        for name in _RATES:
            rate = (self._sums[name] - self._sampled[name]) / took_s
            sample[name] = round(rate, 1)
        latencies = self._stories.latencies_ms(now)
        sample["p50_ms"] = _percentile(latencies, 0.5)
        sample["p99_ms"] = _percentile(latencies, 0.99)
        return sample


def _more(former: dict[str, int], name: str, value: int) -> int:
    """How much was counted since; a value that fell can only be a count that began anew."""
    before = former.get(name, 0)
    if not before and len(former) >= MAX_NAMES:
        return 0
    former[name] = value
    return value - before if value >= before else value


def _percentile(ascending: Sequence[float], share: float) -> float | None:
    if not ascending:
        return None
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]
