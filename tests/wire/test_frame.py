"""Bodies: round trips, sizes checked before memory is taken, unknown records skipped."""

from __future__ import annotations

import random
from collections.abc import Callable

import lz4.block
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.errors import FrameError, TooLarge, Truncated
from chatter.ids import BroadcastID, NetID
from chatter.wire.frame import (
    MAX_NAMED_NETIDS,
    MAX_ROUTING_BYTES,
    Body,
    FrameReader,
    Sender,
    body_of_one,
    decode_body,
    encode_body,
    frame_on_stream,
)
from chatter.wire.gossip import Gossip
from chatter.wire.idtable import encode_table
from chatter.wire.records import (
    CARRIERS,
    Beacon,
    Chunk,
    Credit,
    Grant,
    Highest,
    Leave,
    Record,
    Report,
    Result,
    Served,
    Took,
    Top,
    Trace,
    Traces,
)
from chatter.wire.seal import MAX_FRAME_BYTES, OVERHEAD_BYTES
from chatter.wire.varint import encode_varint
from tests.wire.samples import FEW, PROPERTY, at_most, records, senders

LEAVE = b"\x08\x00"
NO_NETIDS = b"\0\0"


def gossip(payload: bytes, *, compress: bool = True) -> Gossip:
    origin = BroadcastID(NetID("192.168.1.10", 29999), 1, 1)
    return Gossip(origin, "hello", "bytes", payload, number=1, compress=compress)


@FEW
@given(st.lists(records, max_size=6), senders)
def test_round_trip(some: list[Record], sender: Sender | None) -> None:
    assert decode_body(encode_body(some, sender))[:3] == (sender, some, 0)


@PROPERTY
@given(st.binary(max_size=200))
def test_any_bytes_give_a_body_or_a_frame_error(data: bytes) -> None:
    try:
        body = decode_body(data)
    except FrameError:
        return
    assert isinstance(body, Body)


@PROPERTY
@given(st.lists(records, min_size=1, max_size=4), senders, st.data())
def test_damage_gives_a_body_or_a_frame_error(
    some: list[Record], sender: Sender | None, data: st.DataObject
) -> None:
    """Bytes that are nearly right reach further into the decoders than random ones."""
    body = bytearray(encode_body(some, sender))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_body(bytes(body[: data.draw(st.integers(0, len(body)))]))
    except FrameError:
        return
    assert isinstance(decoded, Body)


@FEW
@given(st.lists(records, max_size=3), st.integers(23, 2**64 - 1), st.binary(max_size=100))
def test_an_unknown_record_is_skipped(some: list[Record], kind: int, data: bytes) -> None:
    # One that may not be compressed keeps the body plain, so that a record can be appended.
    some = [*some, gossip(b"", compress=False)]
    unknown = encode_varint(kind) + encode_varint(len(data)) + data
    body = encode_body(some) + unknown + LEAVE

    assert decode_body(body)[:3] == (None, [*some, Leave()], 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"\0\0",
        b"\0" + NO_NETIDS + b"\x08",  # a type without a length
        b"\0" + NO_NETIDS + b"\x63\x05abcd",  # an unknown record that ends early
        b"\x02" + NO_NETIDS,  # names a sender, and does not
        b"\x02" + NO_NETIDS + b"\0\0\0",  # by an index that no table has
        b"\x02" + b"\x01\x03\x02\0" + b"\0\0",  # and no position
        b"\0" + NO_NETIDS + b"\x08\x01\x00",  # a leave with something in it
        b"\0" + NO_NETIDS + b"\x03\x01\x00",
    ],
)
def test_a_body_that_does_not_keep_its_word_is_refused(body: bytes) -> None:
    with pytest.raises(FrameError):
        decode_body(body)


@pytest.mark.parametrize("flags", [4, 8, 0x80, 0xFF])
def test_flags_of_another_version_are_refused(flags: int) -> None:
    with pytest.raises(FrameError, match="another version"):
        decode_body(bytes((flags,)) + NO_NETIDS)


def _packed(raw: bytes, claimed: int) -> bytes:
    block: bytes = lz4.block.compress(raw, store_size=False)
    return b"\x01" + encode_varint(claimed) + block


def test_a_compressed_body_by_hand() -> None:
    assert decode_body(_packed(NO_NETIDS + LEAVE, 4))[:3] == (None, [Leave()], 0)


