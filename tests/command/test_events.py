"""The lines of the sidecar's contract, key by key."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from chatter.command import events
from tests.command.samples import (
    FAR,
    HERE,
    THERE,
    make_event,
    make_gap,
    make_message,
    make_outcome,
    make_peer,
    make_receipt,
)


def decoded(line: bytes) -> Any:
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return json.loads(line, parse_constant=pytest.fail)


def test_ready() -> None:
    assert events.encode_event(events.ready(HERE)) == (
        b'{"event":"ready","address":"127.0.0.1:4001"}\n'
    )
    assert events.ready(FAR)["address"] == "[2001:db8::1]:4003"
    assert events.encode_event(events.ready(HERE, "http://localhost:8000/")) == (
        b'{"event":"ready","address":"127.0.0.1:4001","dashboard":"http://localhost:8000/"}\n'
    )


def test_a_message_has_every_field_of_the_contract() -> None:
    message = make_message({"a": "ü\n"}, sender=THERE, via="multicast", hops=2)
    assert decoded(events.encode_message(message, 123)) == {
        "event": "message",
        "tag": "hello",
        "body": {"a": "ü\n"},
        "origin": "127.0.0.1:4001",
        "epoch": 77,
        "seqno": 3,
        "sender": "127.0.0.1:4002",
        "via": "multicast",
        "hops": 2,
        "time_ns": 123,
    }


def test_bytes_come_as_base64() -> None:
    event = decoded(events.encode_message(make_message(b"\x00\xff\xfe"), 1))
    assert event["body_base64"] == "AP/+"
    assert "body" not in event


def test_half_a_surrogate_pair_gets_through() -> None:
    assert decoded(events.encode_message(make_message("\ud800"), 1))["body"] == "\ud800"


@pytest.mark.parametrize("body", [math.nan, [math.inf], object(), {1j: 2}])
def test_a_body_that_json_cannot_say_becomes_an_error_that_names_it(body: object) -> None:
    event = decoded(events.encode_message(make_message(body), 1))
    assert event["event"] == "error"
    assert "broadcast 3 of 127.0.0.1:4001" in event["message"]


def test_a_peer() -> None:
    assert events.peer(make_event(state="suspect")) == {
        "event": "peer",
        "address": "127.0.0.1:4001",
        "state": "suspect",
        "epoch": 77,
    }


def test_a_receipt() -> None:
    receipt = make_receipt()
    receipt.settle(make_outcome())
    event = decoded(events.encode_event(events.receipt(receipt), {"ref": 1}))
    assert 0 <= event.pop("elapsed_ms") < 60_000
    assert event == {
        "event": "receipt",
        "seqno": 3,
        "delivered": ["127.0.0.1:4002"],
        "missing": ["[2001:db8::1]:4003"],
        "edges": [
            {
                "server": "127.0.0.1:4001",
                "recipient": "127.0.0.1:4002",
                "hop": 1,
                "via": "multicast",
                "ms": 4,
            }
        ],
        "ref": 1,
    }


def test_a_gap() -> None:
    lost = {"event": "gap", "origin": "127.0.0.1:4001", "epoch": 77, "first": 5, "last": 9}
    assert decoded(events.encode_event(events.gap(make_gap()))) == lost
    assert events.gap(make_gap(tag="*")) == lost | {"tag": "*"}


def test_peers() -> None:
    listed = [make_peer(), make_peer(FAR, multicast=False, segment=None, heard_s_ago=math.inf)]
    event = decoded(events.encode_event(events.peers(listed)))
    assert event == {
        "event": "peers",
        "peers": [
            {
                "address": "127.0.0.1:4001",
                "state": "alive",
                "multicast": True,
                "epoch": 77,
                "segment": "127.0.0.1:4001",
                "heard_s_ago": 0.25,
            },
            {
                "address": "[2001:db8::1]:4003",
                "state": "alive",
                "multicast": False,
                "epoch": 77,
                "segment": None,
                "heard_s_ago": None,
            },
        ],
    }


def test_answers_carry_their_ref() -> None:
    assert decoded(events.encode_event(events.sent(5, 99), {"ref": [1]})) == {
        "event": "sent",
        "seqno": 5,
        "time_ns": 99,
        "ref": [1],
    }
    assert decoded(events.encode_event(events.stats({"dispatched": 2}))) == {
        "event": "stats",
        "counters": {"dispatched": 2},
    }
    assert events.error("why") == {"event": "error", "message": "why"}
