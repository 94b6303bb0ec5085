"""What became of each broadcast: values from the events of all nodes, and figures. Pure."""

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Delivery:
    """One dispatch: `node` was served by `sender`. Time is the monotonic clock, shared by all."""

    node: str
    sender: str
    via: str
    hops: int
    time_ns: int


@dataclass
class Broadcast:
    """One broadcast and every dispatch of it.

    Args:
        recipients: who was to dispatch it; the origin isn't among them.
        sent_ns: None until the origin has answered.
    """

    origin: str
    seqno: int
    recipients: frozenset[str]
    sent_ns: int | None = None
    deliveries: list[Delivery] = field(default_factory=list)

    def first_deliveries(self) -> list[Delivery]:
        """Each node's first dispatch, in the order of time."""
        first: dict[str, Delivery] = {}
        for delivery in sorted(self.deliveries, key=lambda delivery: delivery.time_ns):
            first.setdefault(delivery.node, delivery)
        return list(first.values())

    def missing(self) -> list[str]:
        """The recipients that have not dispatched it."""
        return sorted(self.recipients - {delivery.node for delivery in self.deliveries})

    def repeated(self) -> list[str]:
        """A node's name for every dispatch after its first."""
        counts = Counter(delivery.node for delivery in self.deliveries)
        return sorted((counts - Counter(counts.keys())).elements())

    def uninvited(self) -> list[str]:
        """Those that dispatched it and were not asked to, the origin perhaps among them."""
        return sorted({delivery.node for delivery in self.deliveries} - self.recipients)

    def elapsed_ms(self, delivery: Delivery) -> float:
        """From the broadcast call to this dispatch."""
        assert self.sent_ns is not None, "its origin has not said when it was sent"
        return (delivery.time_ns - self.sent_ns) / 1e6

    def last_ms(self) -> float | None:
        """From the broadcast call to the last recipient's dispatch; None until all have it."""
        if self.sent_ns is None or not self.deliveries or self.missing():
            return None
        return max(self.elapsed_ms(delivery) for delivery in self.first_deliveries())

    def complaint(self) -> str | None:
        """What went wrong, as a sentence; None if all recipients, and only they, have it once."""
        faults = []
        if missing := self.missing():
            faults.append(f"not dispatched by {', '.join(missing)}")
        if repeated := self.repeated():
            faults.append(f"dispatched again by {', '.join(repeated)}")
        if self.origin in (uninvited := self.uninvited()):
            faults.append("dispatched by its own origin")
        if strangers := [node for node in uninvited if node != self.origin]:
            faults.append(f"dispatched by {', '.join(strangers)}, who was not asked to")
        if not faults:
            return None
        return f"broadcast {self.seqno} of {self.origin} was {'; '.join(faults)}"


@dataclass
class Totals:
    """The sums over broadcasts that are over."""

    broadcasts: int = 0
    deliveries: int = 0
    missing: int = 0
    duplicates: int = 0
    uninvited: int = 0
    hops_max: int = 0
    via: Counter[str] = field(default_factory=Counter)

    @property
    def flawless(self) -> bool:
        """Everybody asked dispatched everything once, and nobody else anything."""
        return self.missing == self.duplicates == self.uninvited == 0


class Ledger:
    """Turns the events of all nodes into broadcasts.

    Events of different nodes come in any order: a message may be seen before the origin's `sent`.

    Args:
        nodes: the addresses of all.
        keep: so many broadcasts are kept to look at, older ones live on in the totals. More than
            can be on their way at a time: what comes later is counted as a duplicate.
    """

    def __init__(self, nodes: Iterable[str], keep: int = 64) -> None:
        self._nodes = frozenset(nodes)
        self._keep = keep
        self._open: dict[tuple[str, int], Broadcast] = {}
        self._closed_below: dict[str, int] = {}
        self._closed = Totals()
        self._last_ms: deque[float] = deque(maxlen=10_000)

    def add_sent(
        self, origin: str, sent: dict[str, Any], to: Iterable[str] | None = None
    ) -> Broadcast:
        """The broadcast that the origin's `sent` event is about; `to` as it was requested."""
        broadcast = self._broadcast(origin, sent["seqno"])
        broadcast.sent_ns = sent["time_ns"]
        if to is not None:
            broadcast.recipients = frozenset(to) - {origin}
        self._close_old()
        return broadcast

    def add_message(self, node: str, message: dict[str, Any]) -> None:
        """Records that `node` dispatched `message`, an event of that name."""
        origin, seqno = message["origin"], message["seqno"]
        if seqno < self._closed_below.get(origin, 0):
            self._closed.duplicates += 1
            return
        self._broadcast(origin, seqno).deliveries.append(
            Delivery(node, message["sender"], message["via"], message["hops"], message["time_ns"])
        )

    def broadcasts(self) -> list[Broadcast]:
        """Those kept, in the order of sending."""
        return list(self._open.values())

    def totals(self) -> Totals:
        """Over all broadcasts ever, those that are still on their way included."""
        sums = Totals(
            self._closed.broadcasts,
            self._closed.deliveries,
            self._closed.missing,
            self._closed.duplicates,
            self._closed.uninvited,
            self._closed.hops_max,
            Counter(self._closed.via),
        )
        for broadcast in self._open.values():
            _add(sums, broadcast)
        return sums

    def last_node_ms(self) -> list[float]:
        """For each broadcast that reached all, the time to the last node; of the last 10,000."""
        fresh = (broadcast.last_ms() for broadcast in self._open.values())
        return [*self._last_ms, *(ms for ms in fresh if ms is not None)]

    def _broadcast(self, origin: str, seqno: int) -> Broadcast:
        if (origin, seqno) not in self._open:
            recipients = self._nodes - {origin}
            self._open[origin, seqno] = Broadcast(origin, seqno, recipients)
        return self._open[origin, seqno]

    def _close_old(self) -> None:
        while len(self._open) > self._keep:
            key = next(iter(self._open))
            broadcast = self._open.pop(key)
            self._closed_below[broadcast.origin] = broadcast.seqno + 1
            _add(self._closed, broadcast)
            if (last_ms := broadcast.last_ms()) is not None:
                self._last_ms.append(last_ms)


def _add(totals: Totals, broadcast: Broadcast) -> None:
    first = broadcast.first_deliveries()
    totals.broadcasts += 1
    totals.deliveries += len(first)
    totals.missing += len(broadcast.missing())
    totals.duplicates += len(broadcast.repeated())
    totals.uninvited += len(broadcast.uninvited())
    totals.hops_max = max([totals.hops_max, *(delivery.hops for delivery in first)])
    totals.via.update(delivery.via for delivery in first)


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that at least `percent` of a hundred do not exceed; None of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
