"""Watches the cluster for somebody who looks: asks each node for its figures, about once a second.

Only while somebody looks. The answers become effects, as do our own figures, so that who looks
sees all nodes alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil, log2

from chatter.core.context import Context
from chatter.core.effects import BroadcastPassed, BroadcastSettled, NodeFigures, Outcome
from chatter.core.peers import Peer
from chatter.core.receipts import edges_of
from chatter.core.watched import Watched
from chatter.ids import NetID
from chatter.wire.records import MAX_THIN, NO_TRACES, Figures, Record, Result, Traces, Watch

# So long after the last word of interest: who looks says so at least once a second.
INTEREST_S = 5.0

# Each node is asked once a second, in larger clusters so seldom that this many answer in a second.
ASK_INTERVAL_S = 1.0
ASKED_PER_S = 150

# The questions are spread over the second, lest all answers come at once.
STEP_S = 0.1

# Broadcasts a second that are traced, of however many: more than an eye can follow. In larger
# clusters fewer, so that at most so many traces a second come in.
TRACED_PER_S = 4.0
TRACES_PER_S = 400.0

# The shortest round trip tells best how two clocks stand to each other, as what delays an answer
# delays it on one way. It counts for so long, as clocks drift: a millisecond in a minute, at worst.
CLOCK_FOR_S = 60.0

# How much the newest second counts for the rate of broadcasts.
_RATE_SHARE = 0.5


class _Asked:
    """What we have of one life of one node."""

    __slots__ = (
        "asked_at",
        "broadcasts",
        "clock_at",
        "clock_rtt_s",
        "epoch",
        "known",
        "parts",
        "question",
        "started_at",
    )

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.known = 0
        """The version of its figures that we have whole."""
        self.question = 0
        self.asked_at = float("-inf")
        self.started_at: float | None = None
        """When it was started, by our clock: what it tells of times is reckoned from there."""
        self.clock_rtt_s = float("inf")
        """The round trip that this was found out by."""
        self.clock_at = float("-inf")
        """When it was."""
        self.parts: set[int] = set()
        """The parts that came of the answer to the last question."""
        self.broadcasts = 0

    def set_clock(self, uptime_s: float, rtt_s: float, now: float) -> None:
        """It told its clock, and the answer took so long."""
        if rtt_s <= self.clock_rtt_s or now - self.clock_at > CLOCK_FOR_S:
            self.started_at = now - rtt_s / 2 - uptime_s
            self.clock_rtt_s, self.clock_at = rtt_s, now


class Watcher:
    """Asks the others, and tells who looks.

    Args:
        tell: sends a peer one datagram's worth of records.
    """

    def __init__(
        self,
        context: Context,
        watched: Watched,
        tell: Callable[[Peer, list[Record]], None],
    ) -> None:
        self._context = context
        self._watched = watched
        self._tell = tell
        self._until = float("-inf")
        self._wakeup = float("inf")
        self._asked: dict[NetID, _Asked] = {}
        self._turn: list[NetID] = []
        self._turn_began_at = float("-inf")
        self._questions = 0
        self._own_known = 0
        self._sent = 0
        """Broadcasts of all nodes since the turn began."""
        self._own_sent = 0
        self._rate = 0.0
        self._thin = 0

    @property
    def active(self) -> bool:
        """Whether somebody looks."""
        return self._wakeup != float("inf")

    def watch(self, now: float) -> None:
        """Somebody looks: ask the others, now and for the next seconds."""
        self._until = now + INTEREST_S
        if not self.active:
            self._wakeup = now
            self._context.wake(now)
            self._turn_began_at = float("-inf")

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        return self._wakeup

    def ask(self, netids: Iterable[NetID], now: float) -> None:
        """Have these peers tell all their figures, once. Of traces no more than anyway."""
        self._forget_gone()
        for netid in netids:
            peer = self._context.peers.get(netid)
            if peer is not None and peer.live:
                asked = self._asked.get(netid)
                if asked is not None:
                    asked.known = 0
                self._ask(peer, self._thin if self.active else NO_TRACES, now)

    def tick(self, now: float) -> None:
        """Ask those whose turn it is."""
        if now < self._wakeup:
            return
        if now >= self._until:
            self._wakeup = float("inf")
            self._asked.clear()
            self._turn.clear()
            self._own_known = 0
            return
        self._wakeup = now + STEP_S
        interval_s = max(ASK_INTERVAL_S, len(self._context.peers.live()) / ASKED_PER_S)
        if not self._turn and now - self._turn_began_at >= interval_s - STEP_S / 2:
            self._begin_turn(now)
        share = ceil(len(self._context.peers) * STEP_S / interval_s) + 1
        for _ in range(min(share, len(self._turn))):
            peer = self._context.peers.get(self._turn.pop())
            if peer is not None and peer.live:
                self._ask(peer, self._thin, now)

    # Answers

    def figures(self, peer: Peer, figures: Figures, now: float) -> None:
        """A node answered with what changed."""
        asked = self._of(peer)
        if asked is None or figures.question != asked.question:
            return  # the answer to an earlier question; the next one has it all again
        rtt_s = now - asked.asked_at if not asked.parts else None
        if rtt_s is not None:
            asked.set_clock(figures.uptime_us / 1e6, rtt_s, now)
            self._context.timing.answered(peer.netid, rtt_s, now)
        asked.parts.add(figures.part)
        if len(asked.parts) == figures.parts:
            asked.known = figures.version
        counters = dict(figures.counters)
        if "broadcasts" in counters:
            # In its first answer a node tells of all it ever sent, which says nothing of a rate.
            self._sent += max(
                0, counters["broadcasts"] - (asked.broadcasts or counters["broadcasts"])
            )
            asked.broadcasts = counters["broadcasts"]
        self._context.effects.append(
            NodeFigures(
                peer.netid,
                peer.epoch,
                rtt_s,
                figures.uptime_us // 1_000_000,
                figures.package,
                counters,
                dict(figures.tags),
                len(asked.parts) == figures.parts,
            )
        )

    def traces(self, peer: Peer, traces: Traces, now: float) -> None:
        """A node tells where broadcasts came by."""
        asked = self._of(peer)
        if asked is None or asked.started_at is None:
            return  # its figures were lost; the next answer has all of it again
        for broadcast, hop, sender, multicast, at_us, tag, size, recipients in traces.entries:
            if not hop and broadcast.origin != peer.netid:
                continue  # only the origin knows when it sent it, and to how many
            at = asked.started_at + at_us / 1e6
            self._context.effects.append(
                BroadcastPassed(
                    broadcast, peer.netid, hop, sender, multicast, at, tag, size,
                    recipients if not hop else None,
                )
            )  # fmt: skip

    def result(self, peer: Peer, result: Result, now: float) -> None:
        """A node tells what became of a confirmed broadcast of its own."""
        asked = self._of(peer)
        if asked is None or asked.started_at is None or result.id.origin != peer.netid:
            return
        sent_at = asked.started_at + result.at_us / 1e6
        edges = tuple(edges_of(result.groups))
        outcome = Outcome(tuple(edge.recipient for edge in edges), result.missing, edges)
        self._context.effects.append(
            BroadcastSettled(
                result.id, sent_at, result.tag, result.size, result.recipients,
                outcome,
            )
        )  # fmt: skip

    # Details

    def _of(self, peer: Peer) -> _Asked | None:
        asked = self._asked.get(peer.netid)
        return asked if asked is not None and asked.epoch == peer.epoch else None

    def _begin_turn(self, now: float) -> None:
        took_s = now - self._turn_began_at
        self._turn_began_at = now
        rate = self._sent / took_s if took_s < float("inf") else 0.0
        self._rate += _RATE_SHARE * (rate - self._rate)
        self._sent = 0
        self._thin = thin_for(self._rate, 1 + len(self._context.peers.live()))
        self._turn = [peer.netid for peer in self._context.peers.live()]
        self._context.rng.shuffle(self._turn)
        self._forget_gone()
        self._tell_own(now)

    def _forget_gone(self) -> None:
        for netid in [one for one in self._asked if self._context.peers.get(one) is None]:
            del self._asked[netid]

    def _tell_own(self, now: float) -> None:
        """Our own figures, as those of others come."""
        self._watched.watch(self._thin, now)
        news = self._watched.news(self._own_known)
        first = self._own_known == 0
        self._own_known = news.version
        sent = self._context.counts["broadcasts"]
        self._sent += 0 if first else sent - self._own_sent
        self._own_sent = sent
        context = self._context
        local, epoch = context.local, context.identity.epoch
        context.effects.append(
            NodeFigures(
                local, epoch, 0.0, self._watched.uptime_s(now), context.package,
                dict(news.counters), dict(news.tags),
            )
        )  # fmt: skip
        for one in news.passed:
            context.effects.append(
                BroadcastPassed(
                    one.id, local, one.hop, one.sender, one.multicast, one.at, one.tag, one.size,
                    one.recipients if not one.hop else None,
                )
            )  # fmt: skip
        for ended in news.ended:
            context.effects.append(
                BroadcastSettled(
                    ended.id, ended.at, ended.tag, ended.size, ended.recipients, ended.outcome
                )
            )

    def _ask(self, peer: Peer, thin: int, now: float) -> None:
        asked = self._asked.get(peer.netid)
        if asked is None or asked.epoch != peer.epoch:
            asked = self._asked[peer.netid] = _Asked(peer.epoch)
        self._questions += 1
        asked.question = self._questions
        asked.asked_at = now
        asked.parts.clear()
        self._tell(peer, [Watch(asked.question, asked.known, thin)])


def thin_for(rate: float, nodes: int) -> int:
    """How many zero bits a hash needs so that of ``rate`` broadcasts a second few are traced."""
    traced = min(TRACED_PER_S, TRACES_PER_S / nodes)
    if rate <= traced:
        return 0
    return min(MAX_THIN, ceil(log2(rate / traced)))
