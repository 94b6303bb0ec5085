"""Who got a confirmed broadcast: what its origin has been told so far, and when that is all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from chatter.core.context import Context
from chatter.core.effects import Edge, Outcome, Settled
from chatter.ids import BroadcastID, NetID
from chatter.wire.idtable import sort_netids
from chatter.wire.records import Served

# A receipt is settled so long before its time is over, or a tenth of its time: whoever waits for it
# is told in time even if the process is busy, and never later than was asked.
SETTLED_EARLY_S = 0.05

# Recipients in one report, so that it fits in a frame whatever their addresses.
RECIPIENTS_IN_REPORT = 500


class Tally:
    """What is known of one confirmed broadcast of ours."""

    __slots__ = ("_edges", "_targets", "deadline", "id", "settled", "tried")

    def __init__(self, broadcast: BroadcastID, targets: Iterable[NetID], deadline: float) -> None:
        self.id = broadcast
        self.deadline = deadline
        self.settled = False
        self.tried = False
        """Whether those that others could not reach were tried by ourselves."""
        self._targets = dict.fromkeys(targets)
        self._edges: dict[NetID, Edge] = {}

    def add(self, edge: Edge) -> None:
        """Somebody accepted the broadcast; the first word counts, as later ones are of repairs."""
        if edge.recipient in self._targets:
            self._edges.setdefault(edge.recipient, edge)

    @property
    def missing(self) -> list[NetID]:
        """Who is not known to have it."""
        return [netid for netid in self._targets if netid not in self._edges]

    @property
    def complete(self) -> bool:
        """Whether everybody answered."""
        return len(self._edges) == len(self._targets)

    def outcome(self) -> Outcome:
        """What the receipt says."""
        return Outcome(
            tuple(sort_netids(self._edges)),
            tuple(sort_netids(self.missing)),
            tuple(sorted(self._edges.values(), key=lambda edge: (edge.hop, edge.server))),
        )


class Receipts:
    """The confirmed broadcasts of ours that are not settled yet.

    Args:
        tell: told of each that is, besides the effect.
    """

    def __init__(
        self,
        context: Context,
        tell: Callable[[BroadcastID, Outcome], None] = lambda broadcast, outcome: None,
    ) -> None:
        self._context = context
        self._tell = tell
        self._open: dict[BroadcastID, Tally] = {}
        self._wakeup = float("inf")

    def open(
        self, broadcast: BroadcastID, targets: Sequence[NetID], within_s: float, now: float
    ) -> Tally:
        """Begin to count."""
        deadline = now + within_s - min(SETTLED_EARLY_S, within_s / 10)
        tally = self._open[broadcast] = Tally(broadcast, targets, deadline)
        self._wakeup = min(self._wakeup, deadline)
        self._context.wake(deadline)
        return tally

    def settle(self, tally: Tally) -> None:
        """This is all that will be known."""
        if not tally.settled:
            tally.settled = True
            del self._open[tally.id]
            if not self._open:
                self._wakeup = float("inf")
            self._context.counts["receipts_full" if tally.complete else "receipts_partial"] += 1
            outcome = tally.outcome()
            self._context.effects.append(Settled(tally.id, outcome))
            self._tell(tally.id, outcome)

    def settle_all(self) -> None:
        """Nobody will answer any more."""
        for tally in list(self._open.values()):
            self.settle(tally)

    def tick(self, now: float) -> None:
        """Settle those whose time is over."""
        if now < self._wakeup:
            return
        for tally in [one for one in self._open.values() if one.deadline <= now]:
            self.settle(tally)
        self._wakeup = min((one.deadline for one in self._open.values()), default=float("inf"))

    def next_wakeup(self) -> float:
        """When the next one's time is over, or was to be before it settled."""
        return self._wakeup


def group_edges(edges: Iterable[Edge]) -> list[tuple[Served, ...]]:
    """The edges as reports carry them: by server and hop, each report small enough for a frame."""
    groups: dict[tuple[NetID, int, bool], dict[NetID, int]] = {}
    for server, recipient, hop, multicast, ms in edges:
        groups.setdefault((server, hop, multicast), {})[recipient] = ms
    reports: list[list[Served]] = [[]]
    room = RECIPIENTS_IN_REPORT
    for (server, hop, multicast), served in groups.items():
        recipients = sort_netids(served)
        for start in range(0, len(recipients), RECIPIENTS_IN_REPORT):
            part = tuple(recipients[start : start + RECIPIENTS_IN_REPORT])
            if len(part) > room:
                reports.append([])
                room = RECIPIENTS_IN_REPORT
            room -= len(part)
            times = tuple(served[netid] for netid in part)
            reports[-1].append(Served(server, hop, multicast, part, times))
    return [tuple(report) for report in reports if report]


def edges_of(groups: Iterable[Served]) -> list[Edge]:
    """The edges that a report tells of."""
    return [
        Edge(server, recipient, hop, multicast, ms)
        for server, hop, multicast, recipients, times in groups
        for recipient, ms in zip(recipients, times, strict=True)
    ]
