"""One line of the sidecar's input -> a request, or the reason why it isn't one.

| request | meaning |
| --- | --- |
| `{"broadcast":{"tag":…,"body":…,"to":["ip:port",…]}}` | to those named; null or no `to`: to all |
| `{"broadcast":{"tag":…,"body_base64":"…"}}` | the same with a body of bytes |
| `{"broadcast":{…,"confirm":true,"timeout_s":2}}` | the same with a receipt, settled by then |
| `{"peers":true}` | who is there |
| `{"stats":true}` | the counters |
| `{"leave":true}` | say goodbye and end |

Each may carry a `ref`, any JSON value, which comes back in its answer or its error. A key that
isn't known is refused rather than ignored: a misspelt `"too"` must not become a broadcast to
everybody.
"""

import base64
import binascii
import json
import math
from dataclasses import dataclass, field
from typing import Any, NoReturn

from chatter import NetID
from chatter.net.arguments import MAX_TIMEOUT_S

DEFAULT_TIMEOUT_S = 2.0
LONGEST_TAG_BYTES = 255

Echo = dict[str, Any]
"""`{"ref": value}` if the request had a ref, else empty: merged into whatever answers it."""


@dataclass(frozen=True, slots=True)
class BroadcastRequest:
    """`body` is bytes if it came as `body_base64`, else what JSON says; `to` None means all."""

    tag: str
    body: Any
    to: tuple[NetID, ...] | None
    confirm: bool
    timeout_s: float
    echo: Echo = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PeersRequest:
    echo: Echo = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StatsRequest:
    echo: Echo = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeaveRequest:
    echo: Echo = field(default_factory=dict)


Request = BroadcastRequest | PeersRequest | StatsRequest | LeaveRequest

SIMPLE: dict[str, type[PeersRequest] | type[StatsRequest] | type[LeaveRequest]] = {
    "peers": PeersRequest,
    "stats": StatsRequest,
    "leave": LeaveRequest,
}
REQUEST_NAMES = ("broadcast", *SIMPLE)
BROADCAST_FIELDS = frozenset({"tag", "body", "body_base64", "to", "confirm", "timeout_s"})


class BadRequest(Exception):
    """The line is no request; `str()` says why, `echo` holds its ref if it could be read."""

    def __init__(self, reason: str, echo: Echo | None = None) -> None:
        super().__init__(reason)
        self.echo: Echo = echo or {}


def parse_request(line: bytes) -> Request:
    """The request that `line` holds.

    Raises:
        BadRequest: and nothing else, whatever the bytes.
    """
    document = parse_json(line)
    if not isinstance(document, dict):
        raise BadRequest(f"a request is a JSON object, not {_kind(document)}")
    echo = {"ref": document["ref"]} if "ref" in document else {}
    try:
        return _parse_document(document, echo)
    except BadRequest as reason:
        raise BadRequest(str(reason), echo) from None


def parse_json(line: bytes) -> Any:
    """The value that `line` holds, as strict JSON: what comes out can be said in JSON again.

    Raises:
        BadRequest: and nothing else, whatever the bytes.
    """
    try:
        return json.loads(
            line.decode("utf-8"), parse_constant=_refuse_number, parse_float=_parse_finite
        )
    except UnicodeDecodeError as error:
        raise BadRequest(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise BadRequest(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise BadRequest("nested too deeply") from None
    except ValueError as error:  # an integer of more digits than Python converts
        raise BadRequest(f"not JSON we can read: {error}") from None


def _refuse_number(text: str) -> NoReturn:
    raise BadRequest(f"{text} is not JSON")


def _parse_finite(text: str) -> float:
    """The number; 1e999 is refused: Python reads it as infinity, which no JSON can say again."""
    number = float(text)
    if not math.isfinite(number):
        raise BadRequest(f"{text[:32]} is too large a number")
    return number


def _parse_document(document: dict[str, Any], echo: Echo) -> Request:
    names = [key for key in document if key != "ref"]
    unknown = [name for name in names if name not in REQUEST_NAMES]
    if unknown:
        raise BadRequest(f"unknown request {_quote(unknown[0])}; known: {', '.join(REQUEST_NAMES)}")
    if len(names) != 1:
        raise BadRequest(f"a request has exactly one of {', '.join(REQUEST_NAMES)}")
    name = names[0]
    if name == "broadcast":
        return _parse_broadcast(document[name], echo)
    if document[name] is not True:
        raise BadRequest(f'"{name}" takes nothing but true')
    return SIMPLE[name](echo)


def _parse_broadcast(fields: Any, echo: Echo) -> BroadcastRequest:
    if not isinstance(fields, dict):
        raise BadRequest(f'"broadcast" takes an object, not {_kind(fields)}')
    unknown = [key for key in fields if key not in BROADCAST_FIELDS]
    if unknown:
        known = ", ".join(sorted(BROADCAST_FIELDS))
        raise BadRequest(f"unknown key {_quote(unknown[0])} in broadcast; known: {known}")
    confirm = fields.get("confirm", False)
    if not isinstance(confirm, bool):
        raise BadRequest(f'"confirm" is true or false, not {_kind(confirm)}')
    return BroadcastRequest(
        tag=_parse_tag(fields.get("tag")),
        body=_parse_body(fields),
        to=_parse_to(fields.get("to")),
        confirm=confirm,
        timeout_s=_parse_timeout(fields.get("timeout_s", DEFAULT_TIMEOUT_S)),
        echo=echo,
    )


def _parse_tag(value: Any) -> str:
    if not isinstance(value, str):
        raise BadRequest('"tag" is needed, a string')
    reason = why_no_tag(value)
    if reason is not None:
        raise BadRequest(f'"tag": {reason}')
    return value


def why_no_tag(text: str) -> str | None:
    """Why `text` can't be a tag; None if it can."""
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return "not text that UTF-8 can carry"
    return None if 0 < size <= LONGEST_TAG_BYTES else f"from 1 to {LONGEST_TAG_BYTES} bytes long"


def _parse_body(fields: dict[str, Any]) -> Any:
    if ("body" in fields) == ("body_base64" in fields):
        raise BadRequest('exactly one of "body" and "body_base64" is needed')
    if "body" in fields:
        return fields["body"]
    text = fields["body_base64"]
    if not isinstance(text, str):
        raise BadRequest(f'"body_base64" is a string, not {_kind(text)}')
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f'"body_base64": {error}') from None


def _parse_to(value: Any) -> tuple[NetID, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise BadRequest(f'"to" is null or a list of "ip:port", not {_kind(value)}')
    return tuple(_parse_netid(item) for item in value)


def _parse_netid(value: Any) -> NetID:
    if not isinstance(value, str):
        raise BadRequest(f'"to" holds {_kind(value)} where "ip:port" is needed')
    try:
        return NetID.parse(value)
    except ValueError as error:
        raise BadRequest(f'"to": {error}') from None


def _parse_timeout(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f'"timeout_s" is a number of seconds, not {_kind(value)}')
    if not 0 < value <= MAX_TIMEOUT_S:
        raise BadRequest(f'"timeout_s" is above 0 and at most {MAX_TIMEOUT_S:.0f}')
    return float(value)


def _kind(value: Any) -> str:
    """What JSON calls the kind of `value`."""
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def _quote(text: str) -> str:
    """`text` as a JSON string, cut: an error line must not grow with the mistake it names."""
    return json.dumps(text if len(text) <= 64 else text[:64] + "…")
