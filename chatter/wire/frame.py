"""What is inside a frame, and how frames follow each other on a stream.

::

    body    = flags (1): 1 compressed, 2 names its sender
              with flag 1: raw size (varint), LZ4 block of the routing part; else the routing part
    routing = NetID table; with flag 2: sender (index), channel (varint), position (varint);
              records
    record  = type (varint), length (varint), bytes
    stream  = (length (4, big-endian), frame)*

Source: the LZ4 block format, https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import lz4.block

from chatter.errors import FrameError, TooLarge, Truncated
from chatter.ids import NetID
from chatter.wire.cursor import Cursor
from chatter.wire.fields import netid_at
from chatter.wire.gossip import Gossip
from chatter.wire.idtable import decode_table, encode_table, table_of_few
from chatter.wire.records import CARRIERS, GOSSIP, TYPE_BYTES, Record, decode_record
from chatter.wire.seal import MAX_FRAME_BYTES, OVERHEAD_BYTES
from chatter.wire.varint import decode_varint, encode_varint

COMPRESSED, NAMES_SENDER = 1, 2

# The routing part may be no larger than a frame may be, so decompressing never yields more than
# what could have come uncompressed: a bomb gains nothing.
MAX_ROUTING_BYTES = MAX_FRAME_BYTES - OVERHEAD_BYTES - 1

# Below this LZ4 cannot win enough to pay for its call.
_WORTH_COMPRESSING = 96

# NetIDs that the records of a frame may name together. A run of three bytes names a whole table, so
# without this 64 KiB could unfold to gigabytes. What we send stays below a tenth of it, because
# queues count at least 16 bytes for each NetID.
MAX_NAMED_NETIDS = 1 << 17

LENGTH_BYTES = 4

# NetIDs of a frame whose table is remembered: a sender, an origin, those whom a head shall serve.
_FEW = 64

_make = tuple.__new__

# Of ``body_of_one``.
_last_one: tuple[Record | None, bytes] = None, b""

# What a stranger may make us buffer before the first frame has authenticated: a hello and room.
MAX_FIRST_FRAME_BYTES = 512


class Sender(NamedTuple):
    """Who sent a datagram, by its own word."""

    netid: NetID
    channel: int
    """Which of the sender's multicast sockets it left by; evidence is kept for each."""
    position: int = 0
    """What the datagrams with gossips or chunks that left by it have cost up to here, with this
    one: bytes and 768 for each. Receivers grant credit in it."""


class Start(NamedTuple):
    """How a routing part begins. Those of one sender, or connection, mostly begin alike."""

    data: bytes
    """The table, and who sends it on which channel."""
    table: tuple[NetID, ...]
    netid: NetID | None
    """None where it is not said, as on a connection."""
    channel: int


class Body(NamedTuple):
    """What a frame carries."""

    sender: Sender | None
    records: list[Record]
    unknown: int = 0
    """How many records were skipped because their type is not known here."""
    start: Start | None = None
    """How it began: for the next one's ``decode_body``."""


def encode_body(records: Sequence[Record], sender: Sender | None = None) -> bytes:
    """The body of a frame with these records.

    Raises:
        ValueError: they do not fit in a frame; whoever queues them sees to it that they do.
    """
    netids = [netid for record in records for netid in record.netids()]
    if sender is not None:
        netids.append(sender.netid)
    index: Mapping[NetID, int]
    if len(netids) <= _FEW:
        table, index = table_of_few(tuple(netids))
    else:
        table, index = encode_table(netids)
    parts = [table]
    if sender is not None:
        parts.append(encode_varint(index[sender.netid]))
        parts += (encode_varint(sender.channel), encode_varint(sender.position))
    compress = True
    for record in records:
        encoded = record.encode(index)
        parts += (TYPE_BYTES[type(record)], encode_varint(len(encoded)), encoded)
        if isinstance(record, CARRIERS) and not record.compress:
            compress = False
    routing = b"".join(parts)
    if len(routing) > MAX_ROUTING_BYTES:
        raise ValueError(f"{len(routing)} bytes do not fit in a frame")
    return packed(0 if sender is None else NAMES_SENDER, routing, compress)


def body_of_one(record: Record) -> bytes:
    """As ``encode_body`` with one record. Remembers the last: a broadcast that goes to many peers
    is the same record for each."""
    global _last_one
    last, body = _last_one
    if record is not last:
        body = encode_body((record,))
        _last_one = record, body
    return body


def packed(flags: int, routing: bytes, compress: bool) -> bytes:
    """The body around a routing part: compressed, where that may be and is worth it."""
    if compress and len(routing) >= _WORTH_COMPRESSING:
        block: bytes = lz4.block.compress(routing, store_size=False)
        if len(block) + 3 < len(routing):
            return bytes((flags | COMPRESSED,)) + encode_varint(len(routing)) + block
    return bytes((flags,)) + routing


