"""Deliveries as the core hands them over, for the tests of what waits for a handler."""

from __future__ import annotations

from chatter import BroadcastID, NetID
from chatter.core.effects import Deliver
from chatter.wire.burst import Burst, encode_bodies
from chatter.wire.gossip import Gossip

ONE, TWO = NetID("127.0.0.1", 4001), NetID("127.0.0.1", 4002)
EPOCH = 7


def delivery(
    number: int,
    *,
    origin: NetID = ONE,
    size: int = 10,
    tag: str = "hello",
    held: bool = False,
) -> Deliver:
    """A broadcast of that number; 0 makes it one to some. Its body is bytes."""
    seqno = number or 1
    payload = b"\0\0" + bytes(size - 2)
    gossip = Gossip(BroadcastID(origin, EPOCH, seqno), tag, "bytes", payload, number, 1, (), 0)
    return Deliver(gossip, origin, "tcp", held)


def burst(first: int, many: int, *, size: int = 10, tag: str = "hello") -> Deliver:
    """Broadcasts with numbers from ``first`` on, as one burst of bodies of ``size`` bytes."""
    payload, one_size = encode_bodies([bytes(size)] * many)
    record = Burst(BroadcastID(ONE, EPOCH, first), tag, "bytes", payload, first, many, one_size)
    return Deliver(record, ONE, "tcp", False)
