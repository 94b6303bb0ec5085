"""What nodes tell those who watch the cluster: figures, where broadcasts came by, what came of it.

::

    watch     question (varint), known (varint), thin (1)
    figures   question (varint), version (varint), part (varint), parts (varint),
              clock (varint of up to 48 bits), package version (text, may be empty),
              counters: count; each: name (text), value (varint);
              tags: count; each: tag (text), deliveries (varint)
    traces    count; each: broadcast id, hop (varint);
              with hop 0 recipients (varint), else sender (index), flags (1): 1 by multicast;
              clock (varint of up to 48 bits), tag (text), bytes (varint)
    result    broadcast id, clock (varint of up to 48 bits), tag (text), bytes (varint),
              recipients (varint), missing (index runs), groups as in a report

A clock is that of who tells it: microseconds since its node was started. Who asks finds out by the
figures and the round trip how it stands to its own, as NTP does (RFC 5905, section 8).
A text is 1 to 255 bytes behind their number. A name stands once in its list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chatter.errors import FrameError, TooLarge
from chatter.ids import BroadcastID, NetID
from chatter.wire.answers import Served, decode_groups, encode_groups, groups_bound, netids_of
from chatter.wire.cursor import Cursor
from chatter.wire.fields import (
    ID_BOUND,
    NETID_BOUND,
    VARINT_BOUND,
    decode_count,
    decode_flags,
    decode_id,
    encode_id,
    netid_at,
)
from chatter.wire.gossip import MAX_HOPS, MAX_SIZE_BITS, MAX_TAG_BYTES
from chatter.wire.idtable import decode_indices, encode_indices
from chatter.wire.varint import encode_varint

# A hash has no more bits that could be zero.
MAX_THIN = 32

# Who asks so wants figures alone: the answer has no traces, and starts none.
NO_TRACES = MAX_THIN

# Datagrams of one answer: who asks keeps which ones came, and the names of a node fill a few dozen.
MAX_PARTS = 256

# Eight years: whoever makes a duration or a date of it meets no overflow.
CLOCK_BITS = 48
MAX_CLOCK_US = (1 << CLOCK_BITS) - 1

# Names of counters are as long as a tag may be; so is the version of a package.
MAX_TEXT_BYTES = MAX_TAG_BYTES
_TEXT_LENGTH_BYTES = 2

_MULTICAST = 1


class Watch(NamedTuple):
    """Asks for what changed since an earlier answer; who answers remembers nothing of the asker."""

    question: int
    """Comes back in the answer: it tells how long that took."""
    known: int
    """The version of the figures that the asker has, 0 for none."""
    thin: int
    """Of broadcasts only those are traced whose hash ends in so many zero bits, so at any rate
    everybody traces the same few."""

    def netids(self) -> Sequence[NetID]:
        return ()

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return encode_varint(self.question) + encode_varint(self.known) + bytes((self.thin,))

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Watch:
        watch = cls(cursor.varint(), cursor.varint(), cursor.byte())
        if watch.thin > MAX_THIN:
            raise FrameError(f"a hash of more than {MAX_THIN} zero bits")
        return watch

    def size_bound(self) -> int:
        return 2 * VARINT_BOUND + 1


class Figures(NamedTuple):
    """What a node counted: all that changed since the version that the asker knows, in parts."""

    question: int
    version: int
    """From 1; what the asker knows when it has all parts."""
    part: int
    """From 0."""
    parts: int
    uptime_us: int
    """Its clock when it tells this: microseconds since the node was started."""
    package: str
    """The version of the node's package; empty if it does not say."""
    counters: tuple[tuple[str, int], ...]
    tags: tuple[tuple[str, int], ...]
    """Deliveries by tag."""

    def netids(self) -> Sequence[NetID]:
        return ()

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        numbers = (self.question, self.version, self.part, self.parts, self.uptime_us)
        parts = [encode_varint(number) for number in numbers]
        parts.append(_encode_text(self.package))
        return b"".join([*parts, _encode_named(self.counters), _encode_named(self.tags)])

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Figures:
        figures = cls(
            cursor.varint(),
            cursor.varint(),
            cursor.varint(),
            cursor.varint(),
            cursor.varint(CLOCK_BITS),
            _decode_text(cursor, least=0),
            _decode_named(cursor),
            _decode_named(cursor),
        )
        if not figures.version:
            raise FrameError("figures of the version that stands for none")
        if figures.part >= figures.parts or figures.parts > MAX_PARTS:
            raise FrameError(f"part {figures.part} of {figures.parts}")
        return figures

    def size_bound(self) -> int:
        named = (*self.counters, *self.tags)
        texts = sum(_text_bound(name) + VARINT_BOUND for name, _ in named)
        return 5 * VARINT_BOUND + _text_bound(self.package) + 2 * 4 + texts


