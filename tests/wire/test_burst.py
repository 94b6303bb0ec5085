"""Bursts: the same broadcasts, whole, in parts and one by one; what no burst may say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.errors import FrameError
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import MAX_BODY_BYTES, Broadcasts, Burst, encode_bodies, head_bound
from chatter.wire.frame import decode_body, encode_body
from chatter.wire.gossip import CODECS, MAX_HOPS, MAX_TAG_BYTES, NO_NETIDS, Gossip
from chatter.wire.idtable import encode_table, sort_netids
from chatter.wire.records import decode_record
from chatter.wire.varint import encode_varint
from tests.wire.samples import (
    FEW,
    LAST_OF_A_BURST,
    PROPERTY,
    at_most,
    body_lists,
    burst_of,
    bursts,
    gossips,
    netids,
)

BURST = 22
TABLE = tuple(NetID("10.0.0.1", port) for port in range(1, 10))
LAST = LAST_OF_A_BURST


def encoded(
    payload: str,
    *,
    flags: int = 0,
    origin: int = 0,
    seqno: int = 7,
    number: int = 5,
    many: int = 2,
    hop: int = 1,
    runs: str = "00",
    tag: bytes = b"hello",
) -> bytes:
    """A burst by hand, whatever is wrong with it."""
    return b"".join(
        (
            bytes((flags,)),
            encode_varint(origin),
            (1).to_bytes(8, "big"),
            *(encode_varint(one) for one in (seqno, number, many, hop)),
            bytes.fromhex(runs),
            encode_varint(len(tag)),
            tag,
            bytes.fromhex(payload),
        )
    )


TWO = "0001" + "0002" + "61" + "6262"  # a, bb
ALIKE = "0002" + "6161" + "6262"  # with flag 4


def decoded(data: bytes) -> Burst:
    burst = decode_record(BURST, data, TABLE)
    assert isinstance(burst, Burst)
    return burst


def alone(burst: Burst, bodies: list[bytes]) -> list[Gossip]:
    """What the origin would have sent instead."""
    origin, epoch, seqno = burst.id
    return [
        Gossip(
            BroadcastID(origin, epoch, seqno + at),
            burst.tag,
            burst.codec,
            NO_NETIDS + body,
            burst.number + at,
            burst.hop,
            burst.distribution,
            compress=burst.compress,
        )
        for at, body in enumerate(bodies)
    ]


def real_bytes(record: Broadcasts) -> int:
    """What a record adds to a frame, without its type and length."""
    table, index = encode_table(record.netids())
    return len(table) - 2 + len(record.encode(index))


def one_by_one(some: list[Broadcasts]) -> list[Gossip]:
    return [gossip for one in some for gossip in one.gossips()]


# The bodies


@PROPERTY
@given(body_lists)
def test_the_bodies_are_those_that_were_put_in(bodies: list[bytes]) -> None:
    assert burst_of(bodies).bodies() == bodies


@pytest.mark.parametrize(
    ("bodies", "payload", "one_size"),
    [
        ([b"ab", b"cd"], b"\0\2abcd", True),
        ([b"ab", b"c"], b"\0\2\0\1abc", False),
        ([b"a", b"bc"], b"\0\1\0\2abc", False),
        ([b"", b"ab"], b"\0\0\0\2ab", False),
        ([b"ab", b""], b"\0\2\0\0ab", False),
        ([b"", b"", b""], b"\0\0\0\0\0\0", False),  # a size of 0 could stand for any number
    ],
)
def test_a_size_that_all_share_is_written_once(
    bodies: list[bytes], payload: bytes, one_size: bool
) -> None:
    assert encode_bodies(bodies) == (payload, one_size)


@pytest.mark.parametrize("other", [0, 1, MAX_BODY_BYTES])
def test_the_largest_body(other: int) -> None:
    bodies = [bytes(MAX_BODY_BYTES), b"x" * other]

    assert burst_of(bodies).bodies() == bodies


def test_a_burst_that_fills_a_frame() -> None:
    for bodies in ([b"x" * 15] * 1024, [b""] * 1024, [b"x" * 21_000, b"", b"y" * 44_000]):
        burst = burst_of(bodies)
        (record,) = decode_body(encode_body([burst])).records
        assert record == burst
        assert burst.bodies() == bodies


# One by one


@PROPERTY
@given(bursts)
def test_each_is_what_it_would_be_alone(burst: Burst) -> None:
    expected = alone(burst, burst.bodies())

    assert list(burst.gossips()) == expected
    assert [burst.gossip(at) for at in range(burst.many)] == expected
    assert burst.last_number == expected[-1].number


@FEW
@given(bursts)
def test_it_reads_like_each_of_them(burst: Burst) -> None:
    for one in burst.gossips():
        for name in ("tag", "codec", "hop", "distribution", "compress"):
            assert getattr(one, name) == getattr(burst, name)
        for name in ("to_everyone", "large", "size", "confirm_ms"):
            assert getattr(one, name) == getattr(burst, name)
        assert list(one.netids()) == list(burst.netids())


@FEW
@given(gossips)
def test_a_gossip_reads_like_a_burst_of_one(gossip: Gossip) -> None:
    assert (gossip.many, gossip.last_number) == (1, gossip.number)
    assert list(gossip.gossips()) == list(gossip.parts(1)) == [gossip]
    assert gossip.least_bound() == gossip._replace(distribution=()).size_bound()


# In parts


def test_it_is_taken_apart_once_for_any_number_of_stretches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A peer chooses what it asks for: every other of a thousand must not cost a thousand times."""
    burst = burst_of([b"%d" % number for number in range(1000)])
    singles = list(burst.gossips())
    taken: list[Burst] = []
    bodies = Burst.bodies

    def counted(self: Burst) -> list[bytes]:
        taken.append(self)
        return bodies(self)

    monkeypatch.setattr(Burst, "bodies", counted)

    assert burst.stretches((at, at + 1) for at in range(0, 1000, 2)) == singles[::2]
    parts = burst.parts(200)
    assert len(parts) > 20
    assert len(taken) == 2
    assert [burst.gossip(position) for position in (0, 500, 999)] == [
        singles[0],
        singles[500],
        singles[999],
    ]
    assert len(taken) == 2
    assert list(burst.gossips((3, 997))) == [singles[3], singles[997]]