@pytest.mark.parametrize("claimed", [MAX_ROUTING_BYTES + 1, 2**31, 2**32, 2**63, 2**64 - 1])
def test_a_bomb_is_refused_before_memory_is_taken(claimed: int) -> None:
    bomb = _packed(bytes(50_000), claimed)

    with at_most(100_000), pytest.raises(TooLarge):
        decode_body(bomb)


@pytest.mark.parametrize("claimed", [0, 1, 3, 1000])
def test_a_bomb_that_claims_to_be_small_gets_no_more(claimed: int) -> None:
    bomb = _packed(NO_NETIDS + bytes(10_000_000), claimed)

    with at_most(200_000), pytest.raises(FrameError):
        decode_body(bomb)


@pytest.mark.parametrize("claimed", [5, 100, MAX_ROUTING_BYTES])
def test_a_raw_size_that_is_not_reached_is_refused(claimed: int) -> None:
    with pytest.raises(Truncated):
        decode_body(_packed(NO_NETIDS + LEAVE, claimed))


@pytest.mark.parametrize("block", [b"", b"\xf0", b"\x1f\x00\x05\x00", b"\xff" * 50])
def test_a_damaged_block_is_refused(block: bytes) -> None:
    with pytest.raises(FrameError):
        decode_body(b"\x01" + encode_varint(4) + block)


def test_compression_is_used_where_it_wins_and_may() -> None:
    text = b"the same again and " * 50
    noise = random.Random(1).randbytes(900)

    assert len(encode_body([gossip(text)])) < 200
    assert encode_body([gossip(noise)])[0] == 0
    assert encode_body([gossip(text, compress=False)])[0] == 0
    assert text in encode_body([gossip(text), gossip(b"", compress=False)])


def test_a_chunk_keeps_its_frame_plain_as_a_gossip_does() -> None:
    text = b"the same again and " * 50
    chunk = Chunk(gossip(b"").id, 0, text)

    assert len(encode_body([chunk])) < 200
    plain = encode_body([chunk, chunk._replace(compress=False)])
    assert (plain[0], plain.count(text)) == (0, 2)
    assert decode_body(plain).records == [chunk, chunk._replace(compress=False)]


@PROPERTY
@given(st.lists(records, min_size=1, max_size=3))
def test_only_what_carries_users_bytes_can_forbid_compression(some: list[Record]) -> None:
    carried = [record for record in some if isinstance(record, CARRIERS)]
    assert [record for record in some if hasattr(record, "compress")] == carried
    if encode_body(some)[0] & 1:
        assert all(record.compress for record in carried)


@pytest.mark.parametrize("make", [random.Random(2).randbytes, bytes], ids=["noise", "zeros"])
def test_the_largest_body_fits_in_the_largest_frame(make: Callable[[int], bytes]) -> None:
    room = MAX_ROUTING_BYTES - len(encode_body([gossip(bytes(20_000), compress=False)])) + 20_001
    largest = gossip(make(room))

    body = encode_body([largest])

    assert len(body) + OVERHEAD_BYTES <= MAX_FRAME_BYTES
    assert decode_body(body).records == [largest]
    plain = encode_body([largest._replace(compress=False)])
    assert len(plain) + OVERHEAD_BYTES == MAX_FRAME_BYTES
    with pytest.raises(ValueError, match="do not fit"):
        encode_body([largest._replace(payload=make(room + 1))])


def _naming_everybody(kind: int, record: bytes, times: int) -> bytes:
    table, _ = encode_table(NetID("10.0.0.1", port) for port in range(1, 10_001))
    one = encode_varint(kind) + encode_varint(len(record)) + record
    return b"\0" + table + one * times


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        (2, "00" + "00" + "00" * 8 + "01" + "01" + "01" + "00" + "904e" + "0168"),
        (4, "01" + "01" + "00" + "01" + "00" + "904e"),
        (21, "00" + "00" * 8 + "01" + "00" + "0168" + "00" + "00" + "01" + "00" + "904e" + "00"),
    ],
    ids=["gossip", "seen ids", "result"],
)
def test_few_bytes_cannot_name_everybody_without_end(kind: int, record: str) -> None:
    """Three bytes name the whole table: 64 KiB of them would unfold to hundreds of megabytes."""
    most = MAX_NAMED_NETIDS // 10_001
    body = _naming_everybody(kind, bytes.fromhex(record), most)
    assert len(decode_body(body).records) == most

    body = _naming_everybody(kind, bytes.fromhex(record), 1400)
    assert len(body) < MAX_ROUTING_BYTES
    with at_most(8 * 1024 * 1024), pytest.raises(TooLarge):
        decode_body(body)


