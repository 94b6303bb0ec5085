from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any

import pytest

from chatter.core.handlers import (
    MessageHandler,
    SerializerDB,
    codec_handler,
    decode_message,
    encode_message,
)
from chatter.errors import ConfigError, FrameError, HandlerError
from chatter.ids import NetID
from tests.core.parts import netid


def roster_handler(**parts: Any) -> MessageHandler:
    """Bodies are lists of NetIDs, each written as its index."""

    def encode(body: Sequence[NetID], id_map: Mapping[NetID, int]) -> bytes:
        return bytes([len(body), *(id_map[one] for one in body)])

    def decode(data: bytes, id_map: Mapping[int, NetID]) -> tuple[list[NetID], bytes]:
        end = 1 + data[0]
        return [id_map[index] for index in data[1:end]], data[end:]

    defaults: dict[str, Any] = {
        "tag": "roster",
        "extract_netids": lambda body: body,
        "encode_with": encode,
        "decode_with": decode,
        "dispatch": lambda body: None,
    }
    return MessageHandler(**defaults | parts)


@pytest.mark.parametrize(
    "body", [[], [netid(3)], [netid(9), netid(2), netid(9)], [NetID("2001:db8::1", 5), netid(2)]]
)
def test_netids_travel_as_indices(body: list[NetID]) -> None:
    handler = roster_handler()

    codec, payload = encode_message(handler, "roster", body)

    assert codec == "own"
    assert decode_message(handler, codec, payload) == body


def test_a_netid_in_a_large_body_costs_two_bytes() -> None:
    body = [netid(number) for number in range(2, 102)]

    _, payload = encode_message(roster_handler(), "roster", body)

    assert len(payload) < 2.1 * len(body) + 10


@pytest.mark.parametrize("body", [None, 1, "ä", [1, {"a": None}], {"x": [1.5, True]}])
def test_json(body: Any) -> None:
    codec, payload = encode_message(None, "any", body)

    assert codec == "json"
    assert decode_message(None, codec, payload) == body
    assert json.loads(payload[2:]) == body


@pytest.mark.parametrize("body", [b"", b"\0\xff" * 100, bytearray(b"x"), memoryview(b"y")])
def test_bytes(body: bytes) -> None:
    codec, payload = encode_message(None, "any", body, "bytes")

    assert codec == "bytes"
    assert decode_message(None, codec, payload) == bytes(body)


@pytest.mark.parametrize(
    ("codec", "body"),
    [("json", {1, 2}), ("json", float("nan")), ("json", b"x"), ("bytes", "text"), ("bytes", 5)],
)
def test_what_can_not_be_encoded_is_the_callers_error(codec: str, body: Any) -> None:
    with pytest.raises(HandlerError, match="'any'"):
        encode_message(None, "any", body, codec)


def test_a_function_that_raises_is_the_callers_error() -> None:
    broken = roster_handler(encode_with=lambda body, id_map: 1 / 0)

    with pytest.raises(HandlerError, match="division"):
        encode_message(broken, "roster", [])


def test_a_rest_is_refused() -> None:
    handler = roster_handler(decode_with=lambda data, id_map: ([], data))
    codec, payload = encode_message(handler, "roster", [netid(2)])

    with pytest.raises(FrameError, match="left 2 bytes"):
        decode_message(handler, codec, payload)


def test_a_decoder_that_forgets_the_rest_is_told() -> None:
    """The classic mistake."""
    handler = roster_handler(decode_with=lambda data, id_map: [])
    codec, payload = encode_message(handler, "roster", [])

    with pytest.raises(HandlerError, match=r"\(body, rest\)"):
        decode_message(handler, codec, payload)


def test_without_a_handler_an_own_encoding_stays_bytes() -> None:
    codec, payload = encode_message(roster_handler(), "roster", [netid(2), netid(3)])

    assert decode_message(None, codec, payload) == b"\2\0\1"


def test_the_codec_of_the_frame_goes_before_a_handler_of_another() -> None:
    """Somebody sent JSON under a tag whose handler here has an encoding of its own."""
    _, payload = encode_message(None, "roster", {"a": 1}, "json")

    assert decode_message(roster_handler(), "json", payload) == {"a": 1}


def test_a_damaged_table_is_a_frame_error() -> None:
    with pytest.raises(FrameError):
        decode_message(None, "json", b"\xff\xff\xff")