@PROPERTY
@given(bursts, st.data())
def test_a_part_is_the_same_broadcasts(burst: Burst, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, burst.many - 1))
    stop = data.draw(st.integers(start + 1, burst.many))

    part = burst.part(start, stop)

    assert list(part.gossips()) == list(burst.gossips())[start:stop]
    assert part.many == stop - start
    assert isinstance(part, Gossip) == (part.many == 1)
    assert part.last_number == burst.number + stop - 1
    assert real_bytes(part) <= part.size_bound()
    if isinstance(part, Burst):
        assert part.size_bound() <= burst.size_bound()


@FEW
@given(bursts, st.data())
def test_a_part_travels_as_any_burst(burst: Burst, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, burst.many - 2))
    part = burst.part(start, data.draw(st.integers(start + 2, burst.many)))

    assert decode_body(encode_body([part])).records == [part]


def test_a_part_without_the_odd_one_has_one_size() -> None:
    burst = burst_of([b"a", b"bb", b"cc", b"dd"])

    part = burst.part(1, 4)

    assert part == burst_of(
        [b"bb", b"cc", b"dd"],
        id=burst.id._replace(seqno=burst.id.seqno + 1),
        number=burst.number + 1,
    )
    assert isinstance(part, Burst)
    assert part.one_size
    assert burst.part(0, 4) is burst


@PROPERTY
@given(bursts, st.data())
def test_parts_keep_to_their_room(burst: Burst, data: st.DataObject) -> None:
    most_bytes = data.draw(st.integers(0, burst.size_bound() + 10))

    parts = list(burst.parts(most_bytes))

    assert one_by_one(parts) == list(burst.gossips())
    for part in parts:
        assert part.size_bound() <= most_bytes or part.many == 1
        assert isinstance(part, Gossip) == (part.many == 1)
        # One alone fits as well, if it can: its bound is looser, its bytes are no more.
        as_burst = len(part.payload) + burst.size_bound() - len(burst.payload)
        assert real_bytes(part) <= max(most_bytes, as_burst)
    assert (parts == [burst]) == (burst.size_bound() <= most_bytes)


@pytest.mark.parametrize("listed", [(), TABLE[1:]], ids=["to nobody", "to some"])
def test_parts_are_filled(listed: tuple[NetID, ...]) -> None:
    """Sizes by turns, so that each body costs what is reckoned for it."""
    burst = burst_of([b"x" * (99 + at % 2) for at in range(200)], distribution=listed)

    *full, _ = burst.parts(1400)

    assert len(full) > 10
    for part in full:
        assert 1400 - 102 <= part.size_bound() <= 1400


