"""The records of a frame besides the gossip: what nodes tell each other about themselves.

Each record is a value with ``netids()`` (what it needs in the frame's NetID table), ``encode`` and
``decode``. A type that is not known here is skipped, so versions can mix::

    type          bytes
    1 hello       flags (1): 1 has a challenge, 2 has an echo; challenge (16); echo (16);
                  multicast counter (varint), known epoch (8), receive buffer (varint)
    2 gossip      see gossip.py
    3 beacon      segment (index)
    4 seen ids    flags (1): 1 complete; count; each: channel (varint), NetIDs (index runs)
    5 other ids   count; each: NetID (index), life (16), age in tenths of a second (varint),
                  flags (1): 1 has left, 2 has a segment; segment (index, only with flag 2)
    6 probe       broadcast ids: count; each: origin (index), epoch (8), seqno (varint)
    7 want        broadcast ids
    8 leave       nothing
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from chatter.errors import FrameError, TooLarge
from chatter.ids import EPOCH_RANDOM_BITS, LIFE_BYTES, MAX_EPOCH, BroadcastID, NetID
from chatter.wire.cursor import Cursor
from chatter.wire.gossip import Gossip, netid_at
from chatter.wire.idtable import MAX_TABLE_ENTRIES, decode_indices, encode_indices
from chatter.wire.varint import encode_varint

CHALLENGE_BYTES = 16

# Above it there is no millisecond left for whoever is told to draw an epoch above it.
LAST_EPOCH_TO_FOLLOW = MAX_EPOCH - (1 << EPOCH_RANDOM_BITS)

# A NetID in the frame's table and its index, at worst; the loose half of every size bound.
_NETID_BOUND = 28
_ID_BOUND = _NETID_BOUND + 18


class Hello(NamedTuple):
    """First contact: asks for an echo, or gives one. Of its sender nothing is believed before."""

    challenge: bytes | None
    """16 random bytes that the receiver shall echo."""
    echo: bytes | None
    """The 16 bytes of the receiver's own challenge."""
    counter: int
    """The sender's current counter for datagrams: lower ones are old, whoever sends them now."""
    known_epoch: int
    """The newest epoch that the sender knows of the receiver's NetID, 0 if none."""
    buffer: int
    """Bytes of receive buffer that the operating system granted the sender."""

    def netids(self) -> Sequence[NetID]:
        return ()

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        flags = (self.challenge is not None) | (self.echo is not None) << 1
        return b"".join(
            (
                bytes((flags,)),
                self.challenge or b"",
                self.echo or b"",
                encode_varint(self.counter),
                self.known_epoch.to_bytes(8, "big"),
                encode_varint(self.buffer),
            )
        )

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Hello:
        flags = _flags(cursor, 3)
        hello = cls(
            cursor.take(CHALLENGE_BYTES) if flags & 1 else None,
            cursor.take(CHALLENGE_BYTES) if flags & 2 else None,
            cursor.varint(),
            cursor.uint(8),
            cursor.varint(),
        )
        if hello.known_epoch > LAST_EPOCH_TO_FOLLOW:
            raise FrameError("a known epoch that no epoch can follow")
        return hello

    def size_bound(self) -> int:
        return 64


class Beacon(NamedTuple):
    """A sign of life, and which segment its sender sees itself in."""

    segment: NetID
    """The lowest NetID of those that the sender hears and that hear the sender, itself included."""

    def netids(self) -> Sequence[NetID]:
        return (self.segment,)

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return encode_varint(index[self.segment])

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Beacon:
        return cls(netid_at(table, cursor.varint()))

    def size_bound(self) -> int:
        return _NETID_BOUND


class SeenIds(NamedTuple):
    """Whose multicasts the sender has lately heard, by the channel they were sent on."""

    heard: tuple[tuple[int, tuple[NetID, ...]], ...]
    complete: bool
    """Whether this is all: who is missing is not heard. Else a slice of a longer list."""

    def netids(self) -> Sequence[NetID]:
        return [netid for _, netids in self.heard for netid in netids]

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        parts = [bytes((self.complete,)), encode_varint(len(self.heard))]
        for channel, netids in self.heard:
            parts += (encode_varint(channel), encode_indices(index[netid] for netid in netids))
        return b"".join(parts)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> SeenIds:
        complete = bool(_flags(cursor, 1))
        heard = []
        named = 0
        for _ in range(_count(cursor)):
            heard.append((cursor.varint(), decode_indices(cursor, table)))
            named += len(heard[-1][1])
            if named > MAX_TABLE_ENTRIES:  # six bytes name a whole table: a few KB could name GBs
                raise TooLarge(f"seen ids that name more than {MAX_TABLE_ENTRIES} NetIDs")
        return cls(tuple(heard), complete)

    def size_bound(self) -> int:
        return 8 + sum(8 + _NETID_BOUND * len(netids) for _, netids in self.heard)


