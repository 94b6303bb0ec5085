"""What a node answers for: the branches it handed on, and the multicasts that have to be heard.

A duty is one broadcast that we were asked to pass on, or our own. It is done when each head said
that its branch is, and each listener that has to answer did; then we say done to whoever asked us.
Broadcasts to everyone that nobody wants confirmed need no answer of listeners: they miss a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import count, islice

from chatter.core.context import Context
from chatter.core.effects import Edge
from chatter.core.exchange import ACK_DELAY_S
from chatter.core.handover import Handover
from chatter.core.links import Links
from chatter.core.receipts import Receipts, Tally, edges_of, group_edges
from chatter.core.session import Session
from chatter.core.transfer import Transfer
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Broadcasts
from chatter.wire.records import Probe, Report, Served

# Reports of a branch wait so long for others to share their record.
REPORT_DELAY_S = 0.01

# Listeners that have not answered by then are asked over TCP: twice what their answers may wait for
# others to share a datagram with. Those of confirmed broadcasts answer at once.
PROBE_AFTER_S = 0.1
PROBE_CONFIRMED_AFTER_S = 0.03
LONGEST_PROBE_PAUSE_S = 1.0

# A head that refuses connections is tried again after this, and then twice, four times as long.
RETRY_AFTER_S = 0.2
LONGEST_RETRY_S = 2.0

# Payloads of this many bytes a second are given time to arrive before a duty is given up.
SLOWEST_BYTES_PER_S = 100_000

# Duties given up in one go, each tick.
MAX_EXPIRED = 4096

# Timers of duties that ended before their time; more are swept out, as each keeps its broadcast.
_SLACK = 1024

# Broadcasts that we answer for at a time; with more, the oldest is left to repair.
MAX_DUTIES = 65536

# ... and what their payloads take together, as much as is kept for repair: one that nobody takes is
# tried for ten seconds, in which large ones would fill any memory.
MAX_BYTES = 64 * 1024 * 1024


class Duty:
    """One broadcast, and those we answer for."""

    __slots__ = (
        "accepted",
        "bytes",
        "closed",
        "deadline",
        "edges",
        "gossip",
        "heads",
        "listeners",
        "parent",
        "probe_after_s",
        "probe_at",
        "report_at",
        "retrying",
        "sent_at",
        "tally",
        "transfers",
    )

    def __init__(
        self,
        gossip: Broadcasts,
        parent: tuple[Session, int] | None,
        tally: Tally | None,
        now: float,
    ) -> None:
        self.bytes = len(gossip.payload)
        self.gossip = gossip
        """As it came to us: one hop behind those we hand it to."""
        self.parent = parent
        """Who asked us: the connection, and the index of the gossip on it."""
        self.tally = tally
        self.accepted = True
        """False while it is not whole here, or its handler may still change it."""
        self.heads: dict[Handover, None] = {}
        self.listeners: dict[NetID, None] = {}
        """Who hears our multicast and has to say so."""
        self.retrying: dict[NetID, int] = {}
        """Heads that could not be reached, and how often they were tried."""
        self.transfers: list[Transfer] = []
        """Chunks still on their way to listeners."""
        self.edges: list[Edge] = []
        """What we were told and have not passed on to whoever asked us."""
        self.sent_at = now
        self.deadline = now
        self.probe_at = float("inf")
        self.probe_after_s = PROBE_AFTER_S
        self.report_at = float("inf")
        self.closed = False

    @property
    def confirmed(self) -> bool:
        """Whether the origin wants to know who got it."""
        return self.gossip.confirm_ms > 0

    @property
    def insists(self) -> bool:
        """Whether each single recipient has to answer, as no number would tell it of a loss."""
        return self.confirmed or not self.gossip.to_everyone

    @property
    def done(self) -> bool:
        """Whether nothing is left to answer for."""
        return self.accepted and not (self.heads or self.listeners or self.retrying)


class Duties:
    """All that a node answers for.

    Args:
        hand_over: gives a gossip to one head that could not be reached before.
    """

    def __init__(
        self,
        context: Context,
        links: Links,
        receipts: Receipts,
        hand_over: Callable[[Duty, Sequence[NetID], float], None],
    ) -> None:
        self._context = context
        self._links = links
        self._receipts = receipts
        self._hand_over = hand_over
        self._duties: dict[Duty, None] = {}
        self._expiring: dict[Duty, None] = {}  # those that all have the same time
        self._listened: dict[BroadcastID, dict[Duty, None]] = {}
        self._timers: list[tuple[float, int, Duty, NetID | None]] = []
        self._sweep_at = _SLACK
        self._bytes = 0
        self._order = count()

    def open(
        self,
        gossip: Broadcasts,
        now: float,
        *,
        parent: tuple[Session, int] | None = None,
        tally: Tally | None = None,
    ) -> Duty:
        """Begin to answer for a broadcast."""
        duty = Duty(gossip, parent, tally, now)
        if tally is not None:
            duty.deadline = tally.deadline
        elif gossip.confirm_ms:
            duty.deadline = now + gossip.confirm_ms / 1000
        else:
            duty.deadline = now + self._context.config.repair_timeout_s
            duty.deadline += gossip.size / SLOWEST_BYTES_PER_S
        self._duties[duty] = None
        if duty.confirmed or gossip.size:
            self._set(duty.deadline, duty)
        else:
            self._expiring[duty] = None
        self._bytes += duty.bytes
        while len(self._duties) > MAX_DUTIES or self._bytes > MAX_BYTES:
            self._context.counts["duties_dropped"] += 1
            self._close(next(iter(self._duties)), now)
        return duty

    def listen(
        self, duty: Duty, members: Iterable[NetID], transfer: Transfer | None, now: float
    ) -> None:
        """A multicast of ours is on its way to these, who have to answer."""
        if duty.closed:
            return
        duty.listeners.update(dict.fromkeys(members))
        if transfer is not None:
            duty.transfers.append(transfer)
        self._listened.setdefault(duty.gossip.id, {})[duty] = None
        if duty.confirmed:
            # Their answers are spread, lest all come at once.
            duty.probe_after_s = PROBE_CONFIRMED_AFTER_S + len(duty.listeners) * 0.0002
        duty.probe_at = now + duty.probe_after_s
        self._set(duty.probe_at, duty)

    def retry(self, duty: Duty, head: NetID, now: float) -> None:
        """A head cannot be reached: try again later, if it has to answer and may be back."""
        peer = self._context.peers.get(head)
        if not duty.insists or duty.closed or (peer is not None and not peer.live):
            self._context.counts["gossip_undeliverable"] += 1
            duty.retrying.pop(head, None)
            self.check(duty, now)
            return
        tries = duty.retrying[head] = duty.retrying.get(head, 0) + 1
        pause_s = min(LONGEST_RETRY_S, RETRY_AFTER_S * 2 ** (tries - 1))
        self._set(now + pause_s, duty, head)

    # Answers

    def done(self, handover: Handover, now: float) -> None:
        """A head says that it and its branch are served."""
        duty = handover.duty
        if duty is None or duty.closed:
            return
        duty.heads.pop(handover, None)
        duty.retrying.pop(handover.head, None)
        self.check(duty, now)

    def reported(self, handover: Handover, groups: Iterable[Served], now: float) -> None:
        """A head says that it accepted a confirmed broadcast, and who else did."""
        duty = handover.duty
        if duty is None or duty.closed:
            return
        edges = edges_of(groups)
        if not handover.accepted:
            handover.accepted = True
            ms = _ms(now - handover.sent_at)
            hop = handover.gossip.hop
            edges.append(Edge(self._context.local, handover.head, hop, False, ms))
        self._learnt(duty, edges, now)

    def took(self, netid: NetID, broadcasts: Iterable[BroadcastID], now: float) -> None:
        """A listener says that it has these."""
        for broadcast in broadcasts:
            for duty in list(self._listened.get(broadcast, ())):
                if netid not in duty.listeners:
                    continue
                del duty.listeners[netid]
                if duty.confirmed:
                    ms = _ms(now - duty.sent_at)
                    hop = duty.gossip.hop + 1
                    self._learnt(duty, [Edge(self._context.local, netid, hop, True, ms)], now)
                self.check(duty, now)

    def unheard(self, netid: NetID, broadcast: BroadcastID) -> Duty | None:
        """A listener did not hear a multicast and is served otherwise: for which duty, if any."""
        for duty in self._listened.get(broadcast, ()):
            if netid in duty.listeners:
                del duty.listeners[netid]
                return duty
        return None

    def accept(self, duty: Duty, now: float) -> None:
        """The broadcast is whole here, and as it will travel on."""
        duty.accepted = True
        self.check(duty, now)

    def gone(self, netid: NetID, now: float) -> None:
        """A peer failed or left: it will not answer."""
        for duty in list(self._duties):
            if netid in duty.listeners or netid in duty.retrying:
                duty.listeners.pop(netid, None)
                duty.retrying.pop(netid, None)
                self.check(duty, now)

    def check(self, duty: Duty, now: float) -> None:
        """Say done where nothing is left to answer for."""
        if not duty.done or duty.closed:
            return
        tally = duty.tally
        if tally is not None and not (tally.complete or tally.tried):
            # Others could not reach these; perhaps we can.
            tally.tried = True
            within = [netid for netid in tally.missing if self._may_answer(netid)]
            if within:
                self._hand_over(duty, within, now)
                return
        self._close(duty, now)

    # Time

    def tick(self, now: float) -> None:
        """Ask those who have not answered, try those who could not be reached, give up."""
        probes: dict[NetID, list[BroadcastID]] = {}
        while self._timers and self._timers[0][0] <= now:
            _, _, duty, head = heappop(self._timers)
            if duty.closed:
                continue
            if head is not None:
                if head in duty.retrying:
                    self._hand_over(duty, [head], now)
            elif duty.deadline <= now:
                self.give_up(duty, now)
            else:
                self._tick_one(duty, probes, now)
        # The others end in the order they began: a timer for each would outlive most of them.
        for duty in list(islice(self._expiring, MAX_EXPIRED)):
            if duty.deadline > now:
                break
            self.give_up(duty, now)
        for netid, broadcasts in probes.items():
            self._context.counts["listeners_probed"] += len(broadcasts)
            for start in range(0, len(broadcasts), 500):
                self._links.send(netid, Probe(tuple(broadcasts[start : start + 500]), True))

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        return self._timers[0][0] if self._timers else float("inf")

    def __len__(self) -> int:
        return len(self._duties)

    # Details

    def _tick_one(self, duty: Duty, probes: dict[NetID, list[BroadcastID]], now: float) -> None:
        if duty.report_at <= now:
            self._report(duty, now)
        if duty.probe_at <= now and duty.listeners:
            if not any(not transfer.finished for transfer in duty.transfers):
                for netid in duty.listeners:
                    probes.setdefault(netid, []).append(duty.gossip.id)
                duty.probe_after_s = min(LONGEST_PROBE_PAUSE_S, duty.probe_after_s * 2)
            duty.probe_at = now + duty.probe_after_s
            self._set(duty.probe_at, duty)

    def give_up(self, duty: Duty, now: float) -> None:
        """Answer for it no longer, if we still do."""
        if duty.closed:
            return
        self._context.counts["duties_given_up"] += 1
        self._close(duty, now)

    def _learnt(self, duty: Duty, edges: Sequence[Edge], now: float) -> None:
        if duty.tally is not None:
            for edge in edges:
                duty.tally.add(edge)
            if duty.tally.complete:
                self._receipts.settle(duty.tally)
            return
        duty.edges += edges
        if duty.report_at > now + REPORT_DELAY_S:
            duty.report_at = now + REPORT_DELAY_S
            self._set(duty.report_at, duty)

    def _report(self, duty: Duty, now: float) -> None:
        duty.report_at = float("inf")
        if duty.parent is None or not duty.edges:
            return
        session, index = duty.parent
        for groups in group_edges(duty.edges):
            session.exchange.report(Report(index, groups), at=now)
        self._links.answer_soon(session)
        duty.edges = []

    def _close(self, duty: Duty, now: float) -> None:
        self._report(duty, now)
        duty.closed = True
        self._duties.pop(duty, None)
        self._expiring.pop(duty, None)
        self._bytes -= duty.bytes
        listened = self._listened.get(duty.gossip.id)
        if listened is not None:
            listened.pop(duty, None)
            if not listened:
                del self._listened[duty.gossip.id]
        if duty.parent is not None:
            session, index = duty.parent
            # The last word of a confirmed one goes at once: the origin waits for it.
            wait_s = 0.0 if duty.confirmed else ACK_DELAY_S
            session.exchange.done(index, at=now + wait_s)
            self._links.answer_soon(session)
        if duty.tally is not None:
            self._receipts.settle(duty.tally)

    def _may_answer(self, netid: NetID) -> bool:
        peer = self._context.peers.get(netid)
        return peer is None or peer.live

    def _set(self, at: float, duty: Duty, head: NetID | None = None) -> None:
        self._context.wake(at)
        heappush(self._timers, (at, next(self._order), duty, head))
        if len(self._timers) > self._sweep_at:
            self._timers = [one for one in self._timers if not one[2].closed]
            heapify(self._timers)
            self._sweep_at = 2 * len(self._timers) + _SLACK


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
