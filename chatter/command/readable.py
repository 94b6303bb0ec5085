"""What a node has to say -> lines for a person at a terminal.

Tags and bodies come from the network and may hold anything, escape sequences that rewrite the
screen included. So nothing reaches the terminal that isn't printable.
"""

import json
import math
from collections.abc import Iterable, Sequence

from chatter import Gap, Message, NetID, Peer, PeerEvent

LONGEST_BODY = 1_000  # characters shown; a screenful, the whole is for `--json`
PEER_WORDS = {
    "alive": "joined",
    "suspect": "is suspected: not heard for a while",
    "failed": "failed",
    "left": "left",
}


def printable(text: str) -> str:
    r"""`text` with everything that isn't printable spelt out as \\uXXXX."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else json.dumps(char)[1:-1] if ord(char) != 0x7F else "\\u007f"
        for char in text
    )


def body_text(body: object) -> str:
    """The body as JSON, or the number of bytes and their hexadecimal digits; cut if it is long."""
    if isinstance(body, bytes | bytearray | memoryview):
        digits = bytes(body[: LONGEST_BODY // 2]).hex()
        return _cut(f"{len(body)} bytes {digits}", len(digits) < 2 * len(body))
    try:
        text = json.dumps(body, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError) as reason:
        return f"(a body that can't be shown: {reason})"
    return _cut(printable(text[:LONGEST_BODY]), len(text) > LONGEST_BODY)


def ready_line(address: NetID, clock: str, dashboard: str | None = None) -> str:
    """Where this node listens, and where its dashboard is."""
    line = f"{clock}  ready at {address}"
    return line if dashboard is None else f"{line}, dashboard at {dashboard}"


def message_line(message: Message, clock: str) -> str:
    """A broadcast: what, from whom, and how it came."""
    if message.hops <= 1:
        way = message.via
    else:
        way = f"{message.via}, hop {message.hops} from {message.sender}"
    tag = printable(message.tag)
    return (
        f"{clock}  {tag} from {message.origin} #{message.seqno} ({way}): {body_text(message.body)}"
    )


def peer_line(event: PeerEvent, clock: str) -> str:
    """What became of a peer."""
    return f"{clock}  {event.address} {PEER_WORDS.get(event.state, event.state)}"


def gap_line(gap: Gap, clock: str) -> str:
    """Which broadcasts were not dispatched here."""
    if gap.first == gap.last:
        which = f"broadcast {gap.first} of {gap.origin}"
    else:
        which = f"broadcasts {gap.first} to {gap.last} of {gap.origin}"
    if gap.tag is None:
        return f"{clock}  lost: {which}"
    return f"{clock}  lost: {which}, as the handler of {printable(gap.tag)} is behind"


def peer_table(peers: Iterable[Peer]) -> list[str]:
    """A heading and one line a peer, ordered by segment and address."""
    rows = [
        (
            str(peer.address),
            peer.state,
            "-" if peer.segment is None else str(peer.segment),
            "yes" if peer.multicast else "no",
            f"{peer.heard_s_ago:.1f} s ago" if math.isfinite(peer.heard_s_ago) else "-",
        )
        for peer in peers
    ]
    rows.sort(key=lambda row: (row[2], row[0]))
    return columns([("ADDRESS", "STATE", "SEGMENT", "MULTICAST", "HEARD"), *rows])


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, each column as wide as its widest cell."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _cut(text: str, cut: bool) -> str:
    return text + " …" if cut else text