class Trace(NamedTuple):
    """Where one broadcast came by."""

    id: BroadcastID
    hop: int
    """1 straight from the origin; 0 at the origin itself."""
    sender: NetID
    """Who served this node; the origin itself with hop 0."""
    multicast: bool
    """By multicast, or else by TCP; False with hop 0."""
    at_us: int
    """When it came, or was sent, by the clock of who tells it, in microseconds."""
    tag: str
    size: int
    """Of the encoded payload."""
    recipients: int
    """How many it is meant for, as only the origin knows; 0 unless with hop 0."""


class Traces(NamedTuple):
    """Where broadcasts came by at the node that tells it."""

    entries: tuple[Trace, ...]

    def netids(self) -> Sequence[NetID]:
        return [netid for entry in self.entries for netid in (entry.id.origin, entry.sender)]

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        parts = [encode_varint(len(self.entries))]
        for broadcast, hop, sender, multicast, at_us, tag, size, recipients in self.entries:
            parts += (encode_id(broadcast, index), encode_varint(hop))
            if hop:
                parts += (encode_varint(index[sender]), bytes((_MULTICAST if multicast else 0,)))
            else:
                parts.append(encode_varint(recipients))
            parts += (encode_varint(at_us), _encode_text(tag), encode_varint(size))
        return b"".join(parts)

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Traces:
        return cls(tuple(_decode_trace(cursor, table) for _ in range(decode_count(cursor))))

    def size_bound(self) -> int:
        each = ID_BOUND + NETID_BOUND + 2 + 2 * VARINT_BOUND + 5
        return 4 + sum(each + _text_bound(entry.tag) for entry in self.entries)


class Result(NamedTuple):
    """What became of a confirmed broadcast, or a part of it: who answered, and who is missing."""

    id: BroadcastID
    at_us: int
    """When it was sent, by the clock of who tells it, in microseconds."""
    tag: str
    size: int
    recipients: int
    """How many it was meant for; other parts tell of the others."""
    missing: tuple[NetID, ...]
    groups: tuple[Served, ...]

    def netids(self) -> Sequence[NetID]:
        return [self.id.origin, *self.missing, *netids_of(self.groups)]

    def encode(self, index: Mapping[NetID, int]) -> bytes:
        return b"".join(
            (
                encode_id(self.id, index),
                encode_varint(self.at_us),
                _encode_text(self.tag),
                encode_varint(self.size),
                encode_varint(self.recipients),
                encode_indices(index[netid] for netid in self.missing),
                encode_groups(self.groups, index),
            )
        )

    @classmethod
    def decode(cls, cursor: Cursor, table: Sequence[NetID]) -> Result:
        return cls(
            decode_id(cursor, table),
            cursor.varint(CLOCK_BITS),
            _decode_text(cursor),
            _decode_size(cursor),
            cursor.varint(),
            decode_indices(cursor, table),
            decode_groups(cursor, table),
        )

    def size_bound(self) -> int:
        fixed = ID_BOUND + 5 + _text_bound(self.tag) + 2 * VARINT_BOUND + 4
        return fixed + NETID_BOUND * len(self.missing) + groups_bound(self.groups)


def _decode_trace(cursor: Cursor, table: Sequence[NetID]) -> Trace:
    broadcast = decode_id(cursor, table)
    hop = cursor.varint()
    if hop > MAX_HOPS:
        raise FrameError("a trace of an impossible hop")
    sender, multicast, recipients = broadcast.origin, False, 0
    if hop:
        sender = netid_at(table, cursor.varint())
        multicast = bool(decode_flags(cursor, _MULTICAST))
    else:
        recipients = cursor.varint()
    at_us, tag, size = cursor.varint(CLOCK_BITS), _decode_text(cursor), _decode_size(cursor)
    return Trace(broadcast, hop, sender, multicast, at_us, tag, size, recipients)


def _decode_size(cursor: Cursor) -> int:
    size = cursor.varint(MAX_SIZE_BITS + 1)
    if size > 1 << MAX_SIZE_BITS:
        raise TooLarge("a payload beyond any that can be")
    return size


def _encode_text(text: str) -> bytes:
    data = text.encode()
    return encode_varint(len(data)) + data


def _decode_text(cursor: Cursor, least: int = 1) -> str:
    text = cursor.text()
    if not least <= len(text.encode()) <= MAX_TEXT_BYTES:
        raise FrameError("an empty or too long text")
    return text


def _text_bound(text: str) -> int:
    return _TEXT_LENGTH_BYTES + len(text.encode())


def _encode_named(entries: Sequence[tuple[str, int]]) -> bytes:
    parts = [encode_varint(len(entries))]
    for name, value in entries:
        parts += (_encode_text(name), encode_varint(value))
    return b"".join(parts)


def _decode_named(cursor: Cursor) -> tuple[tuple[str, int], ...]:
    count = decode_count(cursor, least=3)
    named = tuple((_decode_text(cursor), cursor.varint()) for _ in range(count))
    if len({name for name, _ in named}) < count:
        raise FrameError("two values of one name")
    return named
