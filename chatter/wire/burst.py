"""A burst: broadcasts of one origin that follow each other, as one record.

Whoever broadcasts often mostly repeats itself: the same origin and tag, the next number. A burst
says that once for all of them, and whoever takes or passes it on looks at it once::

    burst = flags (1): 2 do not compress, 4 bodies of one size; codec in bits 4 and 5
            origin (index), epoch (8), seqno of the first (varint), number of the first (varint)
            how many (varint, 2 to 1024)
            hop (varint), distribution list (index runs), tag (length, UTF-8), payload (the rest)
    payload = size of each body (2, big-endian), with flag 4 one for all and not 0; the bodies

Each is to everyone, is not to be confirmed, and names no NetIDs; the others travel alone, as
gossips. The payload is put together once, at the origin, and travels verbatim.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from chatter.errors import FrameError, Truncated
from chatter.ids import BroadcastID, NetID
from chatter.wire.cursor import Cursor
from chatter.wire.fields import netid_at
from chatter.wire.gossip import (
    CODECS,
    MAX_HOPS,
    MAX_TAG_BYTES,
    NO_NETIDS,
    Gossip,
    bound_of,
    list_bound,
)
from chatter.wire.idtable import decode_indices, encode_indices
from chatter.wire.varint import encode_varint

SIZE_BYTES = 2
MAX_BODY_BYTES = (1 << 8 * SIZE_BYTES) - 1

# More than a sender puts into one, as each is charged 64 bytes of credit. A few hundred bytes of a
# compressed frame could otherwise stand for as many as a frame has bytes.
MAX_BROADCASTS = 1024

_PLAIN, _ONE_SIZE = 2, 4
_CODEC_SHIFT = 4
_CODEC_BITS = 3 << _CODEC_SHIFT

# Besides payload, tag and NetIDs: flags, epoch, seqno, number, how many, hop, count of runs and
# length of the tag are 38 bytes at most.
_FIXED_BOUND = 40


class Burst(NamedTuple):
    """Several broadcasts on their way. Where it is handled as a gossip is, it reads like one."""

    id: BroadcastID
    """That of the first; the others' seqnos follow it."""
    tag: str
    codec: str
    payload: bytes
    """The sizes and the bodies, as the origin put them together."""
    number: int
    """The first one's number among the origin's broadcasts to everyone; the others' follow it."""
    many: int
    """How many broadcasts it is."""
    one_size: bool
    """Whether its bodies have one size, which is then written once."""
    hop: int = 1
    distribution: tuple[NetID, ...] = ()
    compress: bool = True

    # What a gossip may be, and a burst is not.

    @property
    def to_everyone(self) -> bool:
        """Always."""
        return True

    @property
    def large(self) -> bool:
        """Never: it fits in a frame."""
        return False

    @property
    def size(self) -> int:
        """Bytes that follow in chunks: none."""
        return 0

    @property
    def confirm_ms(self) -> int:
        """Milliseconds that are left for answers: nobody answers."""
        return 0

    @property
    def last_number(self) -> int:
        """The number of the last one."""
        return self.number + self.many - 1

    def served(self, hop: int, distribution: tuple[NetID, ...]) -> Burst:
        """The same at another hop, with another list."""
        return self._replace(hop=hop, distribution=distribution)

    def bodies(self) -> list[bytes]:
        """Each broadcast's body."""
        payload, many = self.payload, self.many
        if self.one_size:
            size = payload[0] << 8 | payload[1]
            return [
                payload[start : start + size]
                for start in range(SIZE_BYTES, SIZE_BYTES + many * size, size)
            ]
        sizes = struct.unpack_from(f">{many}H", payload)
        stops = accumulate(sizes, initial=SIZE_BYTES * many)
        return [payload[start:stop] for start, stop in pairwise(stops)]

    def gossips(self, positions: Sequence[int] | None = None) -> Iterator[Gossip]:
        """The broadcasts one by one, each as it would travel alone; all, or those at positions."""
        bodies = self.bodies()
        for position in range(self.many) if positions is None else positions:
            yield self._alone(position, bodies[position])

    def gossip(self, position: int) -> Gossip:
        """The broadcast at a position, as it would travel alone. The others are not looked at."""
        payload = self.payload
        if self.one_size:
            size = payload[0] << 8 | payload[1]
            start = SIZE_BYTES + position * size
        else:
            sizes = struct.unpack_from(f">{position + 1}H", payload)
            size = sizes[position]
            start = SIZE_BYTES * self.many + sum(sizes) - size
        return self._alone(position, payload[start : start + size])

    def part(self, start: int, stop: int) -> Broadcasts:
        """The broadcasts from one position up to another; one alone is a gossip."""
        (part,) = self.stretches(((start, stop),))
        return part

    def stretches(self, spans: Iterable[tuple[int, int]]) -> list[Broadcasts]:
        """As ``part``, for any number of spans: the burst is taken apart once for all of them."""
        spans = list(spans)
        if spans == [(0, self.many)]:
            return [self]
        bodies = self.bodies()
        return [self._stretch(start, bodies[start:stop]) for start, stop in spans]

    def _stretch(self, start: int, bodies: Sequence[bytes]) -> Broadcasts:
        if len(bodies) == 1:
            return self._alone(start, bodies[0])
        origin, epoch, seqno = self.id
        payload, one_size = encode_bodies(bodies)
        return self._replace(
            id=BroadcastID(origin, epoch, seqno + start),
            number=self.number + start,
            payload=payload,
            many=len(bodies),
            one_size=one_size,
        )

    def least_bound(self) -> int:
        """An upper bound of the ``size_bound`` that each single one has, without a list."""
        payload = self.payload
        if self.one_size:
            largest = payload[0] << 8 | payload[1]
        else:
            largest = max(struct.unpack_from(f">{self.many}H", payload))
        return bound_of(len(NO_NETIDS) + largest, self.tag, self.id.origin)

    def parts(self, most_bytes: int) -> list[Broadcasts]:
        """The same broadcasts in pieces whose ``size_bound`` is at most so much each.

        A body that is too large for that goes alone.
        """
        bound = self.size_bound()
        if bound <= most_bytes:
            return [self]
        room = most_bytes - (bound - len(self.payload))
        bodies = self.bodies()
        parts: list[Broadcasts] = []
        start = used = 0
        for position, body in enumerate(bodies):
            cost = SIZE_BYTES + len(body)
            if used + cost > room and position > start:
                parts.append(self._stretch(start, bodies[start:position]))
                start, used = position, 0
            used += cost
        parts.append(self._stretch(start, bodies[start:]))
        return parts

    def netids(self) -> Sequence[NetID]:
        """What it needs in the NetID table of its frame."""
        return (self.id.origin, *self.distribution)

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        """The record's bytes, given the index of each NetID in the table of the frame."""
        origin, epoch, seqno = self.id
        flags = CODECS.index(self.codec) << _CODEC_SHIFT
        if not self.compress:
            flags |= _PLAIN
        if self.one_size:
            flags |= _ONE_SIZE
        name = self.tag.encode()
        return b"".join(
            (
                bytes((flags,)),
                encode_varint(index[origin]),
                epoch.to_bytes(8, "big"),
                encode_varint(seqno),
                encode_varint(self.number),
                encode_varint(self.many),
                encode_varint(self.hop),
                encode_indices([index[netid] for netid in self.distribution]),
                encode_varint(len(name)),
                name,
                self.payload,
            )
        )

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Burst:
        """The burst at the cursor, which holds this record and nothing else.

        Raises:
            FrameError: whatever is wrong with the bytes.
        """
        flags = cursor.byte()
        codec = flags >> _CODEC_SHIFT & 3
        if flags & ~(_PLAIN | _ONE_SIZE | _CODEC_BITS) or codec >= len(CODECS):
            raise FrameError("a burst with flags of another version")
        origin = netid_at(table, cursor.varint())
        epoch = cursor.uint(8)
        seqno = cursor.varint()
        number = cursor.varint()
        many = cursor.varint()
        hop = cursor.varint()
        if not seqno or not number or not 0 < hop <= MAX_HOPS:
            raise FrameError("a burst with an impossible seqno, number or hop")
        if not 1 < many <= MAX_BROADCASTS:
            raise FrameError(f"a burst of {many} broadcasts")
        if (max(seqno, number) + many) >> 64:
            raise FrameError("a burst that counts beyond 64 bits")
        distribution = decode_indices(cursor, table)
        tag = cursor.text()
        if not tag or len(tag.encode()) > MAX_TAG_BYTES:
            raise FrameError("a burst with an empty or too long tag")
        payload = cursor.rest()
        one_size = bool(flags & _ONE_SIZE)
        _check_sizes(payload, many, one_size)
        return cls(
            BroadcastID(origin, epoch, seqno),
            tag,
            CODECS[codec],
            payload,
            number,
            many,
            one_size,
            hop,
            distribution,
            not flags & _PLAIN,
        )

    def _alone(self, position: int, body: bytes) -> Gossip:
        origin, epoch, seqno = self.id
        return Gossip(
            BroadcastID(origin, epoch, seqno + position),
            self.tag,
            self.codec,
            NO_NETIDS + body,
            self.number + position,
            self.hop,
            self.distribution,
            0,
            self.compress,
        )

    def size_bound(self) -> int:
        """An upper bound of what the record adds to a frame."""
        origin = self.id.origin
        listed = list_bound(origin, self.distribution)
        return len(self.payload) + head_bound(self.tag, origin) + listed


