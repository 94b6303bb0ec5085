"""Values that the tests of the command format and count."""

from __future__ import annotations

from typing import Any

from chatter import Message, NetID, Peer, PeerEvent

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
