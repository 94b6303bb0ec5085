"""Pieces of a payload that no frame holds whole. Their header is a gossip, see ``gossip.py``.

::

    chunk        flags (1): 1 do not compress; broadcast id; offset (varint); data (the rest)
    want chunks  broadcast id; ranges of bytes
    broadcast id = origin (index), epoch (8), seqno (varint)

A chunk stands at an offset, not at an index: each hop cuts as large as its own frames allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chatter.errors import FrameError, TooLarge
from chatter.ids import BroadcastID, NetID
from chatter.wire.cursor import Cursor
from chatter.wire.fields import ID_BOUND, decode_flags, decode_id, encode_id
from chatter.wire.gossip import MAX_SIZE_BITS
from chatter.wire.ranges import RANGE_BOUND, Ranges, decode_ranges, encode_ranges
from chatter.wire.varint import encode_varint

_PLAIN = 1


class Chunk(NamedTuple):
    """Some bytes of a large payload."""

    id: BroadcastID
    offset: int
    data: bytes
    """What stands there; never empty."""
    compress: bool = True
    """Whether the frame around it may be compressed; as its header says."""

    def netids(self) -> Sequence[NetID]:
        return (self.id.origin,)

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return b"".join(
            (
                b"\0" if self.compress else b"\1",
                encode_id(self.id, index),
                encode_varint(self.offset),
                self.data,
            )
        )

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Chunk:
        flags = decode_flags(cursor, _PLAIN)
        broadcast = decode_id(cursor, table)
        offset = cursor.varint(MAX_SIZE_BITS)
        if not cursor.remaining:
            raise FrameError("a chunk of nothing")
        if offset + cursor.remaining > 1 << MAX_SIZE_BITS:
            raise TooLarge("a chunk beyond the largest payload")
        return cls(broadcast, offset, cursor.rest(), not flags)

    def size_bound(self) -> int:
        return len(self.data) + CHUNK_BOUND


# What a chunk costs besides its data: flags, id and offset.
CHUNK_BOUND = 1 + ID_BOUND + (MAX_SIZE_BITS + 6) // 7


class WantChunks(NamedTuple):
    """Asks for bytes of a large payload."""

    id: BroadcastID
    ranges: Ranges
    """Of bytes, (start, stop - 1): both are included, as in all ranges."""

    def netids(self) -> Sequence[NetID]:
        return (self.id.origin,)

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return encode_id(self.id, index) + encode_ranges(self.ranges)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> WantChunks:
        return cls(decode_id(cursor, table), decode_ranges(cursor, MAX_SIZE_BITS))

    def size_bound(self) -> int:
        return ID_BOUND + 4 + RANGE_BOUND * len(self.ranges)
