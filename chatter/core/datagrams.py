"""What fits in a datagram that every path takes whole, whoever it goes to."""

from __future__ import annotations

from collections.abc import Sequence

from chatter.wire.frame import encode_body
from chatter.wire.records import Record

# Below the 1,400 bytes that every path takes whole, seal and sender included.
DATAGRAM_BYTES = 1300


def fits(records: Sequence[Record], budget: int = DATAGRAM_BYTES) -> bool:
    """Whether these records make a body of at most so many bytes."""
    return len(encode_body(records)) <= budget
