"""What a receiver answers on the session that a gossip came by, and how far its sender may go.

::

    ack             taken (varint), ranges of session indices that are done
    report          session index (varint); count; each: server (index), flags (1): 1 by multicast,
                    hop (varint), recipients (index runs), milliseconds (varint) for each of them
    credit          count; each: sender (index), channel (varint), limit (varint)
    session credit  limit (varint)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chatter.errors import FrameError, TooLarge
from chatter.ids import NetID
from chatter.wire.cursor import Cursor
from chatter.wire.fields import (
    NETID_BOUND,
    VARINT_BOUND,
    decode_count,
    decode_flags,
    netid_at,
)
from chatter.wire.gossip import MAX_HOPS, MS_BITS
from chatter.wire.idtable import decode_indices, encode_indices
from chatter.wire.ranges import RANGE_BOUND, Ranges, decode_ranges, encode_ranges
from chatter.wire.varint import encode_varint

_MULTICAST = 1


class Ack(NamedTuple):
    """What became of the gossips of a session, which both sides count from 1."""

    taken: int
    """The highest index received."""
    done: Ranges
    """Indices for which the receiver and its whole branch are served, (first, last) inclusive."""

    def netids(self) -> Sequence[NetID]:
        return ()

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return encode_varint(self.taken) + encode_ranges(self.done)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Ack:
        return cls(cursor.varint(), decode_ranges(cursor))

    def size_bound(self) -> int:
        return VARINT_BOUND + 4 + RANGE_BOUND * len(self.done)


class Served(NamedTuple):
    """Whom one node served with a confirmed gossip, as far as they answered."""

    server: NetID
    hop: int
    """The recipients' hop: 1 straight from the origin."""
    multicast: bool
    """By multicast, or else by TCP."""
    recipients: tuple[NetID, ...]
    ms: tuple[int, ...]
    """For each recipient: milliseconds until its answer came, by the server's clock."""


class Report(NamedTuple):
    """Who of a branch got a confirmed gossip: those that the parent was not yet told of."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls on a record
    """The gossip's index in this session."""
    groups: tuple[Served, ...]

    def netids(self) -> Sequence[NetID]:
        return netids_of(self.groups)

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return encode_varint(self.index) + encode_groups(self.groups, index)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Report:
        return cls(cursor.varint(), decode_groups(cursor, table))

    def size_bound(self) -> int:
        return VARINT_BOUND + groups_bound(self.groups)


def netids_of(groups: Sequence[Served]) -> list[NetID]:
    """What these groups need in the NetID table."""
    return [netid for group in groups for netid in (group.server, *group.recipients)]


def encode_groups(groups: Sequence[Served], index: Mapping[NetID, int]) -> bytes:
    """The groups of a report behind their count."""
    parts = [encode_varint(len(groups))]
    for server, hop, multicast, recipients, ms in groups:
        # The runs name the recipients in the order of the table, so the times follow it too.
        ms_of = {index[netid]: taken for netid, taken in zip(recipients, ms, strict=True)}
        parts.append(encode_varint(index[server]))
        parts.append(bytes((_MULTICAST if multicast else 0,)))
        parts += (encode_varint(hop), encode_indices(ms_of))
        parts += [encode_varint(ms_of[position]) for position in sorted(ms_of)]
    return b"".join(parts)


def decode_groups(cursor: Cursor, table: Sequence[NetID]) -> tuple[Served, ...]:
    """The groups at the cursor.

    Raises:
        FrameError: whatever is wrong with the bytes.
    """
    return tuple(_decode_served(cursor, table) for _ in range(decode_count(cursor)))


def groups_bound(groups: Sequence[Served]) -> int:
    """What these groups add to a frame at most."""
    # Each recipient: its NetID and at most five bytes of milliseconds.
    return 4 + sum(NETID_BOUND + 6 + (NETID_BOUND + 5) * len(one.recipients) for one in groups)


def _decode_served(cursor: Cursor, table: Sequence[NetID]) -> Served:
    server = netid_at(table, cursor.varint())
    multicast = bool(decode_flags(cursor, _MULTICAST))
    hop = cursor.varint()
    if not 0 < hop <= MAX_HOPS:
        raise FrameError("a report of an impossible hop")
    recipients = decode_indices(cursor, table)
    if len(recipients) > cursor.remaining:  # a time takes a byte at least
        raise TooLarge(f"{len(recipients)} times in {cursor.remaining} bytes")
    return Served(
        server, hop, multicast, recipients, tuple(cursor.varint(MS_BITS) for _ in recipients)
    )


class Grant(NamedTuple):
    """How far one sender may go on one of its channels."""

    sender: NetID
    channel: int
    limit: int
    """The position (see ``Sender``) up to which there is room."""


class Credit(NamedTuple):
    """Tells senders of datagrams how far each may go."""

    entries: tuple[Grant, ...]

    def netids(self) -> Sequence[NetID]:
        return [entry.sender for entry in self.entries]

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        parts = [encode_varint(len(self.entries))]
        for sender, channel, limit in self.entries:
            parts += (encode_varint(index[sender]), encode_varint(channel), encode_varint(limit))
        return b"".join(parts)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Credit:
        return cls(
            tuple(
                Grant(netid_at(table, cursor.varint()), cursor.varint(), cursor.varint())
                for _ in range(decode_count(cursor, least=3))
            )
        )

    def size_bound(self) -> int:
        return 4 + (NETID_BOUND + 2 * VARINT_BOUND) * len(self.entries)


class SessionCredit(NamedTuple):
    """Tells the other side of a session how far it may go."""

    limit: int
    """Bytes of gossip and chunk records since the session began."""

    def netids(self) -> Sequence[NetID]:
        return ()

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return encode_varint(self.limit)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> SessionCredit:
        return cls(cursor.varint())

    def size_bound(self) -> int:
        return VARINT_BOUND
