"""What waits for one destination: records that go out together when the shell turns to it.

Control is what nodes tell each other: small, and never held up. Data are gossips, and the chunks of
large payloads, which are cut from where they are kept when their turn comes and never queue here.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from chatter.core.handover import Handover
from chatter.core.transfer import Transfer
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Broadcasts
from chatter.wire.records import Chunk, Record
from chatter.wire.varint import MAX_BITS

# Type and length in front of each record, at worst.
RECORD_HEAD_BYTES = 2 + MAX_BITS // 7

# A chunk's id, offset and flags, with an entry of its own in the frame's NetID table.
CHUNK_HEAD_BYTES = 64 + RECORD_HEAD_BYTES

# A relay passes on pieces of at least this, or all that is missing: smaller ones would cost more to
# seal than to wait for.
LEAST_CHUNK_BYTES = 1024

# What a gossip or chunk costs its receiver besides its bytes, as a kernel would charge it.
CHARGE_BYTES = 768

# Control records are few and small; a queue of this size means that nobody reads.
MAX_CONTROL_BYTES = 256 * 1024


# ... and each further broadcast of a burst: an object of bytes, its place in a list, and as much
# again for what it is decoded to. So a window holds a bounded number, however small they are.
MORE_CHARGE_BYTES = 64

# No record costs more, as no less than this is granted at a time: one that did could never go.
MAX_CHARGE_BYTES = 56 * 1024


class Batch(NamedTuple):
    """The records of one frame."""

    records: list[Record]
    handovers: list[Handover]
    """Those among them that were handed over, in the same order."""
    charge: int
    """What its gossips and chunks take of the receiver's credit."""


def charge_of(record: Broadcasts | Chunk) -> int:
    """What a record takes of the credit on a connection; both sides reckon alike."""
    if isinstance(record, Chunk):
        return CHARGE_BYTES + len(record.data)
    charge = CHARGE_BYTES + len(record.payload) + MORE_CHARGE_BYTES * (record.many - 1)
    return min(charge, MAX_CHARGE_BYTES)


