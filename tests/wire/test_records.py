"""Each record: round trips, cuts, additions, and what no version of it may say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.errors import FrameError, TooLarge
from chatter.ids import NetID
from chatter.wire.gossip import MAX_TAG_BYTES, Gossip, split_payload
from chatter.wire.idtable import encode_table, sort_netids
from chatter.wire.records import Leave, Record, decode_record, type_of
from tests.wire.samples import FEW, PROPERTY, netids, record_from, records, vectors

TABLE = tuple(NetID("10.0.0.1", port) for port in range(1, 10))
KNOWN_TYPES = range(1, 9)
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

    for length in range(len(data)):
        with pytest.raises(FrameError):
            decode_record(type_of(record), data[:length], table)


@FEW
@given(records, st.binary(min_size=1, max_size=3))
def test_what_is_left_over_is_refused(record: Record, rest: bytes) -> None:
    data, table = _encoded(record)
    if isinstance(record, Gossip):
        longer = decode_record(type_of(record), data + rest, table)
        assert longer == record._replace(payload=record.payload + rest)
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


@pytest.mark.parametrize("kind", [0, 9, 10, 255, 2**64 - 1])
@pytest.mark.parametrize("data", [b"", b"\xff" * 40])
def test_an_unknown_type_is_none(kind: int, data: bytes) -> None:
    assert decode_record(kind, data, TABLE) is None


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (1, "04" + "00" * 10),
        (2, "08" + ID + "01" + "01" + "00" + "0168"),
        (2, "40" + ID + "01" + "01" + "00" + "0168"),
        (2, "30" + ID + "01" + "01" + "00" + "0168"),  # a fourth codec
        (4, "0200"),
        (5, "01" + "00" + "00" * 16 + "00" + "04"),
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


@pytest.mark.parametrize("kind", [5, 6, 7])
@pytest.mark.parametrize("count", ["05", "ffffffff7f", "ffffffffffffffffff01"])
def test_more_entries_than_bytes_are_refused_first(kind: int, count: str) -> None:
    with pytest.raises(TooLarge):
        decode_record(kind, bytes.fromhex(count + "00000000"), TABLE)


def test_seen_ids_cannot_name_a_table_again_and_again() -> None:
    table = tuple(NetID("10.0.0.1", port) for port in range(1, 30001))
    whole = "00" + "01" + "00" + "b0ea01"  # channel 0, one run, from the first, 30,000 of them
    twice = bytes.fromhex("0102" + whole * 2)
    thrice = bytes.fromhex("0103" + whole * 3)

    assert decode_record(4, twice, table) is not None
    with pytest.raises(TooLarge):
        decode_record(4, thrice, table)


def test_a_known_epoch_leaves_room_for_a_newer_one() -> None:
    last = "00" + "00" + "fffffffffffeffff" + "00"
    assert decode_record(1, bytes.fromhex(last), ()) is not None

    with pytest.raises(FrameError, match="no epoch can follow"):
        decode_record(1, bytes.fromhex("00" + "00" + "ffffffffffff0000" + "00"), ())


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
