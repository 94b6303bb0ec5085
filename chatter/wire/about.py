"""What nodes tell about themselves and each other: first contact, signs of life, who is here.

::

    hello       flags (1): 1 has a challenge, 2 has an echo; challenge (16); echo (16);
                multicast counter (varint), known epoch (8), receive buffer (varint), since (varint)
    beacon      segment (index)
    seen ids    flags (1): 1 complete; count; each: channel (varint), NetIDs (index runs)
    other ids   count; each: NetID (index), life (16), age in tenths of a second (varint),
                flags (1): 1 has left, 2 has a segment; segment (index, only with flag 2)
    leave       nothing
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from chatter.errors import FrameError, TooLarge
from chatter.ids import EPOCH_RANDOM_BITS, LIFE_BYTES, MAX_EPOCH, NetID
from chatter.wire.cursor import Cursor
from chatter.wire.fields import (
    EPOCH_BYTES,
    NETID_BOUND,
    VARINT_BOUND,
    decode_count,
    decode_flags,
    netid_at,
)
from chatter.wire.idtable import MAX_TABLE_ENTRIES, decode_indices, encode_indices
from chatter.wire.varint import encode_varint

CHALLENGE_BYTES = 16

# Above it there is no millisecond left for whoever is told to draw an epoch above it.
LAST_EPOCH_TO_FOLLOW = MAX_EPOCH - (1 << EPOCH_RANDOM_BITS)


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
    since: int = 0
    """The sender's number when it admitted the receiver, which asks for nothing at or below."""

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
                self.known_epoch.to_bytes(EPOCH_BYTES, "big"),
                encode_varint(self.buffer),
                encode_varint(self.since),
            )
        )

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Hello:
        flags = decode_flags(cursor, 3)
        hello = cls(
            cursor.take(CHALLENGE_BYTES) if flags & 1 else None,
            cursor.take(CHALLENGE_BYTES) if flags & 2 else None,
            cursor.varint(),
            cursor.uint(EPOCH_BYTES),
            cursor.varint(),
            cursor.varint(),
        )
        if hello.known_epoch > LAST_EPOCH_TO_FOLLOW:
            raise FrameError("a known epoch that no epoch can follow")
        return hello

    def size_bound(self) -> int:
        return 1 + 2 * CHALLENGE_BYTES + EPOCH_BYTES + 3 * VARINT_BOUND


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
        return NETID_BOUND


class SeenIds(NamedTuple):
    """Whose multicasts the sender has lately heard, by the channel they were sent on."""

    heard: tuple[tuple[int, tuple[NetID, ...]], ...]
    complete: bool
    """Whether this is all: who is missing is not heard. Else a slice of a longer list."""

    def netids(self) -> Sequence[NetID]:
        return list(chain.from_iterable(netids for _, netids in self.heard))

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        parts = [bytes((self.complete,)), encode_varint(len(self.heard))]
        for channel, netids in self.heard:
            parts += (encode_varint(channel), encode_indices(index[netid] for netid in netids))
        return b"".join(parts)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> SeenIds:
        complete = bool(decode_flags(cursor, 1))
        heard = []
        named = 0
        for _ in range(decode_count(cursor)):
            heard.append((cursor.varint(), decode_indices(cursor, table)))
            named += len(heard[-1][1])
            if named > MAX_TABLE_ENTRIES:  # six bytes name a whole table: a few KB could name GBs
                raise TooLarge(f"seen ids that name more than {MAX_TABLE_ENTRIES} NetIDs")
        return cls(tuple(heard), complete)

    def size_bound(self) -> int:
        return 8 + sum(8 + NETID_BOUND * len(netids) for _, netids in self.heard)


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
        for _ in range(decode_count(cursor)):
            netid = netid_at(table, cursor.varint())
            life = cursor.take(LIFE_BYTES)
            age_ds = cursor.varint()
            flags = decode_flags(cursor, 3)
            segment = netid_at(table, cursor.varint()) if flags & 2 else None
            entries.append(OtherId(netid, life, age_ds, bool(flags & 1), segment))
        return cls(tuple(entries))

    def size_bound(self) -> int:
        return 4 + len(self.entries) * OTHER_ID_BOUND


# Two NetIDs, a life, an age and flags.
OTHER_ID_BOUND = 2 * NETID_BOUND + LIFE_BYTES + 6


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
