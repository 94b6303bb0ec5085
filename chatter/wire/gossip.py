"""A gossip: one broadcast on its way, and its encoding around a payload that travels verbatim.

::

    gossip  = flags (1): 1 to everyone, 2 do not compress, 4 has a revision; codec in bits 4 and 5
              origin (index), epoch (8), seqno (varint)
              number (varint, only with flag 1), revision (varint, only with flag 4)
              hop (varint), distribution list (index runs), tag (length, UTF-8), payload (the rest)
    payload = NetID table, body

The payload is encoded once, at the origin, with a NetID table of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chatter.errors import FrameError
from chatter.ids import BroadcastID, NetID
from chatter.wire.cursor import Cursor
from chatter.wire.idtable import decode_indices, decode_table, encode_indices, encode_table
from chatter.wire.varint import encode_varint

CODECS = ("json", "bytes", "own")
MAX_TAG_BYTES = 255  # a tag is a name that is written into every gossip, not a text
# Halving reaches 2^64 nodes in 64 hops; a gossip that has made more runs in a circle.
MAX_HOPS = 64

_TO_EVERYONE, _PLAIN, _REVISED = 1, 2, 4
_CODEC_SHIFT = 4
_KNOWN_FLAGS = _TO_EVERYONE | _PLAIN | _REVISED | 3 << _CODEC_SHIFT


class Gossip(NamedTuple):
    """One broadcast on its way."""

    id: BroadcastID
    tag: str
    codec: str
    """How the body is encoded: one of CODECS. A receiver without a handler knows by it."""
    payload: bytes
    """NetID table and body, as the origin encoded them."""
    number: int = 0
    """To everyone: its gapless number among the origin's broadcasts to everyone. Else 0."""
    hop: int = 1
    """How many times it was handed on: 1 straight from the origin."""
    distribution: tuple[NetID, ...] = ()
    """Whom the receiver is asked to serve. On a multicast: who of those that hear it shall take it
    (nobody is named where it goes to everyone)."""
    revision: int = 0
    """How many handlers have replaced its body on the way."""
    compress: bool = True
    """Whether the frame around it may be compressed."""

    @property
    def to_everyone(self) -> bool:
        """Whether every member that gets it takes it."""
        return self.number > 0

    def netids(self) -> Sequence[NetID]:
        """What it needs in the NetID table of its frame."""
        return (self.id.origin, *self.distribution)

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        """The record's bytes, given the index of each NetID in the table of the frame."""
        origin, epoch, seqno = self.id
        tag = self.tag.encode()
        flags = (
            (_TO_EVERYONE if self.number else 0)
            | (0 if self.compress else _PLAIN)
            | (_REVISED if self.revision else 0)
            | CODECS.index(self.codec) << _CODEC_SHIFT
        )
        return b"".join(
            (
                bytes((flags,)),
                encode_varint(index[origin]),
                epoch.to_bytes(8, "big"),
                encode_varint(seqno),
                encode_varint(self.number) if self.number else b"",
                encode_varint(self.revision) if self.revision else b"",
                encode_varint(self.hop),
                encode_indices(index[netid] for netid in self.distribution),
                encode_varint(len(tag)),
                tag,
                self.payload,
            )
        )

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Gossip:
        """The gossip at the cursor, which holds this record and nothing else.

        Raises:
            FrameError: whatever is wrong with the bytes.
        """
        flags = cursor.byte()
        codec = flags >> _CODEC_SHIFT & 3
        if flags & ~_KNOWN_FLAGS or codec >= len(CODECS):
            raise FrameError("a gossip with flags of another version")
        origin = netid_at(table, cursor.varint())
        epoch = cursor.uint(8)
        seqno = cursor.varint()
        number = cursor.varint() if flags & _TO_EVERYONE else 0
        revision = cursor.varint() if flags & _REVISED else 0
        hop = cursor.varint()
        if not seqno or not 0 < hop <= MAX_HOPS:
            raise FrameError("a gossip with an impossible seqno or hop")
        if (flags & _TO_EVERYONE and not number) or (flags & _REVISED and not revision):
            raise FrameError("a gossip with a number or revision of zero")
        distribution = decode_indices(cursor, table)
        tag = cursor.text()
        if not tag or len(tag.encode()) > MAX_TAG_BYTES:
            raise FrameError("a gossip with an empty or too long tag")
        return cls(
            BroadcastID(origin, epoch, seqno),
            tag,
            CODECS[codec],
            cursor.rest(),
            number,
            hop,
            distribution,
            revision,
            not flags & _PLAIN,
        )

    def size_bound(self) -> int:
        """An upper bound of what the record adds to a frame.

        Each NetID of the list may cost a table entry and a run of its own; the bound is loose, so
        that it needs no table to be built.
        """
        wide = any(":" in netid.ip for netid in self.netids())
        each = 28 if wide else 16
        return len(self.payload) + 64 + 4 * len(self.tag) + each * (1 + len(self.distribution))


def encode_payload(netids: Sequence[NetID], body: bytes) -> bytes:
    """A payload whose NetID table is already known to fit the body."""
    return encode_table(netids)[0] + body


def split_payload(payload: bytes) -> tuple[dict[int, NetID], bytes]:
    """The NetIDs by index, as ``decode_with`` wants them, and the body's bytes.

    Raises:
        FrameError: the table is damaged.
    """
    if payload[:2] == b"\0\0":  # no NetIDs, as in nearly every broadcast
        return {}, payload[2:]
    cursor = Cursor(payload)
    table = decode_table(cursor)
    return dict(enumerate(table)), cursor.rest()


def netid_at(table: Sequence[NetID], position: int) -> NetID:
    """The NetID with this index.

    Raises:
        FrameError: the table is shorter.
    """
    if position >= len(table):
        raise FrameError("an index that the NetID table does not have")
    return table[position]