def test_a_part_that_just_fits() -> None:
    burst = burst_of([b"a", b"bb", b"ccc", b"dddd"])
    three = burst.part(0, 3).size_bound()

    assert [part.many for part in burst.parts(three)] == [3, 1]
    assert [part.many for part in burst.parts(three - 1)] == [2, 2]
    alike = burst_of([b"aa"] * 9)
    assert list(alike.parts(alike.size_bound())) == [alike]


def test_one_that_is_too_large_goes_alone_and_the_others_together() -> None:
    burst = burst_of([b"a", b"bb", b"x" * 2000, b"", b"dd"])

    parts = list(burst.parts(1000))

    assert [part.many for part in parts] == [2, 1, 2]
    assert parts[1] == burst.gossip(2)
    assert one_by_one(parts) == list(burst.gossips())


@pytest.mark.parametrize("first", [0, 2000])
def test_a_first_or_last_one_that_is_too_large(first: int) -> None:
    burst = burst_of([b"x" * first, b"a", b"b", b"x" * (2000 - first)])

    many = [part.many for part in burst.parts(1000)]

    assert many == ([1, 3] if first else [3, 1])


@PROPERTY
@given(bursts)
def test_the_least_bound_is_that_of_the_largest(burst: Burst) -> None:
    single = [one._replace(distribution=()) for one in burst.gossips()]

    assert burst.least_bound() == max(one.size_bound() for one in single)
    assert burst.least_bound() >= max(map(real_bytes, single))


@PROPERTY
@given(bursts)
def test_the_bound_of_the_head_holds(burst: Burst) -> None:
    bare = burst._replace(distribution=())

    assert real_bytes(bare) - len(burst.payload) <= head_bound(burst.tag, burst.id.origin)
    assert bare.size_bound() == len(burst.payload) + head_bound(burst.tag, burst.id.origin)


# What is taken, and what not


def test_a_burst_by_hand() -> None:
    listed = encoded(TWO, origin=2, seqno=300, number=200, hop=MAX_HOPS, runs="010102")

    assert decoded(listed) == Burst(
        BroadcastID(TABLE[2], 1, 300),
        "hello",
        "json",
        bytes.fromhex(TWO),
        200,
        2,
        one_size=False,
        hop=64,
        distribution=TABLE[1:3],
    )
    assert decoded(encoded(TWO)).bodies() == [b"a", b"bb"]
    assert decoded(encoded(ALIKE, flags=4)).bodies() == [b"aa", b"bb"]


@pytest.mark.parametrize("codec", CODECS)
def test_each_flag_has_its_meaning(codec: str) -> None:
    base = CODECS.index(codec) << 4

    plain = decoded(encoded(ALIKE, flags=base | 2 | 4))
    assert (plain.codec, plain.compress, plain.one_size) == (codec, False, True)
    other = decoded(encoded(TWO, flags=base))
    assert (other.codec, other.compress, other.one_size) == (codec, True, False)


@pytest.mark.parametrize("flags", [1, 8, 64, 128, 3 << 4])
@pytest.mark.parametrize(("with_it", "payload"), [(0, TWO), (4, ALIKE)])
def test_flags_of_another_version_are_refused(flags: int, with_it: int, payload: str) -> None:
    with pytest.raises(FrameError, match="another version"):
        decoded(encoded(payload, flags=flags | with_it))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (encoded(TWO, origin=9), "table does not have"),
        (encoded(TWO, seqno=0), "impossible seqno"),
        (encoded(TWO, number=0), "impossible seqno, number"),
        (encoded(TWO, hop=0), "hop"),
        (encoded(TWO, hop=MAX_HOPS + 1), "hop"),
        (encoded(TWO, seqno=2**64 - 1), "64 bits"),
        (encoded(TWO, number=2**64 - 1), "64 bits"),
        (encoded(TWO, seqno=LAST), "64 bits"),
        (encoded(TWO, number=LAST), "64 bits"),
        (encoded("0001" + "61" * 9, flags=4, many=2**64 - 1), "a burst of 1844"),
        (encoded("", many=0), "a burst of 0 "),
        (encoded("0001" + "61", many=1), "a burst of 1 "),
        (encoded("0001", flags=4, many=0), "a burst of 0 "),
        (encoded("0001" + "61", flags=4, many=1), "a burst of 1 "),
        (encoded(TWO, runs="010903"), "table does not hold"),
        (encoded(TWO, tag=b""), "tag"),
        (encoded(TWO, tag=b"x" * (MAX_TAG_BYTES + 1)), "tag"),
        (encoded(TWO, tag="é".encode() * 128), "tag"),
        (encoded(TWO, tag=b"\xff"), "UTF-8"),
        (encoded(""), "inside its sizes"),
        (encoded("000100"), "inside its sizes"),
        (encoded("", flags=4), "inside its sizes"),
        (encoded("00", flags=4), "inside its sizes"),
        (encoded("0001" + "61" * 1025, flags=4, many=1025), "a burst of 1025 "),
        (encoded("0000", flags=4), "nothing but its count"),
        (encoded("0000" + "6161", flags=4), "nothing but its count"),
        (encoded("0000", flags=4, many=2**60), "a burst of 115"),
        (encoded("0001" + "0001" + "61"), "take 2 bytes, and which has 1"),
        (encoded("0001" + "0001" + "616161"), "take 2 bytes, and which has 3"),
        (encoded("0002" + "6161", flags=4), "take 4 bytes, and which has 2"),
        (encoded("0001" + "616161", flags=4), "take 2 bytes, and which has 3"),
        (encoded("ffff" + "ffff" + "61"), "take 131070 bytes"),
        (encoded("0100" + "0000"), "take 256 bytes"),  # big-endian
    ],
)
def test_an_impossible_burst_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        decoded(data)


