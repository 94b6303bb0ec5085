"""Which broadcasts are here and which are missing: by id after a multicast, by number in a stream.

::

    probe         flags (1): 1 asks for an answer in any case;
                  broadcast ids: count; each: origin (index), epoch (8), seqno (varint)
    want          broadcast ids
    took          broadcast ids
    highest       count; each: origin (index), epoch (8), number (varint)
    want numbers  origin (index), epoch (8), ranges of numbers
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chatter.ids import BroadcastID, NetID
from chatter.wire.cursor import Cursor
from chatter.wire.fields import (
    EPOCH_BYTES,
    ID_BOUND,
    decode_count,
    decode_flags,
    decode_ids,
    encode_ids,
    netid_at,
    origins_of,
)
from chatter.wire.ranges import RANGE_BOUND, Ranges, decode_ranges, encode_ranges
from chatter.wire.varint import encode_varint

_ANSWER = 1


class Probe(NamedTuple):
    """Asks whether these broadcasts, sent by multicast, were heard."""

    ids: tuple[BroadcastID, ...]
    answer: bool = False
    """Whether what was heard is to be answered too, by ``Took``; else only what was not."""

    def netids(self) -> Sequence[NetID]:
        return origins_of(self.ids)

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return bytes((_ANSWER if self.answer else 0,)) + encode_ids(self.ids, index)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Probe:
        answer = bool(decode_flags(cursor, _ANSWER))
        return cls(decode_ids(cursor, table), answer)

    def size_bound(self) -> int:
        return 5 + ID_BOUND * len(self.ids)


class Want(NamedTuple):
    """Asks for these broadcasts, which did not come: the answer to a probe."""

    ids: tuple[BroadcastID, ...]

    def netids(self) -> Sequence[NetID]:
        return origins_of(self.ids)

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return encode_ids(self.ids, index)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Want:
        return cls(decode_ids(cursor, table))

    def size_bound(self) -> int:
        return 4 + ID_BOUND * len(self.ids)


class Took(NamedTuple):
    """Says that these broadcasts were heard, to who sent them by multicast and waits for it."""

    ids: tuple[BroadcastID, ...]

    def netids(self) -> Sequence[NetID]:
        return origins_of(self.ids)

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return encode_ids(self.ids, index)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Took:
        return cls(decode_ids(cursor, table))

    def size_bound(self) -> int:
        return 4 + ID_BOUND * len(self.ids)


class Top(NamedTuple):
    """How far the broadcasts to everyone of one life of an origin have come."""

    origin: NetID
    epoch: int
    number: int
    """The highest that the sender knows of."""


class Highest(NamedTuple):
    """Names the last numbers of origins, so that a lost tail is noticed too."""

    entries: tuple[Top, ...]

    def netids(self) -> Sequence[NetID]:
        return [entry.origin for entry in self.entries]

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        parts = [encode_varint(len(self.entries))]
        for origin, epoch, number in self.entries:
            parts.append(encode_varint(index[origin]))
            parts += (epoch.to_bytes(EPOCH_BYTES, "big"), encode_varint(number))
        return b"".join(parts)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Highest:
        return cls(
            tuple(
                Top(netid_at(table, cursor.varint()), cursor.uint(EPOCH_BYTES), cursor.varint())
                for _ in range(decode_count(cursor))
            )
        )

    def size_bound(self) -> int:
        return 4 + ID_BOUND * len(self.entries)


class WantNumbers(NamedTuple):
    """Asks for broadcasts to everyone that did not come, by the numbers their origin gave them."""

    origin: NetID
    epoch: int
    ranges: Ranges
    """Of numbers, (first, last) inclusive, ascending, not touching."""

    def netids(self) -> Sequence[NetID]:
        return (self.origin,)

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        epoch = self.epoch.to_bytes(EPOCH_BYTES, "big")
        return encode_varint(index[self.origin]) + epoch + encode_ranges(self.ranges)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> WantNumbers:
        origin = netid_at(table, cursor.varint())
        return cls(origin, cursor.uint(EPOCH_BYTES), decode_ranges(cursor))

    def size_bound(self) -> int:
        return ID_BOUND + RANGE_BOUND * len(self.ranges)
