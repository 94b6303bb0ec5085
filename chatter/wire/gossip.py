"""A gossip: one broadcast on its way, and its encoding around a payload that travels verbatim.

::

    gossip  = flags (1): 1 to everyone, 2 do not compress, 4 has a revision, 8 is large,
              64 is confirmed, 128 comes after a number; codec in bits 4 and 5
              origin (index), epoch (8), seqno (varint)
              number (varint, only with flag 1), revision (varint, only with flag 4)
              size times 2, plus 1 if its chunks come only when asked for (varint, only with flag 8)
              milliseconds left (varint, only with flag 64), after (varint, only with flag 128)
              hop (varint), distribution list (index runs), tag (length, UTF-8), payload (the rest)
    payload = NetID table, body

The payload is encoded once, at the origin, with a NetID table of its own. One that no frame holds
follows in chunks, and the gossip is their header: it has the size and no payload.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from chatter.errors import FrameError, TooLarge, Truncated
from chatter.ids import BroadcastID, NetID
from chatter.wire.cursor import Cursor
from chatter.wire.fields import NETID_BOUND, netid_at
from chatter.wire.idtable import decode_indices, decode_table, encode_indices, encode_table
from chatter.wire.varint import MAX_BITS, decode_varint, encode_varint

CODECS = ("json", "bytes", "own")
MAX_TAG_BYTES = 255  # a tag is a name that is written into every gossip, not a text
# The table in front of a body that names no NetIDs, as in nearly every broadcast.
NO_NETIDS = b"\0\0"
# Halving reaches 2^64 nodes in 64 hops; a gossip that has made more runs in a circle.
MAX_HOPS = 64
# 2^32 bytes: far above what any node is configured to take, and still five bytes in a varint.
MAX_SIZE_BITS = 32
# 49 days: no timer overflows, however far away a deadline is said to be.
MS_BITS = 32

_NEEDLESS = "a gossip with a field of zero that need not be there"

_make = tuple.__new__

_TO_EVERYONE, _PLAIN, _REVISED, _LARGE, _CONFIRMED, _AFTER = 1, 2, 4, 8, 64, 128
_RARE = _REVISED | _LARGE | _CONFIRMED | _AFTER
_CODEC_SHIFT = 4
_FLAGS_OF_CODEC = {codec: number << _CODEC_SHIFT for number, codec in enumerate(CODECS)}

# What an IPv4 address costs, as NETID_BOUND is for IPv6: its table entry, and its index or a run.
_IPV4_BOUND = 16

# Besides payload, tag and NetIDs: flags, epoch, seqno, number or after, revision, size,
# milliseconds, hop, count of runs and length of the tag are 55 bytes at most.
_FIXED_BOUND = 64


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
    confirm_ms: int = 0
    """Confirmed: milliseconds that are left for the answers. Else 0."""
    after: int = 0
    """To some: the origin's number when it was sent, for who keeps the order. Else 0."""
    size: int = 0
    """Large: bytes of the payload, which follows in chunks. Else 0."""
    pull: bool = False
    """Large: whether chunks come only when they are asked for."""

    @property
    def large(self) -> bool:
        """Whether it is the header of a payload that follows in chunks."""
        return self.size > 0

    @property
    def to_everyone(self) -> bool:
        """Whether every member that gets it takes it."""
        return self.number > 0

    @property
    def many(self) -> int:
        """How many broadcasts it is: one."""
        return 1

    @property
    def last_number(self) -> int:
        """Its number: a burst has several."""
        return self.number

    def served(self, hop: int, distribution: tuple[NetID, ...]) -> Gossip:
        """The same at another hop, with another list: as ``_replace``, which takes far longer."""
        return _make(Gossip, (*self[:5], hop, distribution, *self[7:]))

    def gossips(self) -> tuple[Gossip]:
        """Itself: a burst has several."""
        return (self,)

    def least_bound(self) -> int:
        """The ``size_bound`` that it has without its list."""
        return bound_of(len(self.payload), self.tag, self.id.origin)

    def parts(self, most_bytes: int) -> tuple[Gossip]:
        """Itself: it cannot be divided."""
        return (self,)

    def netids(self) -> Sequence[NetID]:
        """What it needs in the NetID table of its frame."""
        return (self.id.origin, *self.distribution)

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        """The record's bytes, given the index of each NetID in the table of the frame."""
        (
            (origin, epoch, seqno),
            tag,
            _,
            payload,
            number,
            hop,
            distribution,
            revision,
            _,
            confirm_ms,
            after,
            size,
            pull,
        ) = self
        flags = _flags_of(self)
        optional = encode_varint(number) if number else b""
        if revision:
            flags |= _REVISED
            optional += encode_varint(revision)
        if size:
            flags |= _LARGE
            optional += encode_varint(size * 2 + pull)
        if confirm_ms:
            flags |= _CONFIRMED
            optional += encode_varint(confirm_ms)
        if after:
            flags |= _AFTER
            optional += encode_varint(after)
        name = tag.encode()
        return b"".join(
            (
                bytes((flags,)),
                encode_varint(index[origin]),
                epoch.to_bytes(8, "big"),
                encode_varint(seqno),
                optional,
                encode_varint(hop),
                encode_indices([index[netid] for netid in distribution]) if distribution else b"\0",
                encode_varint(len(name)),
                name,
                payload,
            )
        )

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Gossip:
        """The gossip at the cursor, which holds this record and nothing else.

        Raises:
            FrameError: whatever is wrong with the bytes.
        """
        return cls.from_bytes(cursor.rest(), table)

    @classmethod
    def from_bytes(cls, data: bytes, table: Sequence[NetID]) -> Gossip:
        """The gossip in these bytes, all of them.

        Nearly every frame has one, and most are small: so the usual fields are read in place, where
        other records use a Cursor.

        Raises:
            FrameError: whatever is wrong with the bytes.
        """
        try:
            flags, index, pos = data[0], data[1], 10
            if index > 127:
                index, pos = decode_varint(data, 1)
                pos += 8
            codec = flags >> _CODEC_SHIFT & 3
            if codec >= len(CODECS):
                raise FrameError("a gossip with flags of another version")
            origin = netid_at(table, index)
            epoch = int.from_bytes(data[pos - 8 : pos], "big")
            seqno = data[pos]
            pos += 1
            if seqno > 127:
                seqno, pos = decode_varint(data, pos - 1)
            number = revision = sized = confirm_ms = after = 0
            if flags & _TO_EVERYONE:
                number = data[pos]
                pos += 1
                if number > 127:
                    number, pos = decode_varint(data, pos - 1)
                elif not number:
                    raise FrameError(_NEEDLESS)
            if flags & _RARE:
                rest = Cursor(data, pos)
                revision = _present(rest) if flags & _REVISED else 0
                sized = _present(rest, MAX_SIZE_BITS + 2) if flags & _LARGE else 0
                confirm_ms = _present(rest, MS_BITS) if flags & _CONFIRMED else 0
                after = _present(rest) if flags & _AFTER else 0
                if sized == 1:
                    raise FrameError("a large gossip of nothing")
                if sized >> 1 > 1 << MAX_SIZE_BITS:
                    raise TooLarge("a gossip of a payload beyond any that can be")
                if number and after:
                    raise FrameError("a gossip with a number that comes after another")
                pos = rest.position
            hop = data[pos]  # of more than a byte there is none
            pos += 1
            if not seqno or not 0 < hop <= MAX_HOPS:
                raise FrameError("a gossip with an impossible seqno or hop")
            distribution: tuple[NetID, ...] = ()
            if data[pos]:
                rest = Cursor(data, pos)
                distribution = decode_indices(rest, table)
                pos = rest.position
            else:  # nobody is asked to serve others: usual
                pos += 1
            size = data[pos]
            pos += 1
            if size > 127:
                size, pos = decode_varint(data, pos - 1)
            name = data[pos : pos + size]
            if len(name) != size or not 0 < size <= MAX_TAG_BYTES:
                raise FrameError("a gossip with an empty, cut or too long tag")
            pos += size
            if sized and pos < len(data):
                raise FrameError("a large gossip with a payload")
            # Past __new__, which takes three times as long: every field is there, in its order.
            return _make(
                cls,
                (
                    _make(BroadcastID, (origin, epoch, seqno)),
                    decode_tag(name),
                    CODECS[codec],
                    data[pos:],
                    number,
                    hop,
                    distribution,
                    revision,
                    not flags & _PLAIN,
                    confirm_ms,
                    after,
                    sized >> 1,
                    bool(sized & 1),
                ),
            )
        except IndexError:
            raise Truncated("a gossip that ends too early") from None

    def size_bound(self) -> int:
        """An upper bound of what the record adds to a frame.

        Each NetID of the list may cost a table entry and a run of its own; the bound is loose, so
        that it needs no table to be built.
        """
        (origin, _, _), tag, _, payload, _, _, distribution, *_ = self
        bound = bound_of(len(payload), tag, origin)
        return bound + list_bound(origin, distribution) if distribution else bound


