"""Size bounds hold: what a queue takes for a datagram fits in it, whatever the addresses."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.config import Config
from chatter.core.channels import _FRAME_BYTES, ChannelSpec, MulticastChannel
from chatter.core.context import Context
from chatter.core.identity import Identity
from chatter.core.outbox import Outbox, UdpQueue
from chatter.core.peers import PeerDB
from chatter.ids import BroadcastID, NetID
from chatter.keys import generate_key
from chatter.wire.frame import Sender, encode_body
from chatter.wire.gossip import Gossip
from chatter.wire.idtable import encode_table
from chatter.wire.records import (
    Ack,
    Beacon,
    Burst,
    Credit,
    Figures,
    Grant,
    Hello,
    Highest,
    OtherId,
    OtherIds,
    Probe,
    Record,
    Report,
    Result,
    SeenIds,
    Served,
    Took,
    Top,
    Trace,
    Traces,
    WantChunks,
    WantNumbers,
    Watch,
)
from chatter.wire.seal import MAX_FRAME_BYTES, KeyRing
from chatter.wire.varint import encode_varint
from tests.wire.samples import FEW, PROPERTY, burst_of, in_order, records, senders

# What core sets aside for flags, table counts, the sender and its position, and for type and length
# of a record.
FRAME_BYTES = 1 + 8 + 32 + 10
RECORD_HEAD_BYTES = 11
GROUP = NetID("224.1.1.1", 29999)
# Keeps the body plain: with compression on, too small a bound would go unnoticed.
PLAIN = Gossip(BroadcastID(NetID("9.9.9.9", 9), 1, 1), "x", "bytes", b"", 1, compress=False)


# A tag, name or version of which each byte needs all of its letter's room.
LONGEST = "\U0001f600" * 63 + "xxx"


def widest_result(origin: NetID, missing: tuple[NetID, ...], groups: tuple[Served, ...]) -> Result:
    id_ = BroadcastID(origin, 2**64 - 1, 2**64 - 1)
    return Result(id_, 2**32 - 1, LONGEST, 2**32, 2**64 - 1, missing, groups)


def widest_traces(origins: tuple[NetID, ...], senders: tuple[NetID, ...], hop: int) -> Traces:
    recipients = 0 if hop else 2**64 - 1
    return Traces(
        tuple(
            Trace(
                BroadcastID(origin, 2**64 - 1, 2**64 - 1), hop, sender if hop else origin, hop > 0,
                2**32 - 1, LONGEST, 2**32, recipients,
            )
            for origin, sender in zip(origins, senders, strict=True)
        )
    )  # fmt: skip


def widest_figures(names: int) -> Figures:
    named = tuple((f"{number:04}{LONGEST[1:]}", 2**64 - 1) for number in range(names))
    assert all(len(name.encode()) == 255 for name, _ in named)
    return Figures(2**64 - 1, 2**64 - 1, 255, 256, 2**32 - 1, LONGEST, named, named)


def widest_burst(origin: NetID, listed: tuple[NetID, ...], tag: str = LONGEST) -> Burst:
    """As many as fit, so that their count is as wide as it can be."""
    id_ = BroadcastID(origin, 2**64 - 1, 2**63)
    return burst_of([b"x"] * 20_000, id=id_, number=2**63, tag=tag, hop=64, distribution=listed)


def bound(some: list[Record]) -> int:
    return FRAME_BYTES + sum(record.size_bound() + RECORD_HEAD_BYTES for record in some)


@PROPERTY
@given(st.lists(records, max_size=5), senders)
def test_no_body_is_larger_than_its_bounds(some: list[Record], sender: Sender | None) -> None:
    some = [*some, PLAIN]
    body = encode_body(some, sender)

    assert body[0] & 1 == 0
    assert len(body) <= bound(some)


@PROPERTY
@given(records)
def test_a_record_alone_is_no_larger_than_its_bound(record: Record) -> None:
    extra = len(encode_body([record, PLAIN])) - len(encode_body([PLAIN]))

    assert extra <= record.size_bound() + RECORD_HEAD_BYTES


def far_apart(count: int, *, wide: bool, seed: int = 1) -> tuple[NetID, ...]:
    """NetIDs that share nothing: the table's worst case."""
    rng = random.Random(seed)
    addresses = (rng.randbytes(16 if wide else 4) for _ in range(count))
    return in_order([_netid(packed, rng.randint(1, 65535)) for packed in addresses])


def _netid(packed: bytes, port: int) -> NetID:
    if len(packed) == 4:
        return NetID(".".join(map(str, packed)), port)
    return NetID(":".join(packed[at : at + 2].hex() for at in range(0, 16, 2)), port)


