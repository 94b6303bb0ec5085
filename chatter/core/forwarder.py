"""Sends a gossip on: plans the way to its targets, and queues what the plan says.

What cannot take its part, because nobody answers there or its queue is full, is planned around.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatter.core.channels import MulticastChannels
from chatter.core.context import Context
from chatter.core.links import Links
from chatter.core.membership import Membership
from chatter.core.planner import Branch, Knowledge, plan, split_branch
from chatter.core.probes import Probes
from chatter.ids import NetID
from chatter.wire.frame import MAX_ROUTING_BYTES
from chatter.wire.gossip import MAX_HOPS, Gossip
from chatter.wire.records import Record

# A node that could not be reached heads no branch for so long.
DOUBTFUL_S = 5.0

# Of a datagram, so much may go to the list of those who shall take it: the payload has to fit too.
_LIST_SHARE = 4

# A NetID in a distribution list and its entry in the table, at worst.
_LISTED_NETID_BYTES = 28


class Forwarder:
    """Knows the ways out of a node."""

    def __init__(
        self,
        context: Context,
        channels: MulticastChannels,
        links: Links,
        membership: Membership,
        probes: Probes,
    ) -> None:
        self._context = context
        self._channels = channels
        self._links = links
        self._membership = membership
        self._probes = probes

    def forward(self, gossip: Gossip, targets: Sequence[NetID], now: float) -> None:
        """Send a gossip, as it came to us, on to the targets."""
        if not targets:
            return
        if gossip.hop >= MAX_HOPS:
            self._context.counts["hops_exhausted"] += 1
            return
        handed_on = gossip._replace(hop=gossip.hop + 1, distribution=())
        listed = 0 if handed_on.to_everyone else _LISTED_NETID_BYTES
        channels = self._channels.fitting(handed_on.size_bound() + listed)
        planned = plan(
            targets,
            self._knowledge(now),
            self._context.rng,
            channels=channels,
            whole=self._channels.whole_segment(channels),
        )
        most = max(1, (MAX_ROUTING_BYTES - handed_on.size_bound() - 64) // _LISTED_NETID_BYTES)
        for branch in planned.branches:
            for part in split_branch(branch, most):
                self._send_branch(handed_on, part, now)
        # Branches first: those behind them wait the longest, and a multicast wakes a whole segment,
        # which on a busy host competes with the very process that still has heads to serve.
        for channel, members in planned.multicasts:
            self._multicast(handed_on, channel, members, now)

    def _multicast(
        self, gossip: Gossip, channel: int, members: tuple[NetID, ...], now: float
    ) -> None:
        out = self._channels[channel]
        if gossip.to_everyone:
            parts: list[tuple[NetID, ...]] = [()]
        else:
            room = out.budget - gossip.size_bound()
            most = max(1, min(room, out.budget // _LIST_SHARE) // _LISTED_NETID_BYTES)
            parts = [members[start : start + most] for start in range(0, len(members), most)]
        for part in parts:
            if out.put(gossip._replace(distribution=part)):
                self._context.counts["gossip_multicast"] += 1
            else:
                self._context.counts["outbox_full"] += 1
        self._probes.ask(channel, gossip.id, members, now)

    def _send_branch(self, gossip: Gossip, branch: Branch, now: float) -> None:
        if self._links.send(branch.head, gossip._replace(distribution=branch.rest)):
            self._context.counts["gossip_sent"] += 1
            return
        # The head is slow, or there are too many links: its branch must not wait for it.
        self._context.counts["outbox_full"] += 1
        self._doubt(branch.head, now)
        self.forward(gossip._replace(hop=gossip.hop - 1), branch.rest, now)

    def find_another_way(self, netid: NetID, records: Sequence[Record], now: float) -> None:
        """A head cannot be reached: whom it should have served is planned again without it."""
        self._doubt(netid, now)
        for record in records:
            if isinstance(record, Gossip):
                self._context.counts["gossip_undeliverable"] += 1
                self.forward(record._replace(hop=record.hop - 1), record.distribution, now)

    def _doubt(self, netid: NetID, now: float) -> None:
        peer = self._context.peers.get(netid)
        if peer is not None:
            peer.doubtful_until = now + DOUBTFUL_S

    def _knowledge(self, now: float) -> Knowledge:
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
            return peer is not None and (not peer.live or peer.doubtful_until > now)

        return Knowledge(hears, segment, self._links.warm, doubtful, self._membership.segments)
