"""What the page may ask for: one JSON object -> an Order, or the reason to hang up.

What a person can get wrong in a form (a tag that is empty, an address that is none) passes here and
is answered when it is carried out. What our page never sends ends the connection.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

from chatter.dashboard.channel import BAD_TEXT, NOT_ALLOWED, Malformed

DEFAULT_TIMEOUT_S = 2.0

_KEYS = frozenset({"type", "ref", "tag", "body", "to", "timeout_s"})


@dataclass(frozen=True, slots=True)
class Order:
    """A test broadcast.

    Attributes:
        ref: comes back in every answer.
        to: addresses as they were typed; None means everybody.
    """

    ref: str | int | float | None
    tag: str
    body: Any
    to: tuple[str, ...] | None
    timeout_s: float


def decode_order(text: str) -> Order:
    """The order that a message of the page holds.

    Raises:
        Malformed: and nothing else, whatever the text.
    """
    try:
        fields = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise Malformed(BAD_TEXT, "not JSON") from None
    if not isinstance(fields, dict) or fields.get("type") != "send" or "body" not in fields:
        raise Malformed(NOT_ALLOWED, "not an order to send")
    if not fields.keys() <= _KEYS:
        raise Malformed(NOT_ALLOWED, "a key that nobody knows")
    ref, tag, to = fields.get("ref"), fields.get("tag"), fields.get("to")
    timeout_s = fields.get("timeout_s", DEFAULT_TIMEOUT_S)
    if not isinstance(ref, (str, int, float, type(None))):
        raise Malformed(NOT_ALLOWED, "ref: a text or a number")
    if not isinstance(tag, str):
        raise Malformed(NOT_ALLOWED, "tag: a text")
    if to is not None and not (isinstance(to, list) and all(isinstance(one, str) for one in to)):
        raise Malformed(NOT_ALLOWED, "to: a list of addresses, or null")
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)):
        raise Malformed(NOT_ALLOWED, "timeout_s: a number")
    return Order(ref, tag, fields["body"], None if to is None else tuple(to), timeout_s)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(text: str) -> float:
    # 1e999 is infinity to Python, which no JSON can say again.
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