Broadcasts = Gossip | Burst
"""What carries broadcasts: one, or several that follow each other."""


def head_bound(tag: str, origin: NetID) -> int:
    """An upper bound of what a burst takes besides sizes, bodies and its list."""
    return _FIXED_BOUND + len(tag.encode()) + list_bound(origin, (origin,))


def encode_bodies(bodies: Sequence[bytes]) -> tuple[bytes, bool]:
    """The payload of a burst with these bodies, and whether they have one size.

    Each is at most MAX_BODY_BYTES long.
    """
    sizes = list(map(len, bodies))
    one_size = 0 < sizes[0] == min(sizes) == max(sizes)
    head = struct.pack(">H", sizes[0]) if one_size else struct.pack(f">{len(sizes)}H", *sizes)
    return b"".join((head, *bodies)), one_size


def _check_sizes(payload: bytes, many: int, one_size: bool) -> None:
    head = SIZE_BYTES if one_size else SIZE_BYTES * many
    if len(payload) < head:
        raise Truncated("a burst that ends inside its sizes")
    if one_size:
        bodies = many * (payload[0] << 8 | payload[1])
        if not bodies:  # or a few bytes could stand for any number of broadcasts
            raise FrameError("a burst of nothing but its count")
    else:
        bodies = sum(struct.unpack_from(f">{many}H", payload))
    if head + bodies != len(payload):
        raise FrameError(
            f"a burst whose bodies take {bodies} bytes, and which has {len(payload) - head}"
        )
