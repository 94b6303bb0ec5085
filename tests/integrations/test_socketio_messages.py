"""Messages between Socket.IO servers: what goes in comes out, and nothing else is taken for one."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter import FrameError
from chatter.integrations.socketio_messages import as_packets, pack, unpack, unpack_head

packets = pytest.importorskip("socketio.packet", reason="needs the extra socketio")

HOST = "0123456789abcdef0123456789abcdef"

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=40)
)
names = st.text(max_size=5).filter(lambda name: name != "_placeholder")
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


def emit(data: list[Any], **others: Any) -> dict[str, Any]:
    """What python-socketio hands to ``_publish``: bytes taken out, as base64 behind the rest."""
    binary = packets.Packet.data_is_binary(data)
    if binary:
        data, attachments = packets.Packet.deconstruct_binary(data)
        data = [data, *[b64encode(one).decode() for one in attachments]]
    message = {"method": "emit", "event": "hi", "data": data, "binary": binary, "namespace": "/"}
    return {**message, "room": None, "skip_sid": None, "callback": None, "host_id": HOST, **others}


def through(message: dict[str, Any]) -> dict[str, Any]:
    """What comes out on the other side."""
    body = pack(message)
    head, start = unpack_head(body)
    return unpack(head, body, start)


@given(st.lists(values, max_size=4))
def test_whatever_is_emitted_arrives(data: list[Any]) -> None:
    assert through(emit(data))["data"] == data


@given(st.lists(values, max_size=4))
def test_whatever_is_answered_arrives(args: list[Any]) -> None:
    message = {"method": "callback", "host_id": HOST, "sid": "s", "namespace": "/", "id": 1}
    assert through({**message, "args": tuple(args)}) == {**message, "args": args}


@pytest.mark.parametrize("namespace", ["/", "/chat"])
@given(data=st.lists(values, max_size=4), event=st.text())
def test_packets_are_those_that_python_socketio_makes(
    namespace: str, data: list[Any], event: str
) -> None:
    """But for how JSON is written: what a client makes of them is the same."""
    body = pack(emit(data, event=event, namespace=namespace))
    head, start = unpack_head(body)
    ours = as_packets(head, body, start)
    arguments = [] if data == [None] else data
    theirs = packets.Packet(packets.EVENT, data=[event, *arguments], namespace=namespace).encode()
    theirs = theirs if isinstance(theirs, list) else [theirs]
    assert ours[1:] == theirs[1:]
    decoded = [packets.Packet(encoded_packet=one[0]) for one in (ours, theirs)]
    assert decoded[0].packet_type == decoded[1].packet_type
    assert decoded[0].namespace == decoded[1].namespace
    assert decoded[0].data == decoded[1].data
    assert decoded[0].attachment_count == decoded[1].attachment_count


def test_the_head_says_whom_it_is_for_and_nothing_that_goes_without_saying() -> None:
    body = pack(emit([1, b"ab", b""], room=["r", "s"], skip_sid="x"))
    head, _, rest = body.partition(b"\n")
    assert json.loads(head) == {
        "method": "emit",
        "event": "hi",
        "namespace": "/",
        "room": ["r", "s"],
        "skip_sid": "x",
        "attachments": [2, 0],
    }
    assert rest == b'[1,{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]ab'


def test_who_asks_for_an_answer_names_where_it_goes() -> None:
    arrived = through(emit(["?"], room="r", callback=("r", "/", 7)))
    assert arrived["callback"] == ["r", "/", 7]
    assert arrived["host_id"] == HOST


@pytest.mark.parametrize("method", ["disconnect", "enter_room", "leave_room", "close_room"])
def test_messages_without_a_payload(method: str) -> None:
    message = {"method": method, "sid": "s", "room": "a\nb", "namespace": "/"}
    assert through({**message, "host_id": HOST}) == message


def test_half_of_a_surrogate_pair_stays_what_it_is_and_makes_no_packet() -> None:
    message = emit(["\ud83d", "\n"])
    assert through(message)["data"] == ["\ud83d", "\n"]
    body = pack(message)
    with pytest.raises(UnicodeError):
        as_packets(*_head_first(body))
    # Clients may choose the name of an event that an application hands on.
    with pytest.raises(UnicodeError):
        as_packets(*_head_first(pack({**emit(["a"]), "event": "\ud800"})))


@pytest.mark.parametrize("data", [["not", {1, 2}], [object()]])
def test_what_is_neither_json_nor_bytes_is_refused(data: list[Any]) -> None:
    with pytest.raises(TypeError):
        pack(emit(data))


def test_a_python_socketio_that_is_too_old_is_named() -> None:
    """Before 5.15.1 nothing told one list from several arguments."""
    with pytest.raises(TypeError, match=r"5\.15\.1"):
        pack(emit([]) | {"data": "text"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"[]\n[]",
        b"{}\n[]",
        b'{"method":1}\n[]',
        b"\x80\x04\x95\n.",
        b'{"method":"emit","event":"x","namespace":"/"',
    ],
)
def test_other_bytes_are_no_message(body: bytes) -> None:
    with pytest.raises(FrameError):
        unpack_head(body)


@pytest.mark.parametrize(
    ("attachments", "rest"),
    [
        ("[3]", b"[]"),
        ("[-1]", b"[]"),
        ("[true]", b"[] "),
        ('["1"]', b"[]a"),
        ("1", b"[]a"),
        ("[1]", b'[{"_placeholder":true,"num":1}]a'),
        ("[1]", b'[{"_placeholder":true,"num":-1}]a'),
        ("[1]", b'[{"_placeholder":true,"num":"0"}]a'),
        ("[]", b'{"no":"list"}'),
        ("[]", b"[1"),
    ],
)
def test_a_damaged_payload_is_refused(attachments: str, rest: bytes) -> None:
    head = f'{{"method":"emit","event":"x","namespace":"/","attachments":{attachments}}}\n'
    body = head.encode() + rest
    parsed, start = unpack_head(body)
    with pytest.raises(FrameError):
        unpack(parsed, body, start)


def _head_first(body: bytes) -> tuple[dict[str, Any], bytes, int]:
    head, start = unpack_head(body)
    return head, body, start