class OtherId(NamedTuple):
    """What the sender knows of one other node."""

    netid: NetID
    life: bytes
    age_ds: int
    """Tenths of a second since anybody heard it, as far as the sender knows."""
    left: bool
    """Whether it said that it leaves."""
    segment: NetID | None
    """The segment it said it is in, if that came this far."""


class OtherIds(NamedTuple):
    """What the sender knows of others: of each how long ago anybody heard it."""

    entries: tuple[OtherId, ...]

    def netids(self) -> Sequence[NetID]:
        named = [entry.netid for entry in self.entries]
        return named + [entry.segment for entry in self.entries if entry.segment is not None]

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        parts = [encode_varint(len(self.entries))]
        for netid, life, age_ds, left, segment in self.entries:
            parts += (encode_varint(index[netid]), life, encode_varint(age_ds))
            parts.append(bytes((left | (segment is not None) << 1,)))
            if segment is not None:
                parts.append(encode_varint(index[segment]))
        return b"".join(parts)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> OtherIds:
        entries = []
        for _ in range(_count(cursor)):
            netid = netid_at(table, cursor.varint())
            life = cursor.take(LIFE_BYTES)
            age_ds = cursor.varint()
            flags = _flags(cursor, 3)
            segment = netid_at(table, cursor.varint()) if flags & 2 else None
            entries.append(OtherId(netid, life, age_ds, bool(flags & 1), segment))
        return cls(tuple(entries))

    def size_bound(self) -> int:
        return 4 + len(self.entries) * OTHER_ID_BOUND


# Two NetIDs, a life, an age and flags.
OTHER_ID_BOUND = 2 * _NETID_BOUND + LIFE_BYTES + 6


class Probe(NamedTuple):
    """Asks whether these broadcasts, sent by multicast, were heard."""

    ids: tuple[BroadcastID, ...]

    def netids(self) -> Sequence[NetID]:
        return [broadcast.origin for broadcast in self.ids]

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return _encode_ids(self.ids, index)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Probe:
        return cls(_decode_ids(cursor, table))

    def size_bound(self) -> int:
        return 4 + _ID_BOUND * len(self.ids)


class Want(NamedTuple):
    """Asks for these broadcasts, which did not come: the answer to a probe."""

    ids: tuple[BroadcastID, ...]

    def netids(self) -> Sequence[NetID]:
        return [broadcast.origin for broadcast in self.ids]

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return _encode_ids(self.ids, index)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Want:
        return cls(_decode_ids(cursor, table))

    def size_bound(self) -> int:
        return 4 + _ID_BOUND * len(self.ids)


class Leave(NamedTuple):
    """The sender leaves: told, so that nobody has to infer it."""

    def netids(self) -> Sequence[NetID]:
        return ()

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return b""

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Leave:
        return cls()

    def size_bound(self) -> int:
        return 0


Record = Hello | Gossip | Beacon | SeenIds | OtherIds | Probe | Want | Leave

_TYPES: tuple[type[Record], ...] = (Hello, Gossip, Beacon, SeenIds, OtherIds, Probe, Want, Leave)
_NUMBER_OF = {kind: number for number, kind in enumerate(_TYPES, 1)}
_DECODER_OF: dict[int, Callable[[Cursor, Sequence[NetID]], Record]] = {
    number: kind.decode for kind, number in _NUMBER_OF.items()
}


def type_of(record: Record) -> int:
    """The type number of a record."""
    return _NUMBER_OF[type(record)]


def decode_record(number: int, data: bytes, table: Sequence[NetID]) -> Record | None:
    """The record of this type in these bytes, all of them; None for a type not known here.

    Raises:
        FrameError: whatever is wrong with the bytes.
    """
    decoder = _DECODER_OF.get(number)
    if decoder is None:
        return None
    cursor = Cursor(data)
    record = decoder(cursor, table)
    cursor.finish()
    return record


def _flags(cursor: Cursor, known: int) -> int:
    flags = cursor.byte()
    if flags & ~known:
        raise FrameError("a record with flags of another version")
    return flags


def _count(cursor: Cursor) -> int:
    """A number of entries that can be there: each takes a byte at least."""
    count = cursor.varint()
    if count > cursor.remaining:
        raise TooLarge(f"{count} entries in {cursor.remaining} bytes")
    return count


def _encode_ids(ids: Sequence[BroadcastID], index: Mapping[NetID, int]) -> bytes:
    parts = [encode_varint(len(ids))]
    for origin, epoch, seqno in ids:
        parts += (encode_varint(index[origin]), epoch.to_bytes(8, "big"), encode_varint(seqno))
    return b"".join(parts)


def _decode_ids(cursor: Cursor, table: Sequence[NetID]) -> tuple[BroadcastID, ...]:
    return tuple(
        BroadcastID(netid_at(table, cursor.varint()), cursor.uint(8), cursor.varint())
        for _ in range(_count(cursor))
    )
