"""What a node has to say -> one line of JSON each, as the sidecar's contract has it.

Plain ASCII: every JSON reader takes it, and a body with half a surrogate pair in it, which UTF-8
can't carry, still gets through. Nothing here but formatting; `outlet` writes.
"""

import base64
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from chatter import Edge, Gap, Message, NetID, Peer, PeerEvent, Receipt

Event = dict[str, Any]


def encode_event(event: Event, echo: Mapping[str, Any] | None = None) -> bytes:
    """The line for `event`, with the `ref` of the request it answers, newline included.

    Raises:
        ValueError, RecursionError, TypeError: something in it isn't JSON.
    """
    whole = {**event, **echo} if echo else event
    return json.dumps(whole, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def ready(address: NetID, dashboard: str | None = None) -> Event:
    """Always the first line: from here on requests are answered.

    Args:
        dashboard: where it is, if one was asked for.
    """
    event = {"event": "ready", "address": str(address)}
    return event if dashboard is None else event | {"dashboard": dashboard}


def message(message: Message, time_ns: int) -> Event:
    """A broadcast that was dispatched here.

    Args:
        time_ns: the machine's monotonic clock when it was.
    """
    event: Event = {"event": "message", "tag": message.tag}
    if isinstance(message.body, bytes | bytearray | memoryview):
        event["body_base64"] = base64.b64encode(message.body).decode("ascii")
    else:
        event["body"] = message.body
    return event | {
        "origin": str(message.origin),
        "epoch": message.epoch,
        "seqno": message.seqno,
        "sender": str(message.sender),
        "via": message.via,
        "hops": message.hops,
        "time_ns": time_ns,
    }


def encode_message(received: Message, time_ns: int) -> bytes:
    """The line for a broadcast, whatever its body.

    A body may be more than JSON allows: another node's Python may have sent NaN, or nested lists
    deeper than we can write. Such a broadcast must not end the line protocol, so it becomes an
    error that names it.
    """
    try:
        return encode_event(message(received, time_ns))
    except (ValueError, TypeError, RecursionError) as reason:
        return encode_event(
            error(
                f"broadcast {received.seqno} of {received.origin}, tag {received.tag!r}: "
                f"its body can't be written as JSON ({reason})"
            )
        )


def peer(event: PeerEvent) -> Event:
    """A peer joined, is suspected, failed or left."""
    return {
        "event": "peer",
        "address": str(event.address),
        "state": event.state,
        "epoch": event.epoch,
    }


def peers(entries: Iterable[Peer]) -> Event:
    """Everybody who is there now."""
    return {"event": "peers", "peers": [_peer_entry(entry) for entry in entries]}


def _peer_entry(entry: Peer) -> dict[str, Any]:
    heard_s_ago = entry.heard_s_ago
    return {
        "address": str(entry.address),
        "state": entry.state,
        "multicast": entry.multicast,
        "epoch": entry.epoch,
        "segment": None if entry.segment is None else str(entry.segment),
        "heard_s_ago": round(heard_s_ago, 3) if math.isfinite(heard_s_ago) else None,
    }


def sent(seqno: int, time_ns: int) -> Event:
    """A broadcast is on its way.

    Args:
        time_ns: the machine's monotonic clock just before it went.
    """
    return {"event": "sent", "seqno": seqno, "time_ns": time_ns}


def receipt(settled: Receipt) -> Event:
    """Who got a confirmed broadcast, and who served them.

    Args:
        settled: a receipt that is.
    """
    return {
        "event": "receipt",
        "seqno": settled.id.seqno,
        "delivered": [str(netid) for netid in settled.delivered],
        "missing": [str(netid) for netid in settled.missing],
        "elapsed_ms": round(settled.elapsed_s * 1000, 1),
        "edges": [_edge_entry(edge) for edge in settled.edges],
    }


def _edge_entry(edge: Edge) -> dict[str, Any]:
    return {
        "server": str(edge.server),
        "recipient": str(edge.recipient),
        "hop": edge.hop,
        "via": "multicast" if edge.multicast else "tcp",
        "ms": edge.ms,
    }


def gap(lost: Gap) -> Event:
    """Numbers of broadcasts to everyone that were not dispatched here, and will not be.

    With a `tag` its handler was too slow for them; a sidecar's takes every tag, and is "*".
    """
    event: Event = {
        "event": "gap",
        "origin": str(lost.origin),
        "epoch": lost.epoch,
        "first": lost.first,
        "last": lost.last,
    }
    return event if lost.tag is None else event | {"tag": lost.tag}


def stats(counters: Mapping[str, int]) -> Event:
    """The node's counters."""
    return {"event": "stats", "counters": dict(counters)}


def error(text: str) -> Event:
    """A request was refused, and nothing was changed by it."""
    return {"event": "error", "message": text}
