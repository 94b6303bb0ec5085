"""Fields that several records share: flags, counts, NetIDs by index, broadcast ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chatter.errors import FrameError, TooLarge
from chatter.ids import BroadcastID, NetID
from chatter.wire.cursor import Cursor
from chatter.wire.varint import encode_varint

# What a NetID costs a frame at worst: its table entry (22), and its index or a run of its own. The
# loose half of every size bound.
NETID_BOUND = 28
EPOCH_BYTES = 8
VARINT_BOUND = 10
ID_BOUND = NETID_BOUND + EPOCH_BYTES + VARINT_BOUND


def netid_at(table: Sequence[NetID], position: int) -> NetID:
    """The NetID with this index.

    Raises:
        FrameError: the table is shorter.
    """
    if position >= len(table):
        raise FrameError("an index that the NetID table does not have")
    return table[position]


def decode_flags(cursor: Cursor, known: int) -> int:
    """The flags at the cursor.

    Raises:
        FrameError: flags besides the known ones.
    """
    flags = cursor.byte()
    if flags & ~known:
        raise FrameError("a record with flags of another version")
    return flags


def decode_count(cursor: Cursor, least: int = 1) -> int:
    """A number of entries that can be there: each takes ``least`` bytes or more.

    Raises:
        FrameError: more than the bytes that are left can hold.
    """
    count = cursor.varint()
    if count * least > cursor.remaining:
        raise TooLarge(f"{count} entries in {cursor.remaining} bytes")
    return count


def encode_id(broadcast: BroadcastID, index: Mapping[NetID, int]) -> bytes:
    """A broadcast id: origin (index), epoch (8), seqno (varint)."""
    origin, epoch, seqno = broadcast
    return encode_varint(index[origin]) + epoch.to_bytes(EPOCH_BYTES, "big") + encode_varint(seqno)


def decode_id(cursor: Cursor, table: Sequence[NetID]) -> BroadcastID:
    """The broadcast id at the cursor.

    Raises:
        FrameError: cut short, or an origin that the table does not have.
    """
    return BroadcastID(netid_at(table, cursor.varint()), cursor.uint(EPOCH_BYTES), cursor.varint())


def encode_ids(ids: Sequence[BroadcastID], index: Mapping[NetID, int]) -> bytes:
    """Broadcast ids behind their count."""
    return encode_varint(len(ids)) + b"".join([encode_id(one, index) for one in ids])


def decode_ids(cursor: Cursor, table: Sequence[NetID]) -> tuple[BroadcastID, ...]:
    """The broadcast ids at the cursor.

    Raises:
        FrameError: whatever is wrong with the bytes.
    """
    return tuple(decode_id(cursor, table) for _ in range(decode_count(cursor)))


def origins_of(ids: Iterable[BroadcastID]) -> list[NetID]:
    """What broadcast ids need in the NetID table."""
    return [broadcast.origin for broadcast in ids]