def test_the_ends_of_what_is_taken() -> None:
    last = LAST - 1
    tag = b"x" * MAX_TAG_BYTES

    burst = decoded(encoded(TWO, seqno=last, number=last, hop=MAX_HOPS, tag=tag))

    assert burst.last_number == LAST
    assert (burst.id.seqno, burst.number, burst.hop, burst.tag) == (last, last, 64, "x" * 255)
    assert [one.id.seqno for one in burst.gossips()] == [last, LAST]
    assert decoded(encoded("0000" * 2)).bodies() == [b"", b""]


@pytest.mark.parametrize("flags", [0, 4])
@pytest.mark.parametrize("many", [2**16, 2**31, 2**32, 2**62, 2**63])
def test_more_broadcasts_than_bytes_are_refused_first(flags: int, many: int) -> None:
    data = encoded("0001" * 50, flags=flags, many=many)

    with at_most(50_000), pytest.raises(FrameError):
        decoded(data)


def test_what_a_frame_unfolds_to_is_bounded() -> None:
    """Nothing is made of the bodies before they are asked for."""
    for burst in (burst_of([b"x" * 15] * 1024), burst_of([b""] * 1024)):
        body = encode_body([burst])
        assert len(body) < 1000
        with at_most(1_000_000):
            decode_body(body)


@PROPERTY
@given(bursts, st.data())
def test_damage_gives_a_burst_or_a_frame_error(burst: Burst, data: st.DataObject) -> None:
    table = sort_netids(burst.netids())
    _, index = encode_table(table)
    damaged = bytearray(burst.encode(index))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    try:
        other = decode_record(BURST, bytes(damaged), table)
    except FrameError:
        return
    assert isinstance(other, Burst)
    assert other.encode(index) == damaged
    # Whatever it says, it can be read and divided.
    assert len(other.bodies()) == other.many == len(list(other.gossips()))
    assert one_by_one(list(other.parts(100))) == list(other.gossips())


@PROPERTY
@given(
    flags=st.sampled_from([0, 2, 4, 6, 16, 20, 32, 36]),
    many=st.integers(0, 12),
    head=st.lists(st.integers(0, 6), max_size=12),
    rest=st.binary(max_size=40),
)
def test_any_payload_gives_a_burst_or_a_frame_error(
    flags: int, many: int, head: list[int], rest: bytes
) -> None:
    sizes = b"".join(size.to_bytes(2, "big") for size in head)
    try:
        burst = decoded(encoded((sizes + rest).hex(), flags=flags, many=many))
    except FrameError:
        return
    assert len(burst.bodies()) == many >= 2
    assert b"".join(burst.bodies()) == burst.payload[2 if burst.one_size else 2 * many :]


def test_it_costs_less_than_its_gossips() -> None:
    origin, *others = netids([f"192.168.1.{last}:29999" for last in range(10, 20)])
    burst = burst_of(
        [b"%020d" % at for at in range(40)],
        id=BroadcastID(origin, 2**60, 1000),
        number=900,
        distribution=tuple(others),
        compress=False,
    )

    together = len(encode_body([burst]))

    assert together <= 40 * 20 + 60
    assert len(encode_body(list(burst.gossips()))) > 2 * together
