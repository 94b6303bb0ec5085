"""What Socket.IO servers tell each other, as bytes: JSON, and bytes beside it as they are.

Nothing in it can run code on arrival, as a pickle can. One message::

    head      JSON: method, event, namespace, room, skip_sid, callback, ...; what is None is left
              out. `attachments`: the sizes of what stands at the end, in bytes
    newline   JSON has none outside of its strings, where it is escaped
    payload   JSON: the arguments of an event (`data`) or of its acknowledgement (`args`); where
              bytes belong there is {"_placeholder": true, "num": n}, as in Socket.IO's own packets
    bytes     the attachments, one after the other

So who has no client for an event reads only the head. `host_id` goes only with what is answered by
a callback, and with the answer: that a message is not one's own is known by who sent it.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from chatter.errors import FrameError

Loads = Callable[[bytes], Any]

_NEWLINE = b"\n"
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def dumps_compact(value: Any) -> str:
    """JSON without a blank that is not needed. Half of a surrogate pair stays what it is."""
    return _encode(value)


def pack(message: dict[str, Any], dumps: Callable[[Any], str] = dumps_compact) -> bytes:
    """A message of `socketio.PubSubManager` as bytes.

    Args:
        message: as it is handed to ``_publish`` by python-socketio 5.15.1 or later.
        dumps: makes JSON of a payload.

    Raises:
        TypeError, ValueError: something in it is neither bytes nor what JSON takes.
    """
    head = {name: value for name, value in message.items() if value is not None}
    binary = head.pop("binary", False)
    attachments: list[bytes] = []
    payload = b""
    if (data := head.pop("data", None)) is not None:
        if not isinstance(data, list):
            raise TypeError("python-socketio hands over no list: it has to be 5.15.1 or later")
        if binary:
            attachments = [b64decode(text) for text in data[1:]]
            data = data[0]
        payload = dumps(data).encode("utf-8", "surrogatepass")
    elif (args := head.pop("args", None)) is not None:
        payload = dumps(_detach(args, attachments)).encode("utf-8", "surrogatepass")
    if "callback" not in head and head.get("method") != "callback":
        head.pop("host_id", None)
    if attachments:
        head["attachments"] = [len(one) for one in attachments]
    text = _encode(head).encode("utf-8", "surrogatepass")
    return b"".join((text, _NEWLINE, payload, *attachments))


def unpack_head(body: bytes) -> tuple[dict[str, Any], int]:
    """The head of a message, and where its payload begins.

    Raises:
        FrameError: it is no message.
    """
    end = body.find(_NEWLINE)
    head = _read(json.loads, body[:end]) if end > 0 else None
    if not isinstance(head, dict) or not isinstance(head.get("method"), str):
        raise FrameError("no message of a Socket.IO server")
    return head, end + 1


def unpack(
    head: dict[str, Any], body: bytes, start: int, loads: Loads = json.loads
) -> dict[str, Any]:
    """The message, as ``PubSubManager`` handles it: with the bytes where they belong.

    Args:
        head, start: what ``unpack_head`` returned.
        loads: reads the payload's JSON.

    Raises:
        FrameError: the sizes do not fit, or the payload is no JSON list.
    """
    sizes = head.pop("attachments", [])
    end = _end_of_payload(sizes, body, start)
    if end == start:
        return head
    payload = _read(loads, body[start:end])
    if not isinstance(payload, list):
        raise FrameError("a payload is a list of arguments")
    if sizes:
        attachments = []
        for size in sizes:
            attachments.append(body[end : end + size])
            end += size
        payload = _attach(payload, attachments)
    head["args" if head["method"] == "callback" else "data"] = payload
    return head


def as_packets(head: dict[str, Any], body: bytes, start: int) -> list[str | bytes]:
    """An emitted event as the packet of Socket.IO's protocol (version 5) that clients get, with the
    attachments behind it: what `unpack` and an encoder would make of it, without reading it.

    Raises:
        UnicodeError: half of a surrogate pair is in it, which no client can be sent so.
        FrameError: as `unpack` does, or it is no event.
    """
    sizes = head.get("attachments")
    end = len(body)
    attachments: list[str | bytes] = []
    kind = "2"
    if sizes:
        end = place = _end_of_payload(sizes, body, start)
        for size in sizes:
            attachments.append(body[place : place + size])
            place += size
        kind = f"5{len(sizes)}-"
    payload = body[start:end].decode()
    if payload[:1] != "[" or payload[-1:] != "]":
        raise FrameError("a payload is a list of arguments")
    arguments = payload[1:-1]
    # As python-socketio has it, None alone is no argument.
    rest = f",{arguments}]" if arguments.strip() not in ("", "null") else "]"
    try:
        event, namespace = head["event"], head["namespace"]
    except KeyError:
        raise FrameError("no event") from None
    where = "" if namespace == "/" else f"{namespace},"
    begin = f"{kind}{where}[{_encode(event)}"
    # Clients may choose the names of events. One that cannot be encoded would be noticed no sooner
    # than by the WebSockets of all who are sent it, which end by it.
    begin.encode()
    return [f"{begin}{rest}", *attachments]


def _read(loads: Loads, data: bytes) -> Any:
    try:
        return loads(data)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"no JSON: {error}") from None


def _end_of_payload(sizes: Any, body: bytes, start: int) -> int:
    if not isinstance(sizes, list) or not all(type(size) is int and size >= 0 for size in sizes):
        raise FrameError("attachments: a list of sizes")
    end = len(body) - sum(sizes)
    if end < start:
        raise FrameError("attachments are cut off")
    return end


def _detach(value: Any, attachments: list[bytes]) -> Any:
    if isinstance(value, (bytes, bytearray)):
        attachments.append(bytes(value))
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(value, (list, tuple)):
        return [_detach(one, attachments) for one in value]
    if isinstance(value, dict):
        return {name: _detach(one, attachments) for name, one in value.items()}
    return value


def _attach(value: Any, attachments: list[bytes]) -> Any:
    if isinstance(value, list):
        return [_attach(one, attachments) for one in value]
    if isinstance(value, dict):
        if value.get("_placeholder") and "num" in value:
            number = value["num"]
            if type(number) is not int or not 0 <= number < len(attachments):
                raise FrameError(f"there is no attachment {number!r}")
            return attachments[number]
        return {name: _attach(one, attachments) for name, one in value.items()}
    return value
