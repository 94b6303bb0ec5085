"""What a node seals with: its life, the one counter of that life, and a sealer for each channel."""

from __future__ import annotations

from collections import OrderedDict

from chatter.ids import NetID, epoch_of
from chatter.wire.seal import Channel, KeyRing, Nonce, Sealer, multicast_context, udp_context

# A sealer costs one HMAC to make; those of the peers spoken to lately are kept.
_KEPT_UDP_SEALERS = 256


class Identity:
    """One life of a node. A new life is a new Identity; nothing of the old one is used again.

    All datagrams and hellos of a life share one counter, so the counter that a hello names holds
    for every channel.
    """

    def __init__(self, ring: KeyRing, life: bytes) -> None:
        self.ring = ring
        self.life = life
        self.epoch = epoch_of(life)
        """The epoch of this life."""
        self.nonce = Nonce()
        self.hello_sealer = Sealer(ring, Channel.TCP_HELLO, life, life, self.nonce)
        self._multicast: dict[NetID, Sealer] = {}
        self._udp: OrderedDict[bytes, Sealer] = OrderedDict()

    def multicast_sealer(self, group: NetID) -> Sealer:
        """Seals what is sent to this group."""
        sealer = self._multicast.get(group)
        if sealer is None:
            context = multicast_context(self.life, group)
            sealer = Sealer(self.ring, Channel.MULTICAST, context, self.life, self.nonce)
            self._multicast[group] = sealer
        return sealer

    def udp_sealer(self, receiver: bytes) -> Sealer:
        """Seals unicast datagrams that only this life of a receiver can open."""
        sealer = self._udp.get(receiver)
        if sealer is None:
            context = udp_context(self.life, receiver)
            sealer = Sealer(self.ring, Channel.UDP, context, self.life, self.nonce)
            self._udp[receiver] = sealer
            if len(self._udp) > _KEPT_UDP_SEALERS:
                self._udp.popitem(last=False)
        else:
            self._udp.move_to_end(receiver)
        return sealer
