"""Values that the tests of the command format and count."""

from __future__ import annotations

from typing import Any

from chatter import BroadcastID, Edge, Gap, Message, NetID, Peer, PeerEvent, Receipt
from chatter.core.effects import Outcome
from chatter.net.threads import HubCalls

HERE = NetID("127.0.0.1", 4001)
THERE = NetID("127.0.0.1", 4002)
FAR = NetID("2001:db8::1", 4003)


def make_message(body: Any = 1, **fields: Any) -> Message:
    values: dict[str, Any] = {
        "tag": "hello",
        "body": body,
        "codec": "bytes" if isinstance(body, bytes) else "json",
        "origin": HERE,
        "epoch": 77,
        "seqno": 3,
        "sender": HERE,
        "via": "tcp",
        "hops": 1,
    }
    return Message(**values | fields)


def make_event(address: NetID = HERE, state: str = "alive", epoch: int = 77) -> PeerEvent:
    return PeerEvent(address=address, epoch=epoch, state=state)


def make_gap(first: int = 5, last: int = 9, tag: str | None = None, **fields: Any) -> Gap:
    values: dict[str, Any] = {"origin": HERE, "epoch": 77, "first": first, "last": last, "tag": tag}
    return Gap(**values | fields)


def make_receipt(seqno: int = 3, targets: tuple[NetID, ...] = (THERE, FAR)) -> Receipt:
    """A confirmed one that waits to be settled."""
    return Receipt(BroadcastID(HERE, 77, seqno), targets, HubCalls())


def make_outcome() -> Outcome:
    """One got it from us by multicast, one is missing."""
    return Outcome((THERE,), (FAR,), (Edge(HERE, THERE, 1, True, 4),))


def make_peer(address: NetID = HERE, **fields: Any) -> Peer:
    values: dict[str, Any] = {
        "address": address,
        "epoch": 77,
        "state": "alive",
        "multicast": True,
        "segment": HERE,
        "heard_s_ago": 0.25,
    }
    return Peer(**values | fields)
