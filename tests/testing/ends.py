"""Endpoints of the fake network that only write down what comes."""

from __future__ import annotations

import random
from typing import Any

from chatter.ids import NetID
from chatter.testing.clock import Clock
from chatter.testing.network import Membership, Network
from chatter.testing.streams import Stream

GROUP = Membership(NetID("224.1.1.1", 29999))
LOOPBACK = Membership(NetID("224.1.1.1", 29999), loopback=True)


class End:
    """Somebody on the network."""

    def __init__(self, network: Network, netid: NetID, **place: Any) -> None:
        self.netid = netid
        self.network = network
        self.datagrams: list[tuple[float, bytes, int | None, bool]] = []
        self.pieces: list[bytes] = []
        self.streams: list[Stream] = []
        self.told: list[tuple[str, float]] = []
        self.mute = False
        network.attach(netid, self, **{"segment": "a", "memberships": [GROUP], **place})

    @property
    def texts(self) -> list[bytes]:
        """The datagrams that came."""
        return [data for _, data, _, _ in self.datagrams]

    @property
    def stream(self) -> Stream:
        """Its connection."""
        return self.streams[-1]

    @property
    def read(self) -> bytes:
        """All that came by its connections."""
        return b"".join(self.pieces)

    def connect(self, target: NetID, timeout_s: float = 3.0) -> None:
        """Open a connection, or write down that it failed."""
        self.network.streams.connect(
            self.netid,
            target,
            self,
            timeout_s,
            self.connected,
            lambda: self.told.append(("failed", self.network.clock.now)),
        )

    def connected(self, stream: Stream) -> None:
        self.streams.append(stream)
        self.told.append(("connected", self.network.clock.now))

    def received_datagram(self, data: bytes, channel: int | None, from_loopback: bool) -> None:
        self.datagrams.append((self.network.clock.now, data, channel, from_loopback))

    def accepted(self, stream: Stream, from_loopback: bool) -> None:
        self.streams.append(stream)
        self.told.append(("accepted", self.network.clock.now))

    def received(self, stream: Stream, data: bytes) -> None:
        self.pieces.append(data)

    def writable(self, stream: Stream) -> None:
        self.told.append(("writable", self.network.clock.now))

    def ended(self, stream: Stream) -> None:
        self.told.append(("ended", self.network.clock.now))


def make_network(seed: int = 0) -> Network:
    return Network(Clock(), random.Random(seed))


def address(number: int) -> NetID:
    return NetID(f"10.0.0.{number}", 29999)