def decode_body(body: bytes, known: Start | None = None) -> Body:
    """The records of a body that authenticated, all decoded before anybody acts on one.

    Args:
        known: how an earlier one of the same sender or connection began, to save decoding that.

    Raises:
        FrameError: whatever is wrong with the bytes. A raw size above the limit is refused before
            memory is taken for it.
    """
    if not body:
        raise Truncated("a body of nothing")
    flags = body[0]
    if flags & ~(COMPRESSED | NAMES_SENDER):
        raise FrameError("a body with flags of another version")
    data, pos = (decompress(body), 0) if flags & COMPRESSED else (body, 1)
    sender = None
    start = known
    if (
        start is not None
        and data.startswith(start.data, pos)
        and (start.netid is not None) == (flags & NAMES_SENDER > 0)
    ):
        pos += len(start.data)
    else:
        start, pos = _decode_start(data, pos, flags & NAMES_SENDER > 0)
    _, table, netid, channel = start
    if netid is not None:
        position, pos = decode_varint(data, pos)
        sender = _make(Sender, (netid, channel, position))
    records: list[Record] = []
    unknown = named = 0
    end = len(data)
    while pos < end:
        number, pos = data[pos], pos + 1
        if number > 127:
            number, pos = decode_varint(data, pos - 1)
        length, pos = decode_varint(data, pos)
        stop = pos + length
        if stop > end:
            raise Truncated(f"a record of {length} bytes, of which {end - pos} are there")
        record: Record | None
        if number == GOSSIP:  # as most are
            record = Gossip.from_bytes(data[pos:stop], table)
            named += 1 + len(record.distribution)
        else:
            record = decode_record(number, data[pos:stop], table)
            if record is None:
                unknown += 1
                pos = stop
                continue
            named += len(record.netids())
        records.append(record)
        pos = stop
        if named > MAX_NAMED_NETIDS:
            raise TooLarge(f"records that name more than {MAX_NAMED_NETIDS} NetIDs together")
    return _make(Body, (sender, records, unknown, start))


def _decode_start(data: bytes, pos: int, names_sender: bool) -> tuple[Start, int]:
    cursor = Cursor(data, pos)
    table = decode_table(cursor)
    netid, channel = None, 0
    if names_sender:
        netid = netid_at(table, cursor.varint())
        channel = cursor.varint()
    return Start(data[pos : cursor.position], table, netid, channel), cursor.position


def decompress(body: bytes) -> bytes:
    """The routing part of a body whose flags say that it is compressed.

    Raises:
        FrameError: whatever is wrong with the bytes.
    """
    size, pos = decode_varint(body, 1)
    if size > MAX_ROUTING_BYTES:
        raise TooLarge(f"a body that would decompress to {size} bytes")
    try:
        routing: bytes = lz4.block.decompress(body[pos:], uncompressed_size=size)
    except (lz4.block.LZ4BlockError, ValueError):
        raise FrameError("a damaged LZ4 block") from None
    if len(routing) != size:
        raise Truncated(f"a body of {len(routing)} bytes that promised {size}")
    return routing


def frame_on_stream(frame: bytes) -> bytes:
    """The frame behind its length."""
    return len(frame).to_bytes(LENGTH_BYTES, "big") + frame


class FrameReader:
    """Cuts a byte stream into frames, however the stream was cut into pieces.

    Holds at most one unfinished frame and the last piece fed. ``limit`` is checked against each
    length before a byte of that frame is kept; raise it when the peer has authenticated.
    """

    __slots__ = ("_buffer", "limit")

    def __init__(self, limit: int = MAX_FIRST_FRAME_BYTES) -> None:
        self._buffer = bytearray()
        self.limit = limit

    def feed(self, data: bytes) -> None:
        """Take the next piece of the stream."""
        self._buffer += data

    def only_frame(self, data: bytes) -> bytes | None:
        """The frame that is all of this piece, where nothing is buffered; else None, and then the
        piece is still to be fed. As most pieces are one frame."""
        length = len(data) - LENGTH_BYTES
        if (
            self._buffer
            or not OVERHEAD_BYTES <= length <= self.limit
            or int.from_bytes(data[:LENGTH_BYTES], "big") != length
        ):
            return None
        return data[LENGTH_BYTES:]

    def next_frame(self) -> bytes | None:
        """The next whole frame, or None until more was fed.

        Raises:
            TooLarge: the length is above the limit. The stream is useless from here on.
            Truncated: the length is below that of the smallest frame; likewise.
        """
        buffer = self._buffer
        if len(buffer) < LENGTH_BYTES:
            return None
        length = int.from_bytes(buffer[:LENGTH_BYTES], "big")
        if length > self.limit:
            buffer.clear()
            raise TooLarge(f"a frame of {length} bytes where {self.limit} are allowed")
        if length < OVERHEAD_BYTES:
            buffer.clear()
            raise Truncated(f"a frame of {length} bytes")
        end = LENGTH_BYTES + length
        if len(buffer) < end:
            return None
        frame = bytes(buffer[LENGTH_BYTES:end])
        del buffer[:end]
        return frame

    @property
    def buffered(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return len(self._buffer)