def test_a_tag_has_one_handler() -> None:
    handlers = SerializerDB()
    handlers.add(roster_handler())

    with pytest.raises(ConfigError, match="roster"):
        handlers.add(codec_handler("roster", "json", print))
    assert [one.tag for one in handlers] == ["roster"]


def test_the_star_takes_what_no_other_handler_does() -> None:
    handlers = SerializerDB()
    own, star = roster_handler(), codec_handler("*", "json", print)
    handlers.add(own)
    assert handlers.dispatcher("other") is None
    handlers.add(star)

    assert handlers.dispatcher("roster") is own
    assert handlers.dispatcher("other") is star
    assert handlers.get("other") is None


def test_the_star_gets_bodies_by_the_codec_of_the_frame() -> None:
    star = codec_handler("*", "json", print)
    _, payload = encode_message(None, "x", b"raw", "bytes")

    assert decode_message(star, "bytes", payload) == b"raw"


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"tag": ""}, "tag"),
        ({"tag": "x" * 256}, "tag"),
        ({"tag": "ä" * 128}, "tag"),
        ({"codec": "pickle"}, "codec"),
        ({"dispatch": None}, "dispatch"),
        ({"decode_with": 5}, "decode_with"),
    ],
)
def test_a_handler_that_can_not_work_names_the_part(parts: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        roster_handler(**parts)


@pytest.mark.parametrize("make", [lambda: codec_handler("t", "xml", print)])
def test_an_unknown_codec(make: Any) -> None:
    with pytest.raises(ConfigError, match="codec"):
        make()
    with pytest.raises(ConfigError, match="codec"):
        encode_message(None, "t", 1, "own")


def test_what_a_thread_found_before_a_handler_came_is_not_kept_after() -> None:
    handlers = SerializerDB()

    class Slow(dict[str, MessageHandler]):
        """A table that is changed while a thread looks into it."""

        def get(self, tag: str, default: Any = None) -> Any:
            found = super().get(tag)
            if not self:
                handlers.add(codec_handler("tag", "bytes", lambda body, message: None))
            return found

    handlers._handlers = Slow()
    assert handlers.way("tag", None).codec == "json"
    assert ("tag", None) not in handlers.ways
    assert handlers.way("tag", None).codec == "bytes"


def given_more(function: Callable[..., object]) -> Callable[..., object]:
    @wraps(function)
    def decorated(body: object, message: object) -> object:
        return function(body, message, "database")

    return decorated


def without_message(function: Callable[..., object]) -> Callable[..., object]:
    @wraps(function)
    def decorated(body: object, message: object) -> object:
        return function(body)

    return decorated


def passing_all(function: Callable[..., object]) -> Callable[..., object]:
    @wraps(function)
    def decorated(*arguments: object) -> object:
        return function(*arguments)

    return decorated


class Shelf:
    def put(self, body: object) -> None: ...

    def put_both(self, body: object, message: object = None) -> None: ...


@pytest.mark.parametrize(
    ("dispatch", "with_message"),
    [
        (lambda body, message: None, True),
        (lambda body: None, False),
        (lambda body, message=None: None, True),
        (lambda *everything: None, True),
        (Shelf().put, False),
        (Shelf().put_both, True),
        ([].append, False),
        (print, True),
        (partial(lambda shelf, body: None, 1), False),
        (max, True),  # tells nothing about itself
        (given_more(lambda body, message, database: None), True),
        (without_message(lambda body: None), True),
        (passing_all(lambda body: None), False),
        (passing_all(lambda body, message: None), True),
        (passing_all(lambda body, message, database: None), True),
    ],
)
def test_a_handler_gets_the_message_if_it_takes_it(
    dispatch: Callable[..., object], with_message: bool
) -> None:
    assert codec_handler("tag", "json", dispatch).with_message is with_message


@pytest.mark.parametrize(
    ("dispatch", "takes"),
    [
        (lambda: None, "()"),
        (lambda body, message, more: None, "(body, message, more)"),
        (lambda *, body: None, "(*, body)"),
    ],
)
def test_a_handler_that_cannot_be_called_is_refused_when_it_is_registered(
    dispatch: Callable[..., object], takes: str
) -> None:
    with pytest.raises(ConfigError, match="with the body and the message, or") as raised:
        codec_handler("tag", "json", dispatch)
    assert f"<lambda> takes {takes}: write `def <lambda>(body, message)`" in str(raised.value)


def test_a_coroutine_is_no_handler() -> None:
    async def hello(body: object) -> None: ...

    with pytest.raises(ConfigError, match=r"hello has to be `def`, not `async def`"):
        codec_handler("tag", "json", hello)
