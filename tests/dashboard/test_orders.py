"""What the page may ask for, and what ends its connection."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chatter.dashboard.channel import Malformed
from chatter.dashboard.orders import Order, decode_order

ORDER: dict[str, Any] = {"type": "send", "ref": 1, "tag": "hello", "body": {"a": [1, None]}}


def test_an_order() -> None:
    assert decode_order(json.dumps(ORDER)) == Order(1, "hello", {"a": [1, None]}, None, 2.0)
    text = json.dumps(ORDER | {"to": ["127.0.0.1:1"], "timeout_s": 0.5, "ref": "r"})
    assert decode_order(text) == Order("r", "hello", {"a": [1, None]}, ("127.0.0.1:1",), 0.5)
    assert decode_order(json.dumps(ORDER | {"body": None, "to": None})).body is None


@pytest.mark.parametrize(
    "fields",
    [
        *({"type": "stop"}, {"type": None}, {"tag": 1}, {"tag": None}, {"to": "127.0.0.1:1"}),
        *(
            {"to": [1]},
            {"to": {}},
            {"ref": []},
            {"ref": {}},
            {"timeout_s": "1"},
            {"timeout_s": True},
        ),
        *({"timeout_s": None}, {"too": []}),
    ],
)
def test_what_our_page_never_sends(fields: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        decode_order(json.dumps(ORDER | fields))


@pytest.mark.parametrize("missing", ["type", "tag", "body"])
def test_what_an_order_needs(missing: str) -> None:
    with pytest.raises(Malformed):
        decode_order(json.dumps({name: ORDER[name] for name in ORDER if name != missing}))


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "1", '"send"', "[" * 60_000, "9" * 5000]
    + [json.dumps(ORDER)[:-1] + f', "timeout_s": {number}}}' for number in ("NaN", "1e999")],
)
def test_what_is_no_json_object(text: str) -> None:
    with pytest.raises(Malformed):
        decode_order(text)


@given(
    some.text()
    | some.recursive(some.none() | some.text() | some.floats(), some.lists).map(json.dumps)
)
def test_any_text_is_an_order_or_malformed(text: str) -> None:
    with contextlib.suppress(Malformed):
        decode_order(text)
