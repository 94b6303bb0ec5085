"""Sends a gossip on: plans the way to its targets, and queues what the plan says.

What cannot take its part, because nobody answers there, it falls silent or its queue is full, is
planned around: those it should have served get other heads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chatter.core.bulk import LISTED_NETID_BYTES, Bulk
from chatter.core.channels import MulticastChannels
from chatter.core.context import Context
from chatter.core.duties import Duties, Duty
from chatter.core.effects import MulticastReady
from chatter.core.handover import Handover
from chatter.core.large import Bodies
from chatter.core.links import IDLE_AFTER_S, Links
from chatter.core.membership import Membership
from chatter.core.notices import Notices
from chatter.core.peers import MAX_PEERS
from chatter.core.planner import Branch, Knowledge, Plan, plan, split_branch
from chatter.core.probes import Probes
from chatter.core.receipts import Receipts
from chatter.core.transfer import Transfer
from chatter.ids import NetID
from chatter.wire.burst import Broadcasts, Burst
from chatter.wire.frame import MAX_ROUTING_BYTES
from chatter.wire.gossip import MAX_HOPS, Gossip
from chatter.wire.idtable import encode_indices, encode_table

# A node that could not be reached heads no branch for so long; one that fell silent, for longer,
# unless it is heard on a connection before.
DOUBTFUL_S = 5.0
SILENT_DOUBTFUL_S = 30.0

# A connection that ends with a gossip under way is tried so often again for the same.
MAX_TRIES = 3

# A plan serves what follows for so long, unless something about a peer changes. Broadcasts of one
# burst then take the same ways, and do not overtake each other: what comes out of order looks lost
# for a moment. It is short, so that the work of heads goes round.
PLAN_FOR_S = 0.25

# Plans kept at a time: a relay in a busy cluster is given that many different lists.
MAX_PLANS = 64

# What a send costs depends on the size, so payloads of one size class have one plan. Classes are
# wide, so that a burst has few: in bits, by which the smallest and the largest of one differ.
_CLASS_BITS = 3

# For so long the same nodes are heads, once ways are measured, and then others: as long as a
# connection stays up that is not used. One that has to be opened first costs two round trips, and
# in a tree these add up.
RANKED_FOR_S = IDLE_AFTER_S

_PlanKey = tuple[bool, bool, bool, int, tuple[int, ...], tuple[NetID, ...]]

# Each relay has so much of the time that is left, so that it answers before it is given up.
_TIME_SHARE = 0.8

# Of a datagram, so much may go to the list of those who shall take it: the payload has to fit too.
_LIST_SHARE = 4


class Forwarder:
    """Knows the ways out of a node, and answers for those it chose."""

    def __init__(
        self,
        context: Context,
        channels: MulticastChannels,
        links: Links,
        membership: Membership,
        probes: Probes,
        receipts: Receipts,
        notices: Notices,
        bodies: Bodies,
    ) -> None:
        self._context = context
        self._channels = channels
        self._links = links
        self._membership = membership
        self._probes = probes
        self._notices = notices
        self._bodies = bodies
        self._plans: dict[_PlanKey, tuple[int, float, Plan]] = {}
        self._planned: Plan | None = None
        self._ranks: dict[NetID, float] = {}
        self._ranked_until = 0.0
        self._bulk = Bulk(channels, links.pending)
        self.duties = Duties(context, links, receipts, self._hand_over_again)

    def forward(
        self, gossip: Broadcasts, targets: Sequence[NetID], now: float, duty: Duty | None = None
    ) -> None:
        """Send a gossip, as it came to us, on to the targets.

        Args:
            duty: what it is a part of. None: one is opened if somebody has to be answered for.
        """
        if not targets:
            return
        if gossip.hop >= MAX_HOPS:
            self._context.counts["hops_exhausted"] += gossip.many
            return
        planned = self._planned = self._plan(gossip, targets, now)
        if duty is None and (
            gossip.confirm_ms
            or not gossip.to_everyone
            or any(branch.rest for branch in planned.branches)
        ):
            duty = self.duties.open(gossip, now)
        handed_on = self._handed_on(gossip, duty, now)
        most = max(1, (MAX_ROUTING_BYTES - handed_on.size_bound() - 2048) // LISTED_NETID_BYTES)
        for branch in planned.branches:
            for part in split_branch(branch, most):
                self._send_branch(handed_on, part, now, duty)
        # Branches first: those behind them wait the longest, and a multicast wakes a whole segment,
        # which on a busy host competes with the very process that still has heads to serve.
        for channel, members in planned.multicasts:
            self._multicast(handed_on, channel, members, now, duty)

    @property
    def floods(self) -> bool:
        """Whether broadcasts of ours may have to go by connections, being many."""
        return self._bulk.keeps(self._context.local)

    def only_multicast(self, targets: tuple[NetID, ...], now: float) -> tuple[int, float] | None:
        """The one channel by which the last broadcast went to all of these, and until when the
        evidence holds that they hear it; None if it took more than that."""
        planned = self._planned
        if planned is None or planned.branches or len(planned.multicasts) != 1:
            return None
        channel, members = planned.multicasts[0]
        if len(members) != len(targets):
            return None
        peers = [self._context.peers.get(netid) for netid in members]
        oldest = min(now if peer is None else peer.hears.get(channel, now) for peer in peers)
        return channel, oldest + self._membership.evidence_timeout_s(now)

    def sent_straight(
        self, gossip: Gossip, channel: int, members: tuple[NetID, ...], now: float
    ) -> None:
        """A broadcast to everyone went out by this channel alone, past the plan and the queue."""
        self._context.timing.passed()
        self._sent(channel, gossip, members, now)

    def closed(self, sent: Iterable[Handover], unsent: Iterable[Handover], now: float) -> None:
        """A connection ended: what it carried may have arrived or not, so it is carried again."""
        for handover in sent:
            self._plan_around(handover, now)
            peer = self._context.peers.get(handover.head)
            again = handover.tries < MAX_TRIES and (peer is None or peer.live)
            if not again or not self._hand_over(
                handover.head, handover.gossip, now, handover.duty, handover
            ):
                self._lost(handover, now)
        self.unreachable(unsent, now)

    def unreachable(self, handovers: Iterable[Handover], now: float) -> None:
        """Nobody answers at these addresses: whom they should have served is planned again."""
        for handover in handovers:
            self.doubt(handover.head, now + DOUBTFUL_S)
            self._plan_around(handover, now)
            self._lost(handover, now)

    def silent(self, now: float) -> None:
        """Plan around the heads that owe a sign of life for too long."""
        for netid, handovers in self._links.silent(now):
            self._context.counts["heads_silent"] += 1
            self.doubt(netid, now + SILENT_DOUBTFUL_S)
            for handover in handovers:
                self._plan_around(handover, now)

    def doubt(self, netid: NetID, until: float) -> None:
        """Let this node head nothing for a while."""
        peer = self._context.peers.get(netid)
        if peer is not None:
            peer.doubtful_until = max(peer.doubtful_until, until)
            self._context.peers.version += 1

    # The plan

    def _plan(self, gossip: Broadcasts, targets: Sequence[NetID], now: float) -> Plan:
        channels = self._bulk.usable(gossip, now)
        timing = self._context.timing
        timing.passed()
        # What goes in bulk keeps to one tree, whatever is measured and is connected meanwhile: in
        # another the next would overtake it, and look as if it were lost.
        bulk = isinstance(gossip, Burst) or self._bulk.carries(gossip, now)
        size_class = 0
        if timing.knows_sends and not bulk:
            size = gossip.size if gossip.large else len(gossip.payload)
            size_class = 1 + size.bit_length() // _CLASS_BITS
        key = (not gossip.hop, gossip.large, bulk, size_class, tuple(channels), tuple(targets))
        version = self._context.peers.version
        kept = self._plans.get(key)
        if kept is not None and kept[0] == version and now < kept[1]:
            return kept[2]
        if len(self._plans) >= MAX_PLANS:
            self._plans.clear()
        send_s = timing.send_s(1 << size_class * _CLASS_BITS >> 2) if size_class else None
        if now >= self._ranked_until or len(self._ranks) > MAX_PEERS:
            self._ranks.clear()
            self._ranked_until = now + RANKED_FOR_S
        planned = plan(
            targets,
            self._knowledge(now, ours=not gossip.hop)._replace(
                send_s=send_s,
                most_branches=0 if send_s is None else timing.most_branches(send_s, now),
                rank=self._rank if bulk or size_class else None,
                warm=_never if bulk else self._links.warm,
            ),
            self._context.rng,
            channels=channels,
            whole=self._channels.whole_segment(channels),
            alone=not gossip.large,
        )
        self._plans[key] = (version, now + PLAN_FOR_S, planned)
        return planned

    def _rank(self, netid: NetID) -> float:
        rank = self._ranks.get(netid)
        if rank is None:
            rank = self._ranks[netid] = self._context.rng.random()
        return rank

    def _handed_on(self, gossip: Broadcasts, duty: Duty | None, now: float) -> Broadcasts:
        if isinstance(gossip, Burst) or not gossip.confirm_ms or duty is None:
            return gossip.served(gossip.hop + 1, ())
        share = _TIME_SHARE if gossip.hop else 1.0
        left_ms = max(1, int((duty.deadline - now) * 1000 * share))
        return gossip._replace(hop=gossip.hop + 1, distribution=(), confirm_ms=left_ms)

    # Multicasts

    def _multicast(
        self,
        gossip: Broadcasts,
        channel: int,
        members: tuple[NetID, ...],
        now: float,
        duty: Duty | None,
    ) -> None:
        out = self._channels[channel]
        lists = [()] if gossip.to_everyone else self._lists(gossip, out.budget, members)
        transfer = None
        for listed in lists:
            one = gossip._replace(distribution=listed) if listed else gossip
            if isinstance(one, Gossip) and one.large:
                transfer = self._transfer(one, channel)
            else:
                # What another node put into one of its datagrams may be more than ours hold.
                for part in one.parts(out.budget):
                    queued = out.put_gossip(part)
                    name = "gossip_multicast" if queued else "outbox_full"
                    self._context.counts[name] += part.many
            if duty is not None and duty.insists:
                self.duties.listen(duty, listed or members, transfer, now)
        self._sent(channel, gossip, members, now)

    def _sent(
        self, channel: int, gossip: Broadcasts, members: tuple[NetID, ...], now: float
    ) -> None:
        self._notices.sent(channel, gossip, now)
        # Not behind a queue: the question would come first, and be a false alarm.
        out = self._channels[channel]
        if not gossip.large and out.outbox.bytes <= out.budget:
            self._probes.ask(channel, gossip.id, members, now)

    def _lists(
        self, gossip: Broadcasts, budget: int, members: tuple[NetID, ...]
    ) -> list[tuple[NetID, ...]]:
        """The members in as many lists as are needed for each to fit beside the payload."""
        room = min(budget - gossip.size_bound(), budget // _LIST_SHARE)
        most = max(1, room // LISTED_NETID_BYTES)
        if len(members) > most:
            # Neighbours cost a byte or two each, a tenth of what any may: mostly all fit at once.
            table, index = encode_table((self._context.local, gossip.id.origin, *members))
            runs = encode_indices([index[netid] for netid in members])
            if len(table) + len(runs) <= room:
                return [members]
        return [members[start : start + most] for start in range(0, len(members), most)]

    def _transfer(self, header: Gossip, channel: int) -> Transfer | None:
        transfer = self._bodies.transfer(header)
        if transfer is not None:
            self._channels[channel].add_transfer(transfer)
            arriving = self._bodies.arriving.get(header.id)
            if arriving is not None:
                arriving.ways[MulticastReady(channel)] = None
        self._context.counts["gossip_multicast"] += 1
        return transfer

    # Branches

    def _send_branch(
        self, gossip: Broadcasts, branch: Branch, now: float, duty: Duty | None
    ) -> None:
        handed = gossip._replace(distribution=branch.rest) if branch.rest else gossip
        if self._hand_over(branch.head, handed, now, duty):
            return
        # The head is slow, or there are too many links: its branch must not wait for it.
        self._context.counts["outbox_full"] += gossip.many
        self.doubt(branch.head, now + DOUBTFUL_S)
        self.forward(gossip._replace(hop=gossip.hop - 1), branch.rest, now, duty)
        if duty is not None:
            self.duties.retry(duty, branch.head, now)

    def _hand_over(
        self,
        head: NetID,
        gossip: Broadcasts,
        now: float,
        duty: Duty | None,
        former: Handover | None = None,
    ) -> bool:
        transfer = None
        if isinstance(gossip, Gossip) and gossip.large and not gossip.pull:
            transfer = self._bodies.transfer(gossip)
            arriving = self._bodies.arriving.get(gossip.id)
            if arriving is not None:
                arriving.heads[head] = None
        handover = Handover(head, gossip, duty, now, transfer)
        if former is not None:
            handover.tries = former.tries + 1
            handover.accepted = former.accepted
        if not self._links.hand_over(handover, now):
            return False
        self._context.counts["gossip_sent"] += gossip.many
        if duty is not None:
            duty.heads[handover] = None
            if former is not None:
                duty.heads.pop(former, None)
        return True

    def answer(self, netid: NetID, gossip: Broadcasts, now: float) -> bool:
        """Send broadcasts that we have to a node that lacks them; False if there is no room."""
        gossip = gossip._replace(hop=min(MAX_HOPS, gossip.hop + 1), distribution=())
        if isinstance(gossip, Burst):  # nobody answers for one
            return self._hand_over(netid, gossip, now, None)
        duty = self.duties.unheard(netid, gossip.id)
        if gossip.large:
            # It says what it has of it, and gets the rest.
            gossip = gossip._replace(payload=b"", pull=True)
        left_ms = 0
        if duty is not None and duty.confirmed:
            left_ms = max(1, int((duty.deadline - now) * 1000))
        if self._hand_over(netid, gossip._replace(confirm_ms=left_ms), now, duty):
            return True
        if duty is not None:
            duty.listeners[netid] = None  # it is asked again, and says again that it lacks it
        return False

    def multicast_again(self, gossip: Broadcasts, askers: Sequence[NetID], now: float) -> bool:
        """Answer those who miss it by multicast; False if none of our channels reaches them all."""
        if gossip.large:
            return False
        hop = min(MAX_HOPS, gossip.hop + 1)  # one at its last hop is still repaired
        again = gossip._replace(hop=hop, distribution=())
        if isinstance(again, Gossip) and again.confirm_ms:
            again = again._replace(confirm_ms=0)
        peers = [self._context.peers.get(netid) for netid in askers]
        for index in self._bulk.usable_again(again, now):
            if all(peer is not None and index in peer.hears for peer in peers):
                channel = self._channels[index]
                return all([channel.put_gossip(part) for part in again.parts(channel.budget)])
        return False

    def _plan_around(self, handover: Handover, now: float) -> None:
        """Serve the branch of a head by others. The head keeps what it has been given."""
        rest = handover.gossip.distribution
        if not rest:
            return
        self._context.counts["branches_replanned"] += 1
        gossip = handover.gossip._replace(distribution=())
        handover.gossip = _pulled(gossip)
        self.forward(gossip._replace(hop=gossip.hop - 1), rest, now, handover.duty)

    def _lost(self, handover: Handover, now: float) -> None:
        """A head did not get its own copy: it is tried later, or left to repair by number."""
        duty = handover.duty
        if duty is None:
            self._context.counts["gossip_undeliverable"] += handover.gossip.many
            return
        duty.heads.pop(handover, None)
        self.duties.retry(duty, handover.head, now)
        self.duties.check(duty, now)

    def _hand_over_again(self, duty: Duty, heads: Sequence[NetID], now: float) -> None:
        gossip = _pulled(self._handed_on(duty.gossip, duty, now))
        for head in heads:
            if not self._hand_over(head, gossip, now, duty):
                self.duties.retry(duty, head, now)

    def _knowledge(self, now: float, *, ours: bool) -> Knowledge:
        peers = self._context.peers
        within_s = self._membership.evidence_timeout_s(now)

        def hears(netid: NetID) -> Sequence[int]:
            peer = peers.get(netid)
            if peer is None or not peer.live:
                return ()
            fresh = [one for one, told_at in peer.hears.items() if now - told_at <= within_s]
            return sorted(fresh) if len(fresh) > 1 else fresh

        def segment(netid: NetID) -> NetID | None:
            peer = peers.get(netid)
            return None if peer is None else peer.segment

        def doubtful(netid: NetID) -> bool:
            if netid.is_loopback and not self._context.local.is_loopback:
                return True  # on this host; a head elsewhere would look for it on its own
            peer = peers.get(netid)
            if peer is None:
                # Of an address that our own caller named perhaps nothing is there, and nobody shall
                # wait for that. One that we are asked to serve may be known to who asked.
                return ours
            return not peer.live or peer.doubtful_until > now

        return Knowledge(
            hears,
            segment,
            self._links.warm,
            doubtful,
            self._membership.segments,
            self._context.timing.one_way_s,
        )


def _never(netid: NetID) -> bool:
    return False


def _pulled(gossip: Broadcasts) -> Broadcasts:
    """The same, with chunks only where they are asked for: who gets it may have some."""
    if isinstance(gossip, Gossip) and gossip.large:
        return gossip._replace(pull=True)
    return gossip
