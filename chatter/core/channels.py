"""Our multicast channels: each group on each interface, with a queue of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chatter.core.context import Context
from chatter.core.effects import MulticastReady
from chatter.core.flow import SendingFlow
from chatter.core.outbox import Outbox
from chatter.core.peers import Peer
from chatter.core.transfer import Transfer
from chatter.ids import NetID
from chatter.wire.burst import Broadcasts
from chatter.wire.frame import Sender, encode_body
from chatter.wire.records import Credit, Grant, Record
from chatter.wire.seal import OVERHEAD_BYTES

# What may wait for one group. The shell empties it as fast as the socket takes datagrams; a caller
# in a tight loop fills it and is then made to wait.
MAX_OUTBOX_BYTES = 1024 * 1024

# Flags, table counts and the sender itself, besides the records.
_FRAME_BYTES = 1 + 8 + 32 + 10


class ChannelSpec(NamedTuple):
    """A multicast group on one interface, as the shell opened it."""

    group: NetID
    loopback: bool
    """Whether it reaches this host only."""
    max_datagram_bytes: int


class MulticastChannel:
    """One of our channels."""

    def __init__(self, context: Context, index: int, spec: ChannelSpec) -> None:
        self._context = context
        self.index = index
        self.group = spec.group
        self.loopback = spec.loopback
        self.budget = spec.max_datagram_bytes - OVERHEAD_BYTES - _FRAME_BYTES
        """Bytes of records that one datagram takes."""
        self._ready = MulticastReady(index)
        self.outbox = Outbox(MAX_OUTBOX_BYTES, datagram_bytes=self.budget)
        self.flow = SendingFlow(context, index)

    def put(self, record: Record) -> bool:
        """Queue a control record; False if there is no room, and then nothing changed."""
        if not self.outbox.put(record):
            return False
        self._context.effects.append(MulticastReady(self.index))
        return True

    def put_gossip(self, gossip: Broadcasts) -> bool:
        """Queue a gossip; False if there is no room, and then nothing changed."""
        if not self.outbox.put_gossip(gossip):
            return False
        self._context.effects.append(self._ready)
        return True

    def add_transfer(self, transfer: Transfer) -> None:
        """Send a large payload, a chunk in each datagram."""
        self.outbox.add_transfer(transfer)
        self._context.effects.append(MulticastReady(self.index))

    def next_frame(self, now: float) -> bytes | None:
        """The next datagram, or None if nothing may go now."""
        outbox, flow = self.outbox, self.flow
        if not outbox:
            return None
        credit = flow.credit() if outbox.has_data else 0
        batch = outbox.take(self.budget, credit)
        if batch is not None and batch.charge:
            flow.advance(batch.charge)
        elif outbox.wants_credit(credit):
            flow.blocked(now)
        if batch is None:
            return None
        context = self._context
        sender = Sender(context.local, self.index, flow.position)
        body = encode_body(batch.records, sender)
        return context.identity.multicast_sealer(self.group).seal(body)

    def ask_for_credit(self, now: float) -> None:
        """Ask those who hold us up how far they let us go."""
        for peer in self.flow.tick(now):
            ask = Credit((Grant(self._context.local, self.index, self.flow.position),))
            self._context.udp.put(peer.netid, peer.life, [ask])


class MulticastChannels:
    """All of them; a channel's index is what peers name in their seen ids."""

    def __init__(self, context: Context, specs: Sequence[ChannelSpec]) -> None:
        self._context = context
        self._channels = [
            MulticastChannel(context, index, spec) for index, spec in enumerate(specs)
        ]

    def __iter__(self) -> Iterator[MulticastChannel]:
        return iter(self._channels)

    def __len__(self) -> int:
        return len(self._channels)

    def __getitem__(self, index: int) -> MulticastChannel:
        return self._channels[index]

    def fitting(self, record_bytes: int) -> list[int]:
        """The channels whose datagrams take a record of this size."""
        return [one.index for one in self._channels if record_bytes <= one.budget]

    def whole_segment(self, fitting: Sequence[int]) -> bool:
        """Whether these channels reach a whole segment: not if they leave out all but loopback."""
        reach = [one.index for one in self._channels if not one.loopback]
        return any(index in fitting for index in reach or range(len(self._channels)))

    def pending(self) -> bool:
        """Whether anything waits to be sent."""
        return any(one.outbox for one in self._channels)

    def granted(self, peer: Peer, credit: Credit) -> None:
        """A peer says how far it lets channels of ours go."""
        for sender, channel, limit in credit.entries:
            if (
                sender == self._context.local
                and channel < len(self._channels)
                and self._channels[channel].flow.granted(peer, limit)
            ):
                self._context.effects.append(MulticastReady(channel))

    def tick(self, now: float) -> None:
        """Ask for credit where it is waited for."""
        for channel in self._channels:
            channel.ask_for_credit(now)

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        return min((one.flow.next_wakeup() for one in self._channels), default=float("inf"))
