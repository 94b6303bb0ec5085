"""Parts of a node, made for tests of one of them: with a fixed life and a clock at will."""

from __future__ import annotations

import random
from collections.abc import Sequence

from chatter.config import Config
from chatter.core.channels import ChannelSpec, MulticastChannels
from chatter.core.contact import Contacts
from chatter.core.context import Context
from chatter.core.handover import Handover
from chatter.core.identity import Identity
from chatter.core.links import Links
from chatter.core.membership import Membership
from chatter.core.outbox import UdpQueue
from chatter.core.peers import Peer, PeerDB
from chatter.ids import BroadcastID, NetID, make_life
from chatter.keys import format_key
from chatter.wire.frame import Sender, encode_body
from chatter.wire.gossip import Gossip
from chatter.wire.records import Record
from chatter.wire.seal import Channel, KeyRing, Sealer, multicast_context, udp_context

KEY = bytes(range(32))
GROUP = NetID("224.1.1.1", 29999)


def netid(number: int) -> NetID:
    """10.0.x.y, neighbours for neighbouring numbers."""
    return NetID(f"10.0.{number // 256}.{number % 256}", 29999)


US = netid(1)


def life(number: int, epoch_ms: int = 1_700_000_000_000) -> bytes:
    """A life that differs for each number."""
    return make_life(epoch_ms, number.to_bytes(10, "big"))


def make_config(**fields: object) -> Config:
    """Settings with a fixed key."""
    return Config(
        **{"key": format_key(KEY), "address": str(US), "multicast": [str(GROUP)], **fields}  # type: ignore[arg-type]
    )


def make_context(local: NetID = US, seed: int = 0, **fields: object) -> Context:
    """What the parts of one node share."""
    rng = random.Random(seed)
    ring = KeyRing([KEY])
    return Context(
        make_config(**fields),
        local,
        Identity(ring, life(1)),
        PeerDB(local),
        rng,
        rng.randbytes,
        UdpQueue(),
        212_992,
    )


def make_links(context: Context) -> Links:
    """The links of a node that can take in whatever comes."""
    return Links(context, lambda: True)


def waiting_for(links: Links, to: NetID) -> list[Record]:
    """What waits for a peer that no connection is up to, taken out: control, then gossips."""
    link = links._links.get(to)
    if link is None:
        return []
    control, handovers = link.outbox.drain()
    links.failed(to)
    return [*control, *(handover.gossip for handover in handovers)]


def hand_over(links: Links, gossip: Gossip, to: NetID, now: float = 0.0) -> bool:
    """Queue a gossip for a peer, with nobody to answer for it."""
    return links.hand_over(Handover(to, gossip, None, now), now)


def make_membership(
    context: Context, channels: Sequence[ChannelSpec] = (ChannelSpec(GROUP, False, 1472),)
) -> tuple[Membership, Contacts, Links, MulticastChannels]:
    """The membership of a node, started at 0, and what it stands on."""
    contacts, links = Contacts(context), make_links(context)
    opened = MulticastChannels(context, channels)
    membership = Membership(context, contacts, links, opened)
    membership.start(0.0)
    return membership, contacts, links, opened


def make_peer(number: int, now: float = 0.0, **fields: object) -> Peer:
    """A live peer."""
    return Peer(netid(number), life(number), now, changed_at=now, **fields)  # type: ignore[arg-type]


def make_gossip(seqno: int = 1, payload: bytes = b"\0\0{}", **fields: object) -> Gossip:
    """A broadcast of node 2."""
    broadcast = BroadcastID(netid(2), 7, seqno)
    return Gossip(broadcast, "tag", "json", payload)._replace(**fields)  # type: ignore[arg-type]


class Remote:
    """Another member of the cluster, by its frames alone."""

    def __init__(self, number: int, ring: KeyRing | None = None, epoch_ms: int = 0) -> None:
        self.netid = netid(number)
        self.identity = Identity(
            ring or KeyRing([KEY]), life(number, epoch_ms or 1_700_000_000_000)
        )

    @property
    def life(self) -> bytes:
        """Its life."""
        return self.identity.life

    def multicast(self, *records: Record, as_netid: NetID | None = None) -> bytes:
        """A frame to the group."""
        return self._seal(Channel.MULTICAST, multicast_context(self.life, GROUP), records, as_netid)

    def unicast(self, to: bytes, *records: Record, as_netid: NetID | None = None) -> bytes:
        """A frame to one life."""
        return self._seal(Channel.UDP, udp_context(self.life, to), records, as_netid)

    def _seal(
        self, channel: Channel, context: bytes, records: Sequence[Record], name: NetID | None
    ) -> bytes:
        identity = self.identity
        sealer = Sealer(identity.ring, channel, context, identity.life, identity.nonce)
        return sealer.seal(encode_body(records, Sender(name or self.netid, 0)))