def test_a_report_cannot_name_more_than_it_has_times_for() -> None:
    """Else each of its groups could name the whole table in three bytes."""
    group = "00" + "00" + "01" + "01" + "00" + "904e"
    short = _naming_everybody(14, bytes.fromhex("01" + "01" + group) + bytes(9_999), 1)
    whole = _naming_everybody(14, bytes.fromhex("01" + "01" + group) + bytes(10_000), 1)
    many = bytes.fromhex("01" + "8008" + group * 1024)

    assert len(decode_body(whole).records) == 1
    with pytest.raises(TooLarge):
        decode_body(short)
    with at_most(4 * 1024 * 1024), pytest.raises(TooLarge):
        decode_body(_naming_everybody(14, many, 3))


NETID = NetID("10.0.0.1", 1)
SERVED = (Served(NETID, 1, True, (NETID,), (0,)),)


@pytest.mark.parametrize(
    "record",
    [
        Highest((Top(NETID, 1, 1),) * 4),
        Took((BroadcastID(NETID, 1, 1),) * 4),
        Report(1, SERVED * 2),
        Credit((Grant(NETID, 0, 1),) * 4),
        Traces((Trace(BroadcastID(NETID, 1, 1), 1, NETID, False, 0, "x", 1, 0),) * 2),
        Result(BroadcastID(NETID, 1, 1), 0, "x", 1, 3, (NETID,), SERVED),
    ],
    ids=lambda record: type(record).__name__,
)
def test_the_netids_of_every_record_are_counted(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = encode_body([record, record])
    monkeypatch.setattr("chatter.wire.frame.MAX_NAMED_NETIDS", 8)
    assert decode_body(body).records == [record, record]

    monkeypatch.setattr("chatter.wire.frame.MAX_NAMED_NETIDS", 7)
    with pytest.raises(TooLarge, match="together"):
        decode_body(body)


def test_a_body_without_a_sender_differs_from_one_with() -> None:
    netid = NetID("10.0.0.1", 7)

    assert decode_body(encode_body([Beacon(netid)])).sender is None
    assert decode_body(encode_body([Beacon(netid)], Sender(netid, 3))).sender == (netid, 3, 0)
    far = Sender(netid, 3, 2**64 - 1)
    assert decode_body(encode_body([], far)).sender == far


def test_a_piece_that_is_one_frame_is_that_frame() -> None:
    frame = bytes(OVERHEAD_BYTES + 30)
    piece = frame_on_stream(frame)
    assert FrameReader().only_frame(piece) == frame
    for other in (piece[:-1], piece + b"\0", piece + piece, b"", b"\0\0\0"):
        assert FrameReader().only_frame(other) is None
    short = frame_on_stream(bytes(OVERHEAD_BYTES - 1))
    assert FrameReader().only_frame(short) is None
    assert FrameReader(len(frame) - 1).only_frame(piece) is None
    behind = FrameReader()
    behind.feed(piece[:7])
    assert behind.only_frame(piece) is None


def test_how_a_connection_began_says_nothing_of_a_datagram() -> None:
    """Their tables are alike, but behind it a datagram says who sends it."""
    gossip = Gossip(BroadcastID(NETID, 1, 1), "tag", "json", b"\0\0{}", 1)
    sender = Sender(NETID, 0, 5)
    plain, named = encode_body([gossip]), encode_body([gossip], sender)
    known = decode_body(plain).start
    assert decode_body(named, known) == decode_body(named)
    assert decode_body(named, known).sender == sender
    known = decode_body(named).start
    assert decode_body(plain, known) == decode_body(plain)


def test_the_same_record_alone_is_encoded_once_and_another_anew() -> None:
    gossips = [Gossip(BroadcastID(NETID, 1, n), "tag", "json", b"\0\0{}", n) for n in (1, 2)]
    for gossip in (gossips[0], gossips[0], gossips[1], gossips[0]):
        assert body_of_one(gossip) == encode_body([gossip])
    assert body_of_one(gossips[0]) is body_of_one(gossips[0])
