"""Each record: round trips, cuts, additions, and what no version of it may say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.errors import FrameError, TooLarge
from chatter.ids import NetID
from chatter.wire.gossip import MAX_TAG_BYTES, Gossip, split_payload
from chatter.wire.idtable import encode_table, sort_netids
from chatter.wire.records import (
    _TYPES,
    TYPE_BYTES,
    Chunk,
    Leave,
    Record,
    Report,
    Served,
    decode_record,
    type_of,
)
from chatter.wire.varint import encode_varint
from tests.wire.samples import FEW, PROPERTY, netids, record_from, records, vectors

TABLE = tuple(NetID("10.0.0.1", port) for port in range(1, 10))
KNOWN_TYPES = range(1, 23)
ID = "00" + "0000000000000001"  # origin 0, epoch 1


def _encoded(record: Record) -> tuple[bytes, tuple[NetID, ...]]:
    _, index = encode_table(record.netids())
    return record.encode(index), tuple(sort_netids(record.netids()))


@PROPERTY
@given(records)
def test_round_trip(record: Record) -> None:
    data, table = _encoded(record)

    assert decode_record(type_of(record), data, table) == record


@FEW
@given(records)
def test_no_prefix_is_taken_for_the_whole(record: Record) -> None:
    data, table = _encoded(record)
    if isinstance(record, Gossip):  # its payload ends with the record, wherever that is
        data = data[: len(data) - len(record.payload)]
    if isinstance(record, Chunk):  # so do its data, of which one byte is there
        data = data[: len(data) - len(record.data) + 1]

    for length in range(len(data)):
        with pytest.raises(FrameError):
            decode_record(type_of(record), data[:length], table)


@FEW
@given(records, st.binary(min_size=1, max_size=3))
def test_what_is_left_over_is_refused(record: Record, rest: bytes) -> None:
    data, table = _encoded(record)
    if isinstance(record, Gossip) and not record.large:
        longer = decode_record(type_of(record), data + rest, table)
        assert longer == record._replace(payload=record.payload + rest)
    elif isinstance(record, Chunk) and record.offset + len(record.data) + len(rest) <= 2**32:
        longer = decode_record(type_of(record), data + rest, table)
        assert longer == record._replace(data=record.data + rest)
    else:
        with pytest.raises(FrameError):
            decode_record(type_of(record), data + rest, table)


@FEW
@given(records)
def test_a_table_that_is_too_short_is_noticed(record: Record) -> None:
    data, table = _encoded(record)
    if table:
        with pytest.raises(FrameError):
            decode_record(type_of(record), data, table[:-1])


@pytest.mark.parametrize("kind", KNOWN_TYPES)
@PROPERTY
@given(data=st.binary(max_size=120))
def test_any_bytes_give_a_record_or_a_frame_error(kind: int, data: bytes) -> None:
    try:
        record = decode_record(kind, data, TABLE)
    except FrameError:
        return
    assert record is not None
    # What was taken is the one encoding of what it means, so no two frames say the same.
    again = record.encode({netid: at for at, netid in enumerate(TABLE)})
    assert again == data


@pytest.mark.parametrize("kind", [0, 23, 24, 255, 2**64 - 1])
@pytest.mark.parametrize("data", [b"", b"\xff" * 40])
def test_an_unknown_type_is_none(kind: int, data: bytes) -> None:
    assert decode_record(kind, data, TABLE) is None


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (1, "04" + "00" * 11),
        (2, "30" + ID + "01" + "01" + "00" + "0168"),  # a fourth codec
        (4, "0200"),
        (5, "01" + "00" + "00" * 16 + "00" + "04"),
        (6, "02" + "00"),
        (11, "02" + ID + "01" + "00" + "00"),
        (14, "01" + "01" + "00" + "02" + "01" + "00"),
        (20, "01" + ID + "01" + "01" + "00" + "02" + "00" + "0168" + "00"),
        (21, ID + "01" + "00" + "0168" + "00" + "01" + "00" + "01" + "00" + "02" + "01" + "00"),
    ],
)
def test_flags_of_another_version_are_refused(kind: int, data: str) -> None:
    with pytest.raises(FrameError, match="another version"):
        decode_record(kind, bytes.fromhex(data), TABLE)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("00" + ID + "00" + "01" + "00" + "0168", "seqno"),
        ("00" + ID + "01" + "00" + "00" + "0168", "hop"),
        ("00" + ID + "01" + "41" + "00" + "0168", "hop"),
        ("01" + ID + "01" + "00" + "01" + "00" + "0168", "of zero"),
        ("04" + ID + "01" + "00" + "01" + "00" + "0168", "of zero"),
        ("08" + ID + "01" + "00" + "01" + "00" + "0168", "of zero"),
        ("40" + ID + "01" + "00" + "01" + "00" + "0168", "of zero"),
        ("80" + ID + "01" + "00" + "01" + "00" + "0168", "of zero"),
        ("08" + ID + "01" + "01" + "01" + "00" + "0168", "of nothing"),  # one that is asked for
        ("08" + ID + "01" + "02" + "01" + "00" + "0168" + "00", "with a payload"),
        ("81" + ID + "01" + "07" + "07" + "01" + "00" + "0168", "after another"),
        ("08" + ID + "01" + "8280808020" + "01" + "00" + "0168", "beyond"),  # 2^32 + 1 bytes
        ("08" + ID + "01" + "808080808001" + "01" + "00" + "0168", "34 bits"),
        ("40" + ID + "01" + "8080808010" + "01" + "00" + "0168", "32 bits"),
        ("00" + ID + "01" + "01" + "00" + "00", "tag"),
        ("00" + ID + "01" + "01" + "00" + "8002" + "68" * 256, "tag"),
        ("00" + ID + "01" + "01" + "00" + "01ff", "UTF-8"),
        ("00" + "09" + "00" * 8 + "01" + "01" + "00" + "0168", "table does not have"),
    ],
)
def test_an_impossible_gossip_is_refused(data: str, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        decode_record(2, bytes.fromhex(data), TABLE)


def test_the_longest_tag_and_the_last_hop_pass() -> None:
    tag = "68" * MAX_TAG_BYTES
    data = "00" + ID + "01" + "40" + "00" + "ff01" + tag

    gossip = decode_record(2, bytes.fromhex(data), TABLE)

    assert isinstance(gossip, Gossip)
    assert (len(gossip.tag), gossip.hop) == (255, 64)


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        (5, ""),
        (6, "00"),
        (7, ""),
        (9, ""),
        (10, ID),
        (12, ID + "01"),
        (13, "01"),
        (14, "01"),
        (15, ""),
        (16, ""),
        (19, "0101000100" + "00"),
        (19, "0101000100" + "00" + "00"),
        (20, ""),
        (21, ID + "01" + "00" + "0168" + "00" + "01" + "00"),
    ],
)
@pytest.mark.parametrize("count", ["05", "ffffffff7f", "ffffffffffffffffff01"])
def test_more_entries_than_bytes_are_refused_first(kind: int, before: str, count: str) -> None:
    with pytest.raises(TooLarge):
        decode_record(kind, bytes.fromhex(before + count + "00000000"), TABLE)


def test_seen_ids_cannot_name_a_table_again_and_again() -> None:
    table = tuple(NetID("10.0.0.1", port) for port in range(1, 30001))
    whole = "00" + "01" + "00" + "b0ea01"  # channel 0, one run, from the first, 30,000 of them
    twice = bytes.fromhex("0102" + whole * 2)
    thrice = bytes.fromhex("0103" + whole * 3)

    assert decode_record(4, twice, table) is not None
    with pytest.raises(TooLarge):
        decode_record(4, thrice, table)


def test_a_known_epoch_leaves_room_for_a_newer_one() -> None:
    last = "00" + "00" + "fffffffffffeffff" + "0000"
    assert decode_record(1, bytes.fromhex(last), ()) is not None

    with pytest.raises(FrameError, match="no epoch can follow"):
        decode_record(1, bytes.fromhex("00" + "00" + "ffffffffffff0000" + "0000"), ())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("00" + ID + "01" + "00", "nothing"),
        ("00" + ID + "01" + "ffffffff0f" + "0000", "beyond"),
        ("00" + ID + "01" + "8080808010" + "00", "32 bits"),
    ],
)
def test_an_impossible_chunk_is_refused(data: str, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        decode_record(11, bytes.fromhex(data), TABLE)


def test_the_last_byte_of_the_largest_payload_passes() -> None:
    chunk = decode_record(11, bytes.fromhex("00" + ID + "01" + "ffffffff0f" + "07"), TABLE)

    assert isinstance(chunk, Chunk)
    assert chunk[1:] == (2**32 - 1, b"\7", True)


def test_chunks_are_asked_for_below_the_largest_payload() -> None:
    last = "01" + "ffffffff0f" + "00"
    assert decode_record(12, bytes.fromhex(ID + "01" + last), TABLE) is not None

    with pytest.raises(FrameError, match="too high"):
        decode_record(12, bytes.fromhex(ID + "01" + "01" + "ffffffff0f" + "01"), TABLE)


@pytest.mark.parametrize("hop", ["00", "41"])
def test_a_report_of_an_impossible_hop_is_refused(hop: str) -> None:
    with pytest.raises(FrameError, match="hop"):
        decode_record(14, bytes.fromhex("01" + "01" + "00" + "00" + hop + "00"), TABLE)


def test_the_times_of_a_report_follow_the_table() -> None:
    """Whoever answered first is told first; the runs have another order."""
    first, second, third = TABLE[:3]
    told = Report(7, (Served(first, 2, True, (third, first, second), (30, 10, 20)),))
    data, table = _encoded(told)

    assert decode_record(14, data, table) == Report(
        7, (Served(first, 2, True, (first, second, third), (10, 20, 30)),)
    )


def test_a_report_needs_a_time_for_each() -> None:
    with pytest.raises(ValueError, match="zip"):
        _encoded(Report(7, (Served(TABLE[0], 2, True, TABLE[:3], (1, 2)),)))


def test_the_bytes_of_a_type_are_its_number() -> None:
    assert {kind: encode_varint(number) for number, kind in enumerate(_TYPES, 1)} == TYPE_BYTES
    assert list(KNOWN_TYPES) == [number for number, _ in enumerate(_TYPES, 1)]


def test_a_grant_takes_three_bytes() -> None:
    assert decode_record(16, bytes.fromhex("01" + "000000"), TABLE) is not None

    with pytest.raises(TooLarge):
        decode_record(16, bytes.fromhex("02" + "000000" + "0000"), TABLE)


def test_leave_says_nothing_else() -> None:
    assert decode_record(8, b"", ()) == Leave()
    with pytest.raises(FrameError):
        decode_record(8, b"\0", ())


def test_who_a_gossip_is_for() -> None:
    vectors_by_name = {one["name"]: one["record"] for one in vectors("records.json", "record")}
    everyone = record_from(vectors_by_name["gossip to everyone"])
    some = record_from(vectors_by_name["gossip to some"])
    assert isinstance(everyone, Gossip)
    assert isinstance(some, Gossip)

    assert everyone.to_everyone
    assert not everyone.large
    assert everyone._replace(size=1, payload=b"").large
    assert not some.to_everyone
    assert list(some.netids()) == [
        NetID("192.168.1.10", 29999),
        *netids(["192.168.1.11:29999", "192.168.1.12:29999", "192.168.1.20:29999"]),
    ]


@PROPERTY
@given(st.binary(max_size=80))
def test_any_payload_splits_or_is_a_frame_error(payload: bytes) -> None:
    try:
        id_map, body = split_payload(payload)
    except FrameError:
        return
    table, index = encode_table(id_map.values())
    assert table + body == payload
    assert {at: netid for netid, at in index.items()} == id_map
