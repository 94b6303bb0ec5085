"""NetID tables and index runs: one encoding for one set, and nothing else is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.errors import FrameError, TooLarge
from chatter.ids import NetID
from chatter.wire import idtable
from chatter.wire.cursor import Cursor
from chatter.wire.idtable import (
    decode_indices,
    decode_table,
    encode_indices,
    encode_table,
    sort_netids,
)
from chatter.wire.varint import encode_varint
from tests.wire.samples import PROPERTY, netid_lists

HOST = 0x0A000001 * 2 + 1  # head of 10.0.0.1 with a port
PORTS = [NetID("10.0.0.1", port) for port in range(1, 11)]


def _bytes(*parts: int) -> bytes:
    return b"".join(encode_varint(part) for part in parts)


@PROPERTY
@given(netid_lists, st.randoms(use_true_random=False))
def test_table_round_trip_in_any_order(netids: list[NetID], random: object) -> None:
    shuffled = netids + netids[:3]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    data, index = encode_table(shuffled)
    cursor = Cursor(data)
    decoded = decode_table(cursor)

    assert cursor.remaining == 0
    assert list(decoded) == sort_netids(netids)
    assert {decoded[at]: at for at in range(len(decoded))} == index
    assert encode_table(netids)[0] == data


@PROPERTY
@given(st.binary(max_size=200))
def test_what_decodes_is_the_one_encoding(data: bytes) -> None:
    cursor = Cursor(data)
    try:
        netids = decode_table(cursor)
    except FrameError:
        return
    assert data[: len(data) - cursor.remaining] == encode_table(netids)[0]


@PROPERTY
@given(st.sets(st.integers(0, 300)))
def test_runs_round_trip(indices: set[int]) -> None:
    table = [NetID("10.0.0.1", port) for port in range(1, 302)]
    data = encode_indices(indices)
    cursor = Cursor(data)

    assert decode_indices(cursor, table) == tuple(table[at] for at in sorted(indices))
    assert cursor.remaining == 0


def test_a_subnet_on_one_port_costs_a_byte_each() -> None:
    netids = [NetID(f"10.0.{at // 256}.{at % 256}", 29999) for at in range(1, 1001)]
    first = len(encode_table(netids[:1])[0])
    data, index = encode_table(netids)

    assert len(data) == first + 999 + 1  # one more for the count
    assert len(encode_indices(index.values())) == 4


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (_bytes(1, HOST, 0), "moved by nothing"),
        (_bytes(1, HOST - 1), "out of range"),  # port 0
        (_bytes(1, HOST, 1), "out of range"),  # port -1
        (_bytes(1, HOST, 2 * 65536), "out of range"),
        (_bytes(1, 2**33 + 1, 2), "more than 33 bits"),
        (_bytes(2, 2**33 - 1, 2, 2), "out of range"),  # one past 255.255.255.255
        (_bytes(0, 2, 2**129 - 1, 2, 2), "out of range"),  # one past the last IPv6 address
        (_bytes(2, HOST, 2, 0), "out of order"),  # twice the same
        (_bytes(2, HOST, 20, 1, 1), "out of order"),  # a lower port of the same host
        (_bytes(0, 1, 0xFFFF_0A00_0001 * 2 + 1, 2), "written as IPv6"),
    ],
)
def test_other_spellings_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        decode_table(Cursor(data + b"\0" * 20))


@pytest.mark.parametrize("count", [30, 65537, 2**40, 2**64 - 1])
@pytest.mark.parametrize("before", [b"", b"\0"], ids=["ipv4", "ipv6"])
def test_a_count_that_cannot_be_there_is_refused_first(count: int, before: bytes) -> None:
    with pytest.raises(TooLarge):
        decode_table(Cursor(before + encode_varint(count) + b"\x01\x02" * 10))


@pytest.mark.parametrize(
    "data",
    [
        _bytes(1, 10, 1),  # behind the end
        _bytes(1, 0, 11),
        _bytes(1, 2**63, 1),
        _bytes(1, 0, 2**63),
        _bytes(1, 0, 0),  # empty
        _bytes(2, 0, 1, 0, 1),  # touching
        _bytes(2, 0, 5, 1, 5),
    ],
)
def test_a_run_that_is_not_there_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError, match="does not hold"):
        decode_indices(Cursor(data), PORTS)


@pytest.mark.parametrize("data", [_bytes(2**64 - 1), _bytes(3, 0, 1), _bytes(1, 0), b""])
def test_a_missing_run_is_noticed(data: bytes) -> None:
    with pytest.raises(FrameError):
        decode_indices(Cursor(data), PORTS)


def test_the_whole_table_can_be_named() -> None:
    assert decode_indices(Cursor(_bytes(1, 0, 10)), PORTS) == tuple(PORTS)


def neighbours(count: int, last_port: int = 29999) -> list[NetID]:
    return [NetID(f"10.0.0.{number}", 29999) for number in range(1, count)] + [
        NetID("10.0.1.1", last_port)
    ]


def test_a_table_that_came_before_is_not_decoded_again() -> None:
    encoded, _ = encode_table(neighbours(30))
    first = decode_table(Cursor(encoded))
    cursor = Cursor(b"before" + encoded + b"behind", 6)
    assert decode_table(cursor) is first
    assert cursor.rest() == b"behind"


def test_one_that_only_begins_like_another_is_decoded() -> None:
    """They differ far behind what they are remembered by."""
    for port in (29999, 8000, 29999, 8000):
        encoded, _ = encode_table(neighbours(30, port))
        cursor = Cursor(encoded + b"behind")
        assert decode_table(cursor) == tuple(neighbours(30, port))
        assert cursor.rest() == b"behind"


def test_one_that_was_known_and_is_cut_is_refused() -> None:
    encoded, _ = encode_table(neighbours(30))
    decode_table(Cursor(encoded))
    for end in range(len(encoded)):
        with pytest.raises(FrameError):
            decode_table(Cursor(encoded[:end]))


def test_what_is_remembered_is_bounded() -> None:
    for number in range(1, 200):
        encoded, _ = encode_table([NetID(f"10.9.{number}.1", 1), NetID(f"10.9.{number}.2", 2)])
        decode_table(Cursor(encoded))
        assert len(idtable._known) <= 64
    huge = [NetID(f"10.{a}.{b}.1", 1) for a in range(5) for b in range(250)]
    encoded, _ = encode_table(huge)
    assert decode_table(Cursor(encoded)) is not decode_table(Cursor(encoded))
