"""What the lone messages of a sender have in common, so that only what differs is read of each.

A lone message is the only record of its frame: a gossip to everyone that asks nobody to serve
others. From one to the next its seqno, its number and its payload change, and of a datagram the
position. All else stays, as long as they come from one origin, by one way and under one tag:
comparing these bytes takes less than reading them again.
"""

from __future__ import annotations

from chatter.ids import BroadcastID
from chatter.wire.frame import COMPRESSED, NAMES_SENDER, Start, decompress, packed
from chatter.wire.gossip import Gossip, bytes_after_number, bytes_before_seqno
from chatter.wire.records import TYPE_BYTES
from chatter.wire.varint import decode_varint, encode_varint

_make = tuple.__new__
_GOSSIP = TYPE_BYTES[Gossip]


class Alike:
    """How the lone messages of a sender look.

    Args:
        start: how their frames begin.
        gossip: one of them.
    """

    __slots__ = (
        "_after", "_before", "_compress", "_epoch", "_flags", "_names", "_origin", "_start",
        "_tail",
    )  # fmt: skip

    def __init__(self, start: Start, gossip: Gossip) -> None:
        index = start.table.index(gossip.id.origin)
        self._flags = 0 if start.netid is None else NAMES_SENDER
        self._start = start.data
        self._before = bytes_before_seqno(gossip, index)
        self._after = bytes_after_number(gossip)
        self._origin, self._epoch, _ = gossip.id
        self._names = gossip.tag, gossip.codec
        self._tail = gossip[5:]
        self._compress = gossip.compress

    @staticmethod
    def can_be(gossip: Gossip) -> bool:
        """Whether it is a lone message, with nothing about it that is rare."""
        return bool(gossip.number) and gossip[6:8] == ((), 0) and gossip[9:] == (0, 0, 0, False)

    def write(self, position: int, seqno: int, number: int, payload: bytes) -> bytes:
        """The body of a frame with another message that looks like the others.

        Args:
            position: of a datagram, which alone says it.
        """
        fields = (
            self._before, encode_varint(seqno), encode_varint(number), self._after, payload,
        )  # fmt: skip
        record = b"".join(fields)
        stands = encode_varint(position) if self._flags else b""
        head = self._start + stands + _GOSSIP + encode_varint(len(record))
        return packed(self._flags, head + record, self._compress)

    def read(self, body: bytes) -> tuple[int, Gossip] | None:
        """The position and the gossip of a body that looks like the others; None if it does not.

        On a connection the position is 0.

        Raises:
            FrameError: as ``decode_body`` does.
        """
        flags = body[0] if body else 0
        if flags == self._flags:
            data, pos = body, 1
        elif flags == self._flags | COMPRESSED:
            data, pos = decompress(body), 0
        else:
            return None
        if not data.startswith(self._start, pos):
            return None
        pos += len(self._start)
        position = 0
        if self._flags:
            position, pos = decode_varint(data, pos)
        if not data.startswith(_GOSSIP, pos):
            return None
        length, pos = decode_varint(data, pos + len(_GOSSIP))
        if pos + length != len(data) or not data.startswith(self._before, pos):
            return None
        seqno, pos = decode_varint(data, pos + len(self._before))
        number, pos = decode_varint(data, pos)
        if not data.startswith(self._after, pos) or not seqno or not number:
            return None
        payload = data[pos + len(self._after) :]
        broadcast = _make(BroadcastID, (self._origin, self._epoch, seqno))
        return position, _make(Gossip, (broadcast, *self._names, payload, number, *self._tail))