class Outbox:
    """A bounded queue of records for one destination.

    A record that stands alone goes out at once; several go into one frame, because sealing costs
    the same whatever the frame holds.

    Args:
        max_bytes: the bound on gossips, in bytes of records as they will be framed.
        datagram_bytes: what one datagram takes of records, if it is emptied by datagrams. Then
            credit counts bytes of frames, and each chunk goes with its header, as any datagram may
            be the first that somebody hears. 0: by a connection.
    """

    __slots__ = (
        "_chunk_is_next",
        "_control",
        "_control_bytes",
        "_datagram_bytes",
        "_gossips",
        "_max_bytes",
        "_transfers",
        "bytes",
    )

    def __init__(self, max_bytes: int, *, datagram_bytes: int = 0) -> None:
        self._control: deque[tuple[int, Record]] = deque()
        self._gossips: deque[tuple[int, Broadcasts, Handover | None]] = deque()
        self._transfers: dict[BroadcastID, Transfer] = {}
        self._control_bytes = 0
        self._max_bytes = max_bytes
        self._datagram_bytes = datagram_bytes
        self._chunk_is_next = False
        self.bytes = 0
        """Bytes of gossips that wait."""

    def put(self, record: Record) -> bool:
        """Queue a control record; False if there is no room, and then nothing changed."""
        size = record.size_bound() + RECORD_HEAD_BYTES
        if self._control_bytes + size > MAX_CONTROL_BYTES and self._control:
            return False
        self._control.append((size, record))
        self._control_bytes += size
        return True

    def put_gossip(self, gossip: Broadcasts, handover: Handover | None = None) -> bool:
        """Queue a gossip; False if there is no room, and then nothing changed."""
        size = gossip.size_bound() + RECORD_HEAD_BYTES
        if self.bytes + size > self._max_bytes and self._gossips:
            return False
        self._gossips.append((size, gossip, handover))
        self.bytes += size
        return True

    def add_transfer(self, transfer: Transfer) -> None:
        """Send a large payload, a chunk at a time between the gossips."""
        known = self._transfers.get(transfer.header.id)
        if known is None:
            self._transfers[transfer.header.id] = transfer
        else:
            known.add(transfer.ranges)

    def still_to_send(self, broadcast: BroadcastID) -> int | None:
        """Where what is still to be sent of a large payload begins; None if nothing is."""
        transfer = self._transfers.get(broadcast)
        return None if transfer is None or transfer.finished else transfer.ranges[0][0]

    def drop_transfer(self, broadcast: BroadcastID) -> None:
        """Its destination has the large payload, or its source is gone."""
        self._transfers.pop(broadcast, None)

    def abandon(self, broadcast: BroadcastID) -> None:
        """The rest of a large payload will never be here: nothing shall wait for it."""
        self._transfers.pop(broadcast, None)
        for _, _, handover in self._gossips:
            if handover is not None and handover.gossip.id == broadcast:
                handover.transfer = None

    def take(self, budget: int, credit: int) -> Batch | None:
        """The next records that fit in ``budget`` bytes together; None if nothing may go now.

        Args:
            credit: what the receiver still takes of gossips and chunks. Control is not held up.
        """
        if not (self._control or self._gossips or self._transfers):
            return None
        records: list[Record] = []
        while self._control and (not records or self._control[0][0] <= budget):
            size, record = self._control.popleft()
            self._control_bytes -= size
            budget -= size
            records.append(record)
        handovers: list[Handover] = []
        charge = 0
        plain = False
        if self._transfers and self._chunk_is_next:
            charge, plain = self._take_chunk(records, budget, credit)
            budget = 0 if charge else budget
        while self._gossips and not plain:
            size, gossip, handover = self._gossips[0]
            cost = self._cost(size, gossip)
            if (records and size > budget) or charge + cost > credit:
                break
            self._gossips.popleft()
            self.bytes -= size
            budget -= size
            charge += cost
            records.append(gossip)
            if handover is not None:
                handovers.append(handover)
                if handover.transfer is not None:
                    self.add_transfer(handover.transfer)
            # Alone in its frame: what shares a frame shares a compressor, or goes without.
            plain = not gossip.compress
        if self._transfers and not self._chunk_is_next and not self._gossips and not plain:
            charge += self._take_chunk(records, budget, credit - charge)[0]
        self._chunk_is_next = bool(self._transfers) and not self._chunk_is_next
        return Batch(records, handovers, charge) if records else None

    def _cost(self, size: int, gossip: Broadcasts) -> int:
        """What it takes of the receivers' credit."""
        if self._datagram_bytes:
            # A list of neighbours is a fraction of its bound, and was found to fit in a datagram.
            size = min(size, self._datagram_bytes)
            return min(size + MORE_CHARGE_BYTES * (gossip.many - 1), MAX_CHARGE_BYTES)
        return charge_of(gossip)

    def _take_chunk(self, records: list[Record], budget: int, credit: int) -> tuple[int, bool]:
        """Append the next chunk that can go; its charge, and whether it wants a plain frame."""
        for broadcast, transfer in self._transfers.items():
            header = transfer.header
            head = header.size_bound() + RECORD_HEAD_BYTES if self._datagram_bytes else 0
            most = min(budget - CHUNK_HEAD_BYTES - head, credit - CHARGE_BYTES)
            chunk = None if most <= 0 else transfer.next_chunk(most, min(most, LEAST_CHUNK_BYTES))
            if chunk is None:
                continue
            if head:
                records.append(header)
            records.append(chunk)
            # To the end of the line: two large payloads share the way.
            del self._transfers[broadcast]
            if not transfer.finished:
                self._transfers[broadcast] = transfer
            return CHARGE_BYTES + len(chunk.data), not chunk.compress
        return 0, False

    def wants_credit(self, credit: int) -> bool:
        """Whether it is for want of credit that gossips or chunks wait."""
        if self._gossips:
            size, gossip, _ = self._gossips[0]
            return self._cost(size, gossip) > credit
        least = LEAST_CHUNK_BYTES + CHARGE_BYTES
        return credit < least and any(one.ready(1) for one in self._transfers.values())

    def drain(self) -> tuple[list[Record], list[Handover]]:
        """All that waits, taken out: control, and what was to be handed over."""
        control = [record for _, record in self._control]
        handovers = [handover for _, _, handover in self._gossips if handover is not None]
        self._control.clear()
        self._gossips.clear()
        self._transfers.clear()
        self._control_bytes = self.bytes = 0
        return control, handovers

    def room(self) -> int:
        """How many bytes more of our own broadcasts it takes.

        They get half of it: the rest is for those of others, which we relay, or a node that
        broadcasts in a tight loop would cut off those behind it.
        """
        return self._max_bytes // 2 - self.bytes

    @property
    def crowded(self) -> bool:
        """Whether what we relay could soon find no room."""
        return self.bytes > self._max_bytes * 3 // 4

    @property
    def has_data(self) -> bool:
        """Whether gossips or chunks wait."""
        return bool(self._gossips or self._transfers)

    def __bool__(self) -> bool:
        return bool(self._control or self._gossips or self._transfers)


# Unicast datagrams carry first contact, pings and digests; all are sent again when they are lost,
# so what does not fit is dropped.
MAX_UDP_FRAMES = 1024


class UdpQueue:
    """Unicast datagrams that wait to be sealed and sent, each to one life of a node."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[NetID, bytes, list[Record]]] = deque()

    def put(self, netid: NetID, life: bytes, records: list[Record]) -> bool:
        """Queue one datagram; False if there is no room."""
        if len(self.waiting) >= MAX_UDP_FRAMES:
            return False
        self.waiting.append((netid, life, records))
        return True

    def take(self) -> tuple[NetID, bytes, list[Record]] | None:
        """The next datagram's receiver, its life, and the records; None if none waits."""
        return self.waiting.popleft() if self.waiting else None

    def __bool__(self) -> bool:
        return bool(self.waiting)
