"""Every line is a request or a reason."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter import NetID
from chatter.command.requests import (
    BadRequest,
    BroadcastRequest,
    LeaveRequest,
    PeersRequest,
    StatsRequest,
    parse_request,
)


def line(value: object) -> bytes:
    return json.dumps(value).encode()


def broadcast(**fields: Any) -> bytes:
    return line({"broadcast": {"tag": "hello", "body": 1} | fields})


def test_the_simple_ones() -> None:
    assert parse_request(b'{"peers":true}') == PeersRequest()
    assert parse_request(b' {"stats":true}\r') == StatsRequest()
    assert parse_request(b'{"leave":true,"ref":7}') == LeaveRequest({"ref": 7})


def test_a_broadcast_with_everything() -> None:
    wanted = ["192.168.1.10:29999", "[2001:db8::1]:4"]
    assert parse_request(broadcast(to=wanted, confirm=True, timeout_s=0.5)) == BroadcastRequest(
        tag="hello",
        body=1,
        to=(NetID("192.168.1.10", 29999), NetID("2001:db8::1", 4)),
        confirm=True,
        timeout_s=0.5,
    )


def test_a_broadcast_with_the_least() -> None:
    assert parse_request(broadcast()) == BroadcastRequest("hello", 1, None, False, 2.0)
    assert parse_request(broadcast(to=None)) == parse_request(broadcast())
    # To nobody is something else than to everybody.
    assert parse_request(broadcast(to=[])) == BroadcastRequest("hello", 1, (), False, 2.0)


@pytest.mark.parametrize("body", [None, False, 0, "", "ü\ud800", [], {"a": [1.5, None]}])
def test_any_json_is_a_body(body: object) -> None:
    request = parse_request(broadcast(body=body))
    assert isinstance(request, BroadcastRequest)
    assert request.body == body


def test_a_body_of_bytes() -> None:
    request = parse_request(b'{"broadcast":{"tag":"t","body_base64":"AP/+"}}')
    assert isinstance(request, BroadcastRequest)
    assert request.body == b"\x00\xff\xfe"


@pytest.mark.parametrize("ref", [0, None, "a", [1], {"b": False}])
def test_a_ref_comes_back_in_requests_and_refusals(ref: object) -> None:
    assert parse_request(line({"peers": True, "ref": ref})).echo == {"ref": ref}
    with pytest.raises(BadRequest) as refusal:
        parse_request(line({"broadcast": {"tag": ""}, "ref": ref}))
    assert refusal.value.echo == {"ref": ref}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not JSON"),
        (b"nonsense", "not JSON"),
        (b"\xff{}", "not UTF-8 at byte 0"),
        (b'{"peers":true} x', "not JSON"),
        (b"[]", "not a list"),
        (b'"peers"', "not a string"),
        (b"null", "not null"),
        (b"1", "not a number"),
        (b"{}", "exactly one"),
        (b'{"ref":1}', "exactly one"),
        (b'{"peers":true,"stats":true}', "exactly one"),
        (b'{"peer":true}', 'unknown request "peer"'),
        (b'{"peers":true,"other":1}', 'unknown request "other"'),
        (b'{"peers":false}', "nothing but true"),
        (b'{"leave":1}', "nothing but true"),
        (b'{"broadcast":true}', "not a boolean"),
        (b'{"broadcast":{"body":1}}', '"tag" is needed'),
        (b'{"broadcast":{"tag":1,"body":1}}', '"tag" is needed'),
        (broadcast(tag=""), '"tag": from 1 to 255 bytes'),
        (broadcast(tag="ü" * 128), '"tag": from 1 to 255 bytes'),
        (broadcast(tag="\ud800"), '"tag": not text'),
        (b'{"broadcast":{"tag":"t"}}', '"body_base64" is needed'),
        (b'{"broadcast":{"tag":"t","body":1,"body_base64":"AA=="}}', "exactly one"),
        (b'{"broadcast":{"tag":"t","body_base64":1}}', "is a string, not a number"),
        (b'{"broadcast":{"tag":"t","body_base64":"A"}}', '"body_base64"'),
        (b'{"broadcast":{"tag":"t","body_base64":"A A A ="}}', '"body_base64"'),
        ('{"broadcast":{"tag":"t","body_base64":"ü"}}'.encode(), '"body_base64"'),
        (broadcast(too=[]), 'unknown key "too"'),
        (broadcast(to="1.2.3.4:5"), "not a string"),
        (broadcast(to=[5]), "a number where"),
        (broadcast(to=["1.2.3.4"]), '"to"'),
        (broadcast(to=["host:1"]), '"to"'),
        (broadcast(to=["1.2.3.4:0"]), '"to"'),
        (broadcast(confirm=1), '"confirm" is true or false'),
        (broadcast(timeout_s=True), "not a boolean"),
        (broadcast(timeout_s="2"), "not a string"),
        (broadcast(timeout_s=0), "above 0"),
        (broadcast(timeout_s=-1), "above 0"),
        (broadcast(timeout_s=10**400), "above 0"),
        (b'{"broadcast":{"tag":"t","body":NaN}}', "NaN is not JSON"),
        (b'{"broadcast":{"tag":"t","body":1e999}}', "too large"),
        (b'{"peers":true,"ref":-Infinity}', "not JSON"),
        (b'{"broadcast":{"tag":"t","body":' + b"9" * 5000 + b"}}", "not JSON we can read"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_refusals_name_their_reason(text: bytes, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason):
        parse_request(text)


def test_a_refusal_does_not_grow_with_the_mistake() -> None:
    with pytest.raises(BadRequest) as refusal:
        parse_request(line({"x" * 100_000: True}))
    assert len(str(refusal.value)) < 500


@given(st.binary(max_size=200))
def test_random_bytes_give_a_request_or_a_reason(data: bytes) -> None:
    with contextlib.suppress(BadRequest):  # and nothing else may come out
        assert parse_request(data)
        json.loads(data)  # as unlikely as it is: what was taken is JSON


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["tag", "body", "body_base64", "to", "confirm", "timeout_s", "x"]),
        json_values,
    ),
    json_values,
)
def test_any_broadcast_gives_a_request_or_a_reason(fields: dict[str, Any], ref: object) -> None:
    try:
        request = parse_request(line({"broadcast": fields, "ref": ref}))
    except BadRequest:
        return
    assert isinstance(request, BroadcastRequest)
    assert request.tag == fields["tag"]
