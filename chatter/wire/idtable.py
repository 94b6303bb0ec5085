"""The NetID table: the addresses of a frame or payload, sorted and delta coded.

Neighbours share prefixes, so each address is written as its distance from the one before::

    table    = count (varint), entries for IPv4; count (varint), entries for IPv6
    entry    = head (varint): distance of the address from the previous one, times 2, plus 1 if
               the port is another than the previous one's
               port (varint, only if so): distance from the previous port, zigzag

The first entry counts from address 0 and port 0. Entries rise strictly by address, then port, so
one set of NetIDs has one encoding, and other spellings of it are refused: a subnet on one port
costs a byte each. An IPv4 address never stands among those for IPv6.

Who needs a NetID elsewhere writes its index; the records of a frame and the user's payload each
have a table of their own, as the payload travels verbatim while the routing part changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from chatter.errors import FrameError, TooLarge
from chatter.ids import NetID, netid_from_packed
from chatter.wire.cursor import Cursor
from chatter.wire.varint import encode_varint, unzigzag, zigzag

# As many NetIDs as fit in the largest frame at their smallest size, roughly; more is a lie.
MAX_TABLE_ENTRIES = 65536

_FAMILIES = ((4, 32), (16, 128))
_IPV4_MAPPED = 0xFFFF  # ::ffff:0:0/96, RFC 4291 section 2.5.5.2


def sort_netids(netids: Iterable[NetID]) -> list[NetID]:
    """The NetIDs once each, in the order of the table: IPv4 first, then by address and port."""
    return sorted(set(netids), key=lambda netid: (len(netid.packed), netid.packed, netid.port))


def encode_table(netids: Iterable[NetID]) -> tuple[bytes, dict[NetID, int]]:
    """The encoded table of these NetIDs, and the index of each in it."""
    ordered = sort_netids(netids)
    index = {netid: position for position, netid in enumerate(ordered)}
    parts: list[bytes] = []
    for width, _ in _FAMILIES:
        family = [netid for netid in ordered if len(netid.packed) == width]
        parts.append(encode_varint(len(family)))
        last_address = last_port = 0
        for netid in family:
            address = int.from_bytes(netid.packed, "big")
            moved = netid.port != last_port
            parts.append(encode_varint((address - last_address) * 2 + moved))
            if moved:
                parts.append(encode_varint(zigzag(netid.port - last_port)))
            last_address, last_port = address, netid.port
    return b"".join(parts), index


@lru_cache(maxsize=256)
def table_of_few(netids: tuple[NetID, ...]) -> tuple[bytes, Mapping[NetID, int]]:
    """As ``encode_table``, remembered: frames name their sender and one more, or the same part of
    a steady tree, again and again. Not for lists so long that hashing them would cost as much."""
    return encode_table(netids)


# Tables that came lately, by how they begin. In a cluster at rest the beacons of all nodes have one
# table, as long as the cluster is large, which takes more to decode than all else in them.
_KEY_BYTES = 16
_MOST_KNOWN = 64
_LONGEST_KNOWN = 1024
_known: dict[bytes, tuple[bytes, tuple[NetID, ...]]] = {}


def decode_table(cursor: Cursor) -> tuple[NetID, ...]:
    """The NetIDs of the table at the cursor, in its order.

    Raises:
        FrameError: out of order, a port or address out of range, or more than can be there.
    """
    key = cursor.peek(_KEY_BYTES)
    encoded, netids = _known.get(key, (b"", ()))
    if encoded and cursor.skip(encoded):  # the same bytes from here on are the same table
        return netids
    start = cursor.position
    netids = _decode_table(cursor)
    if 1 < len(netids) <= _LONGEST_KNOWN:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = cursor.since(start), netids
    return netids


def _decode_table(cursor: Cursor) -> tuple[NetID, ...]:
    netids: list[NetID] = []
    for width, bits in _FAMILIES:
        count = cursor.varint()
        if count > min(MAX_TABLE_ENTRIES, cursor.remaining):  # an entry takes a byte at least
            raise TooLarge(f"a table of {count} NetIDs in {cursor.remaining} bytes")
        address = port = 0
        for position in range(count):
            head = cursor.varint(bits + 1)
            step = head >> 1
            previous_port = port
            if head & 1:
                distance = cursor.varint()
                if not distance:
                    raise FrameError("a port that moved by nothing")
                port += unzigzag(distance)
            address += step
            if not 0 < port < 65536 or address >> bits:
                raise FrameError("a NetID out of range")
            if position and not step and port <= previous_port:
                raise FrameError("a NetID table out of order")
            if width == 16 and address >> 32 == _IPV4_MAPPED:
                raise FrameError("an IPv4 address written as IPv6")
            netids.append(netid_from_packed(address.to_bytes(width, "big"), port))
    return tuple(netids)


def encode_indices(indices: Iterable[int]) -> bytes:
    """A set of table indices as runs: how many, then of each the gap before it and its length.

    A whole segment is usually one run, so a distribution list costs three bytes, not one a node.
    """
    runs: list[list[int]] = []
    for value in sorted(set(indices)):
        if runs and runs[-1][1] == value:
            runs[-1][1] = value + 1
        else:
            runs.append([value, value + 1])
    parts = [encode_varint(len(runs))]
    end = 0
    for start, stop in runs:
        parts.append(encode_varint(start - end))
        parts.append(encode_varint(stop - start))
        end = stop
    return b"".join(parts)


def decode_indices(cursor: Cursor, table: Sequence[NetID]) -> tuple[NetID, ...]:
    """The NetIDs of the table that the runs at the cursor name, in the table's order.

    Raises:
        FrameError: an empty run, touching runs, or an index the table does not have.
    """
    named: list[NetID] = []
    end = 0
    for position in range(cursor.varint()):
        gap = cursor.varint()
        length = cursor.varint()
        start = end + gap
        end = start + length
        if not length or (position and not gap) or end > len(table):
            raise FrameError("a list of NetIDs that the table does not hold")
        named += table[start:end]
    return tuple(named)
