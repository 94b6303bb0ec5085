"""What waits for one destination: records that go out together when the shell turns to it."""

from __future__ import annotations

from collections import deque

from chatter.ids import NetID
from chatter.wire.gossip import Gossip
from chatter.wire.records import Record
from chatter.wire.varint import MAX_BITS

# Type and length in front of each record, at worst.
_RECORD_HEAD_BYTES = 2 + MAX_BITS // 7


class Outbox:
    """A bounded queue of records for one destination.

    A record that stands alone goes out at once; several go into one frame, because sealing costs
    the same whatever the frame holds.

    Args:
        max_bytes: the bound, in bytes of records as they will be framed.
    """

    __slots__ = ("_max_bytes", "_records", "bytes")

    def __init__(self, max_bytes: int) -> None:
        self._records: deque[tuple[int, Record]] = deque()
        self._max_bytes = max_bytes
        self.bytes = 0

    def put(self, record: Record) -> bool:
        """Queue a record; False if there is no room, and then nothing changed."""
        size = record.size_bound() + _RECORD_HEAD_BYTES
        if self.bytes + size > self._max_bytes and self._records:
            return False
        self._records.append((size, record))
        self.bytes += size
        return True

    def take(self, budget: int) -> list[Record]:
        """The next records that fit in ``budget`` bytes together, at least one if any waits."""
        taken: list[Record] = []
        while self._records:
            size, record = self._records[0]
            if taken and size > budget:
                break
            self._records.popleft()
            self.bytes -= size
            budget -= size
            taken.append(record)
            if isinstance(record, Gossip) and not record.compress:
                # Alone in its frame: what shares a frame shares a compressor, or goes without.
                break
        return taken

    def drain(self) -> list[Record]:
        """All that waits, taken out."""
        records = [record for _, record in self._records]
        self._records.clear()
        self.bytes = 0
        return records

    def room(self) -> int:
        """How many bytes more it takes."""
        return self._max_bytes - self.bytes

    def __bool__(self) -> bool:
        return bool(self._records)


# Unicast datagrams carry first contact, pings and digests; all are sent again when they are lost,
# so what does not fit is dropped.
MAX_UDP_FRAMES = 1024


class UdpQueue:
    """Unicast datagrams that wait to be sealed and sent, each to one life of a node."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[NetID, bytes, list[Record]]] = deque()

    def put(self, netid: NetID, life: bytes, records: list[Record]) -> bool:
        """Queue one datagram; False if there is no room."""
        if len(self._waiting) >= MAX_UDP_FRAMES:
            return False
        self._waiting.append((netid, life, records))
        return True

    def take(self) -> tuple[NetID, bytes, list[Record]] | None:
        """The next datagram's receiver, its life, and the records; None if none waits."""
        return self._waiting.popleft() if self._waiting else None

    def __bool__(self) -> bool:
        return bool(self._waiting)
