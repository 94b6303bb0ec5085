"""The parts of a node that send broadcasts on, put together for tests of one of them."""

from __future__ import annotations

from collections.abc import Sequence

from chatter.core.channels import ChannelSpec
from chatter.core.context import Context
from chatter.core.effects import Settled
from chatter.core.forwarder import Forwarder
from chatter.core.handover import Handover
from chatter.core.large import Bodies, Large
from chatter.core.notices import Notices
from chatter.core.origins import Origins
from chatter.core.probes import Probes
from chatter.core.receipts import Receipts
from chatter.core.store import Store
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Broadcasts
from chatter.wire.gossip import Gossip
from chatter.wire.records import Record
from tests.core.parts import GROUP, make_context, make_membership, make_peer, netid

LAN, LOOPBACK = ChannelSpec(GROUP, False, 1472), ChannelSpec(GROUP, True, 61_440)


class ForwardingBench:
    """A forwarder among peers that hear us or not: the first ``hearing`` from 2 on do."""

    def __init__(
        self,
        hearing: int = 0,
        deaf: int = 0,
        specs: Sequence[ChannelSpec] = (LAN,),
        context: Context | None = None,
    ) -> None:
        self.context = context or make_context()
        self.membership, _, self.links, self.channels = make_membership(self.context, specs)
        self.origins, self.store = Origins(), Store()
        self.bodies = Bodies(self.context, self.store)
        self.large = Large(
            self.context, self.bodies, self.channels, self.links, self.origins, self.store
        )
        self.probes = Probes(
            self.context, self.links, self.origins, self.store, self.large.asked_about
        )
        self.receipts = Receipts(self.context)
        self.notices = Notices(self.context, self.channels, self.origins, lambda now: None)
        for number in range(2, 2 + hearing + deaf):
            hears = {0: 0.0} if number < 2 + hearing else {}
            limits = {0: 1 << 40} if hears else {}
            self.context.peers.add(make_peer(number, hears=hears, limits=limits))
        self.forwarder = Forwarder(
            self.context,
            self.channels,
            self.links,
            self.membership,
            self.probes,
            self.receipts,
            self.notices,
            self.bodies,
        )
        self.duties = self.forwarder.duties

    def targets(self) -> list[NetID]:
        """All peers."""
        return [peer.netid for peer in self.context.peers]

    def multicasts(self, channel: int = 0) -> list[Gossip]:
        """The gossips that wait for the group, taken out."""
        outbox = self.channels[channel].outbox
        found: list[Gossip] = []
        while (batch := outbox.take(1472, 1 << 40)) is not None:
            found += [record for record in batch.records if isinstance(record, Gossip)]
        return found

    def waiting(self) -> dict[NetID, list[Handover]]:
        """What waits for each peer, taken out as if nobody could be reached."""
        found = {}
        for to in [netid(number) for number in range(2, 3000)]:
            handovers = self.links.failed(to)
            if handovers:
                found[to] = handovers
        return found

    def branches(self) -> dict[NetID, list[Broadcasts]]:
        """The gossips that wait for each peer, taken out."""
        return {head: [one.gossip for one in some] for head, some in self.waiting().items()}

    def controls(self, to: NetID) -> list[Record]:
        """What else waits for a peer, taken out."""
        link = self.links._links.get(to)
        return [] if link is None else link.outbox.drain()[0]

    def settled(self) -> list[Settled]:
        """The receipts that came, taken out."""
        found = [one for one in self.context.effects if isinstance(one, Settled)]
        self.context.effects.clear()
        return found

    def own(self, seqno: int = 1) -> BroadcastID:
        """A broadcast of ours."""
        return BroadcastID(self.context.local, 7, seqno)


def reached(branches: dict[NetID, list[Broadcasts]]) -> list[NetID]:
    """Whom these branches serve, each as often as it is served."""
    listed = [one for some in branches.values() for gossip in some for one in gossip.distribution]
    return sorted([head for head, some in branches.items() for _ in some] + listed)
