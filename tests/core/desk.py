"""Whole nodes, fed by hand, and connections between them."""

from __future__ import annotations

import random
from typing import Any

from chatter.core.channels import ChannelSpec
from chatter.core.handlers import SerializerDB
from chatter.core.node import Node
from chatter.core.session import Session
from chatter.ids import BroadcastID, NetID
from chatter.wire.gossip import Gossip
from chatter.wire.records import Probe, Record
from tests.core.parts import GROUP, Remote, hand_over, make_config, netid, waiting_for

LAN = ChannelSpec(GROUP, False, 1472)


class Desk:
    """A node, fed by hand."""

    def __init__(
        self, number: int = 1, *, channels: tuple[ChannelSpec, ...] = (LAN,), **fields: object
    ) -> None:
        self.handlers = SerializerDB()
        rng = random.Random(number)
        self.node = Node(
            make_config(**fields),
            netid(number),
            self.handlers,
            unix_ms=1_700_000_000_000,
            random_bytes=rng.randbytes,
            rng=rng,
            channels=channels,
        )

    def effects(self, kind: type[Any]) -> list[Any]:
        """The effects of a kind, all taken out."""
        return [one for one in self.node.take_effects() if isinstance(one, kind)]

    def hears(self, frame: bytes, channel: int | None = 0, now: float = 0.0) -> None:
        self.node.receive_datagram(frame, channel, False, now)

    def meet(self, remote: Remote, now: float = 0.0) -> None:
        """Let a remote prove itself by datagrams."""
        self.node._contacts.prove(remote.netid, remote.life, 0)
        self.hears(remote.multicast(Probe(())), now=now)
        self.node.take_effects()


def connect(client: Desk, server: Desk, now: float = 0.0) -> tuple[Session, Session]:
    """A connection between two nodes, up on both sides."""
    near = client.node.open_session(server.node.local, now)
    far = server.node.open_session(None, now)
    exchange(client, near, server, far, now)
    assert near.proven
    assert far.proven
    return near, far


def exchange(one: Desk, near: Session, other: Desk, far: Session, now: float = 0.0) -> bool:
    """Carry bytes until nobody has any; whether both sides still want the connection."""
    wanted = True
    while wanted:
        there = one.node.session_bytes(near, now)
        back = other.node.session_bytes(far, now)
        if not there and not back:
            return True
        if there:
            wanted &= other.node.session_received(far, there, False, now)
        if back and wanted:
            wanted &= one.node.session_received(near, back, False, now)
    return wanted


def broadcast(desk: Desk, to: list[NetID] | None = None, now: float = 0.0) -> BroadcastID:
    return desk.node.broadcast("tag", "json", b"\0\0{}", to, now)[0]


def give(one: Desk, near: Session, other: Desk, far: Session, *records: Record) -> None:
    """Send these on a connection, and carry whatever follows at once."""
    assert far.netid is not None
    for record in records:
        if isinstance(record, Gossip):
            assert hand_over(one.node._links, record, other.node.local)
        else:
            assert one.node._links.send(other.node.local, record)
    exchange(one, near, other, far)


def waiting(desk: Desk, number: int) -> list[Gossip]:
    """The gossips that wait for a peer, taken out."""
    records = waiting_for(desk.node._links, netid(number))
    return [one for one in records if isinstance(one, Gossip)]