def _flags_of(gossip: Gossip) -> int:
    """Its flags without those of rare fields."""
    flags = _FLAGS_OF_CODEC[gossip.codec]
    if gossip.number:
        flags |= _TO_EVERYONE
    if not gossip.compress:
        flags |= _PLAIN
    return flags


def bytes_before_seqno(gossip: Gossip, origin: int) -> bytes:
    """What stands before the seqno of a gossip without rare fields.

    Args:
        origin: its index in the table of the frame.
    """
    epoch = gossip.id.epoch.to_bytes(8, "big")
    return bytes((_flags_of(gossip),)) + encode_varint(origin) + epoch


def bytes_after_number(gossip: Gossip) -> bytes:
    """What stands between the number and the payload of a gossip that asks nobody to serve."""
    name = gossip.tag.encode()
    return encode_varint(gossip.hop) + b"\0" + encode_varint(len(name)) + name


@lru_cache(maxsize=1024)
def decode_tag(name: bytes) -> str:
    """A tag from its bytes. The same few come with every broadcast, and are then one text each.

    Raises:
        FrameError: not UTF-8.
    """
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise FrameError("a tag that is not UTF-8") from None


def _present(cursor: Cursor, max_bits: int = MAX_BITS) -> int:
    """A number that a flag announced: 0 would have been said without it."""
    value = cursor.varint(max_bits)
    if not value:
        raise FrameError(_NEEDLESS)
    return value


def bound_of(payload_bytes: int, tag: str, origin: NetID) -> int:
    """The ``size_bound`` of a gossip without a list."""
    listed = NETID_BOUND if ":" in origin.ip else _IPV4_BOUND
    return payload_bytes + _FIXED_BOUND + 4 * len(tag) + listed


def list_bound(origin: NetID, distribution: Sequence[NetID]) -> int:
    """What a distribution list costs at most, as entries of the frame's table and as runs."""
    if not distribution:
        return 0
    ipv6 = ":" in origin.ip or any(":" in netid.ip for netid in distribution)
    return len(distribution) * (NETID_BOUND if ipv6 else _IPV4_BOUND)


def encode_payload(netids: Sequence[NetID], body: bytes) -> bytes:
    """A payload whose NetID table is already known to fit the body."""
    return encode_table(netids)[0] + body


def split_payload(payload: bytes) -> tuple[dict[int, NetID], bytes]:
    """The NetIDs by index, as ``decode_with`` wants them, and the body's bytes.

    Raises:
        FrameError: the table is damaged.
    """
    if payload[:2] == NO_NETIDS:
        return {}, payload[2:]
    cursor = Cursor(payload)
    table = decode_table(cursor)
    return dict(enumerate(table)), cursor.rest()