def ports_of_one_host(count: int) -> tuple[NetID, ...]:
    """Ports in the order that makes their distances large."""
    return tuple(NetID("127.0.0.1", 1 + 65534 * at // count) for at in range(count))


CROWDS = {
    "IPv4, far apart": far_apart(900, wide=False),
    "IPv6, far apart": far_apart(900, wide=True),
    "ports of one host": ports_of_one_host(900),
    "both": far_apart(400, wide=True) + far_apart(400, wide=False),
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_the_bounds_hold_for_crowds(crowd: str) -> None:
    """Every other one is named, so that each is a run of its own."""
    everybody = CROWDS[crowd]
    half = everybody[::2]
    ids = tuple(BroadcastID(netid, 2**64 - 1, 2**64 - 1) for netid in half)
    others = tuple(OtherId(netid, bytes(16), 36000, False, everybody[-1]) for netid in half)
    rest = PLAIN._replace(distribution=everybody[1::2])
    for record in (
        Gossip(ids[0], "tag", "own", b"x" * 900, 2**64 - 1, 64, half, 2**64 - 1),
        widest_burst(half[0], half),
        SeenIds(((2**32, half), (0, half[:10])), True),
        OtherIds(others),
        Probe(ids, answer=True),
        Took(ids),
        Highest(tuple(Top(netid, 2**64 - 1, 2**64 - 1) for netid in half)),
        Report(2**64 - 1, (Served(everybody[-1], 64, True, half, (2**32 - 1,) * len(half)),)),
        Report(0, tuple(Served(netid, 1, False, (netid,), (2**32 - 1,)) for netid in half)),
        Credit(tuple(Grant(netid, 2**64 - 1, 2**64 - 1) for netid in half)),
        widest_traces(half[:100], half[100:200], 64),
        widest_traces(half[:100], half[:100], 0),
        widest_result(half[0], half, ()),
        widest_result(half[0], (), (Served(half[1], 64, True, half, (2**32 - 1,) * len(half)),)),
    ):
        # Alone, so that no other record's slack hides what this one lacks; then with the others,
        # between which each one that it names is a run of its own.
        pair: tuple[list[Record], list[Record]] = ([record, PLAIN], [record, rest])
        for together in pair:
            assert len(encode_body(together)) <= bound(together), type(record)


WIDE_RANGES = tuple((at << 53, (at << 53) + (1 << 52)) for at in range(1, 2000))


@pytest.mark.parametrize(
    "record",
    [
        Hello(bytes(16), bytes(16), 2**64 - 1, 2**63, 2**64 - 1, 2**64 - 1),
        Ack(2**64 - 1, WIDE_RANGES),
        WantNumbers(PLAIN.id.origin, 2**64 - 1, WIDE_RANGES),
        WantChunks(PLAIN.id, tuple((at << 21, at << 21 | 1 << 20) for at in range(2000))),
        Watch(2**64 - 1, 2**64 - 1, 32),
        widest_burst(PLAIN.id.origin, ()),
        widest_figures(100),
        PLAIN._replace(
            number=0,
            revision=2**64 - 1,
            confirm_ms=2**32 - 1,
            after=2**64 - 1,
            size=2**32,
            pull=True,
            id=PLAIN.id._replace(seqno=2**64 - 1),
        ),
    ],
    ids=lambda record: type(record).__name__,
)
def test_the_bounds_hold_for_the_widest_numbers(record: Record) -> None:
    assert len(encode_body([record, PLAIN])) <= bound([record, PLAIN])


WIDE = far_apart(900, wide=True)
WIDEST_TAG = Gossip(
    BroadcastID(WIDE[0], 2**64 - 1, 2**64 - 1),
    "\U0001f600",
    "own",
    b"",
    0,
    64,
    (),
    2**64 - 1,
    confirm_ms=2**32 - 1,
    after=2**64 - 1,
    size=2**32,
)


@pytest.mark.parametrize(
    "record",
    [
        Hello(bytes(16), bytes(16), 2**64 - 1, 2**63, 2**64 - 1, 2**64 - 1),
        WIDEST_TAG,
        widest_burst(WIDE[0], (), "\U0001f600"),
        widest_burst(WIDE[0], WIDE[::2], "\U0001f600"),
        Report(1, (Served(WIDE[0], 64, True, WIDE[::2], (2**32 - 1,) * 450),)),
        Watch(2**64 - 1, 2**64 - 1, 32),
        widest_figures(0),
        widest_figures(1),
        widest_traces(WIDE[:1], WIDE[-1:], 64),
        widest_traces(WIDE[:100:2], WIDE[-100::2], 64),
        widest_traces(WIDE[-1:], WIDE[-1:], 0),
        widest_result(WIDE[0], (), ()),
        widest_result(WIDE[0], WIDE[::2], (Served(WIDE[-1], 64, True, (), ()),)),
        widest_result(WIDE[0], (), tuple(Served(one, 64, True, (), ()) for one in WIDE[::2])),
    ],
    ids=lambda record: type(record).__name__,
)
def test_a_bound_needs_no_slack_of_the_frame(record: Record) -> None:
    """The record and its part of a table in which its NetIDs do not stand side by side."""
    _, index = encode_table(WIDE)
    named, _ = encode_table(record.netids())

    assert len(record.encode(index)) + len(named) - 2 <= record.size_bound()


@pytest.mark.parametrize("length", [1, 20, 255])
def test_a_tag_beyond_ascii_is_counted_in_bytes(length: int) -> None:
    gossip = PLAIN._replace(tag="\U0001f600" * (length // 4) + "x" * (length % 4))

    assert len(encode_body([gossip])) <= bound([gossip])


def channel_of(local: NetID, max_datagram_bytes: int) -> MulticastChannel:
    config = Config(key=generate_key(), multicast=[])
    identity = Identity(KeyRing(config.secrets), bytes(16))
    peers, rng = PeerDB(local), random.Random(1)
    context = Context(config, local, identity, peers, rng, rng.randbytes, UdpQueue(), 0)
    return MulticastChannel(context, 200, ChannelSpec(GROUP, False, max_datagram_bytes))


def put(channel: MulticastChannel, record: Record) -> bool:
    if isinstance(record, Gossip | Burst):
        return channel.put_gossip(record)
    return channel.put(record)


def test_what_is_set_aside_for_a_frame_is_enough() -> None:
    """Of the largest table, the counts; of the worst sender, entry, index, channel, position.

    A queue counts 16 bytes or more for each NetID, so a frame names 4,096 at most: two bytes.
    """
    largest_index = count = len(encode_varint(MAX_FRAME_BYTES // 16))
    position = len(encode_varint(2**64 - 1))
    entry = 19 + 3

    assert 1 + 2 * count + entry + largest_index + 2 + position <= _FRAME_BYTES == FRAME_BYTES
    body = encode_body([], Sender(WIDEST, 200, 2**64 - 1))
    assert len(body) == 1 + 2 + entry + 1 + 2 + position


@pytest.mark.parametrize("over", [0, 1, 300])
def test_two_records_share_a_datagram_if_both_fit(over: int) -> None:
    channel = channel_of(WIDEST, 1400)
    room = channel.budget - 2 * (PLAIN.size_bound() + RECORD_HEAD_BYTES)
    first, second = (
        PLAIN._replace(payload=random.Random(size).randbytes(size), compress=True)
        for size in (room // 2, room - room // 2 + over)
    )
    channel.put_gossip(first)
    channel.put_gossip(second)

    frames = [channel.next_frame(0.0), channel.next_frame(0.0)]

    assert [frame is not None for frame in frames] == [True, over > 0]


WIDEST = NetID("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535)


@FEW
@given(st.lists(records, max_size=12), st.sampled_from([1400, 8952, 60 * 1024]))
def test_no_datagram_is_larger_than_its_channel(some: list[Record], largest: int) -> None:
    channel = channel_of(WIDEST, largest)
    fitting = [record for record in some if record.size_bound() <= channel.budget]
    for record in fitting:
        assert put(channel, record)

    frames = []
    while (frame := channel.next_frame(0.0)) is not None:
        frames.append(frame)

    assert all(len(frame) <= largest for frame in frames)
    assert len(frames) <= len(fitting)
    assert bool(frames) == bool(fitting)


@pytest.mark.parametrize("largest", [1400, 8952, 60 * 1024])
@pytest.mark.parametrize("local", [WIDEST, NetID("127.0.0.1", 1)], ids=str)
def test_a_datagram_is_filled_but_not_beyond(local: NetID, largest: int) -> None:
    """Records that just fit, which leave no slack but that of the frame."""
    channel = channel_of(local, largest)
    fixed = PLAIN.size_bound()
    for short in (0, 1, 11, 12):
        noise = random.Random(short).randbytes(channel.budget - fixed - short)
        for compress in (True, False):
            assert channel.put_gossip(PLAIN._replace(payload=noise, compress=compress))
            frame = channel.next_frame(0.0)
            assert frame is not None
            assert largest - 150 < len(frame) <= largest


def test_what_may_not_be_compressed_closes_its_datagram() -> None:
    outbox = Outbox(10_000)
    beacon = Beacon(NetID("10.0.0.1", 1))
    for record in (beacon, beacon):
        outbox.put(record)
    for _ in range(2):
        outbox.put_gossip(PLAIN)

    batches = [outbox.take(5000, 1 << 40) for _ in range(2)]
    assert [batch and batch.records for batch in batches] == [[beacon, beacon, PLAIN], [PLAIN]]
    assert outbox.bytes == 0
