"""Lone broadcasts of ours: straight into a datagram, where one multicast reaches everybody.

As in ``lone.py``, what counts is how much code a message passes before the system has it. When
nothing waits anywhere and the last broadcast went out by one multicast alone, the next one like it
is sealed at once; it is kept, counted and watched over after it was sent.
"""

from __future__ import annotations

from typing import NamedTuple

from chatter.core.channels import MulticastChannel, MulticastChannels
from chatter.core.context import Context
from chatter.core.forwarder import Forwarder
from chatter.core.gathering import MAX_GATHERED_BYTES
from chatter.core.outbox import RECORD_HEAD_BYTES
from chatter.core.publishing import Publishing
from chatter.core.watched import Watched
from chatter.errors import LifeExhausted
from chatter.ids import BroadcastID, NetID
from chatter.wire.alike import Alike
from chatter.wire.frame import Sender, decode_body, encode_body
from chatter.wire.gossip import NO_NETIDS, Gossip

# After the last broadcast for so long, what comes is taken for one of several that are gathered:
# who broadcasts in a loop gets round more often than that.
LONE_AFTER_S = 0.002

_make = tuple.__new__


class Straight(NamedTuple):
    """A broadcast that is sealed, and has to be sent."""

    id: BroadcastID
    recipients: tuple[NetID, ...]
    channel: int
    frame: bytes


class _Lane:
    """How the last one went out, and the next goes as long as the version is the same."""

    __slots__ = (
        "alike", "bound", "channel", "codec", "compress", "most", "recipients", "tag", "until",
        "version",
    )  # fmt: skip

    def __init__(
        self,
        gossip: Gossip,
        alike: Alike,
        channel: MulticastChannel,
        recipients: tuple[NetID, ...],
        version: int,
        until: float,
    ) -> None:
        self.tag = gossip.tag
        self.codec = gossip.codec
        self.compress = gossip.compress
        self.alike = alike
        self.channel = channel
        self.recipients = recipients
        self.bound = gossip.size_bound() - len(gossip.payload) + len(NO_NETIDS) + RECORD_HEAD_BYTES
        """What a queue would count for one, besides its body."""
        self.most = min(MAX_GATHERED_BYTES, channel.budget - self.bound)
        self.version = version
        self.until = until


class Straightway:
    """Sends lone broadcasts."""

    def __init__(
        self,
        context: Context,
        channels: MulticastChannels,
        forwarder: Forwarder,
        publishing: Publishing,
        watched: Watched,
    ) -> None:
        self._context = context
        self._peers = context.peers
        self._channels = channels
        self._forwarder = forwarder
        self._publishing = publishing
        self._watched = watched
        self._lane: _Lane | None = None
        self._last_at = float("-inf")
        self.clogged: set[int] = set()
        """Channels of whose frames some wait for the system; the shell says so."""
        self.noted: tuple[Gossip, _Lane, int, float] | None = None
        """The one that was sent, and is not settled yet."""

    def send(
        self, tag: str, codec: str, body: bytes, compress: bool, now: float
    ) -> Straight | None:
        """A lone broadcast to everyone, if it can go like the one before. None: nothing changed.

        Whoever gets it sends the frame, and calls ``settle`` or whatever else of the node.
        """
        lane, last_at = self._lane, self._last_at
        self._last_at = now
        if (
            lane is None
            or now - last_at < LONE_AFTER_S
            or lane.version != self._peers.version
            or lane.tag != tag
            or lane.codec != codec
            or lane.compress is not compress
            or len(body) > lane.most
            or now >= lane.until
            or self.noted is not None
            or self._publishing.gathering is not None
            or self._watched.active
            or self._forwarder.floods
            or lane.channel.index in self.clogged
        ):
            return None
        channel = lane.channel
        flow = channel.flow
        charge = lane.bound + len(body)
        if channel.outbox or not flow.allows(charge):
            return None
        publishing, context = self._publishing, self._context
        number = context.number + 1
        position = flow.position_after(charge)
        sealer = context.identity.multicast_sealer(channel.group)
        payload = NO_NETIDS + body
        try:
            frame = sealer.seal(lane.alike.write(position, publishing.seqno + 1, number, payload))
        except LifeExhausted:
            return None
        flow.advance(charge)
        publishing.seqno += 1
        context.number = number
        broadcast = _make(BroadcastID, (context.local, context.identity.epoch, publishing.seqno))
        gossip = _make(
            Gossip,
            (broadcast, tag, codec, payload, number, 0, (), 0, compress, 0, 0, 0, False),
        )
        self.noted = gossip, lane, len(frame), now
        return _make(Straight, (broadcast, lane.recipients, channel.index, frame))

    def settle(self) -> None:
        """Do for the one that was sent what is still to be done."""
        if self.noted is None:
            return
        (gossip, lane, size, at), self.noted = self.noted, None
        counts = self._context.counts
        counts["broadcasts"] += 1
        counts["gossip_multicast"] += 1
        counts["frames_sent"] += 1
        counts["bytes_sent"] += size
        self._publishing.keep(gossip, at)
        self._forwarder.sent_straight(gossip, lane.channel.index, lane.recipients, at)

    def went(self, gossip: Gossip, recipients: tuple[NetID, ...], now: float) -> None:
        """A broadcast of ours went out as any other: the next goes straight, if that may be."""
        lane = self._lane
        if (
            lane is not None
            and lane.version == self._peers.version
            and now < lane.until
            and (lane.tag, lane.codec, lane.compress) == (gossip.tag, gossip.codec, gossip.compress)
        ):
            return
        found = self._forwarder.only_multicast(recipients, now)
        if found is None:
            return
        channel, until = found
        out = self._channels[channel]
        served = gossip.served(1, ())
        sender = Sender(self._context.local, channel, 0)
        start = decode_body(encode_body([served], sender)).start
        assert start is not None
        self._lane = _Lane(
            served,
            Alike(start, served),
            out,
            recipients,
            self._peers.version,
            until,
        )
