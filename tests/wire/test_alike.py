"""Lone messages are read and written by what they have in common, to the same effect."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.errors import FrameError
from chatter.ids import BroadcastID, NetID
from chatter.wire.alike import Alike
from chatter.wire.frame import Sender, Start, decode_body, encode_body
from chatter.wire.gossip import Gossip
from tests.wire.samples import PROPERTY

ONE, TWO = NetID("10.0.0.1", 29999), NetID("fd00::2", 8000)

lone = st.builds(
    lambda origin, epoch, seqno, tag, codec, payload, number, hop, compress: Gossip(
        BroadcastID(origin, epoch, seqno), tag, codec, payload, number, hop, compress=compress
    ),
    st.sampled_from([ONE, TWO]),
    st.integers(0, 2**64 - 1),
    st.integers(1, 2**64 - 1),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    st.sampled_from(["json", "bytes", "own"]),
    st.binary(max_size=300).map(lambda data: b"\0\0" + data * 2),
    st.integers(1, 2**64 - 1),
    st.integers(1, 64),
    st.booleans(),
)
senders = st.builds(Sender, st.sampled_from([ONE, TWO]), st.integers(0, 3), st.integers(0, 2**60))


def alike(gossip: Gossip, sender: Sender | None) -> Alike:
    return Alike(start(gossip, sender), gossip)


def start(gossip: Gossip, sender: Sender | None) -> Start:
    found = decode_body(encode_body([gossip], sender)).start
    assert found is not None
    return found


@PROPERTY
@given(lone, senders, st.integers(1, 2**64 - 1), st.integers(1, 2**64 - 1), st.binary(max_size=200))
def test_the_next_one_is_written_and_read_as_any(
    first: Gossip, sender: Sender, seqno: int, number: int, payload: bytes
) -> None:
    likeness = alike(first, sender)
    later = first._replace(id=first.id._replace(seqno=seqno), number=number, payload=payload)
    body = encode_body([later], sender._replace(position=sender.position + 900))

    assert likeness.write(sender.position + 900, seqno, number, payload) == body
    assert likeness.read(body) == (sender.position + 900, later)


@PROPERTY
@given(lone, st.integers(1, 2**64 - 1), st.integers(1, 2**64 - 1), st.binary(max_size=200))
def test_on_a_connection_nobody_says_who_sends(
    first: Gossip, seqno: int, number: int, payload: bytes
) -> None:
    likeness = alike(first, None)
    later = first._replace(id=first.id._replace(seqno=seqno), number=number, payload=payload)
    body = encode_body([later])

    assert likeness.write(0, seqno, number, payload) == body
    assert likeness.read(body) == (0, later)
    assert likeness.read(encode_body([later], Sender(first.id.origin, 0, 0))) is None
    assert alike(first, Sender(first.id.origin, 0, 0)).read(body) is None


@PROPERTY
@given(lone, senders, st.randoms(use_true_random=False))
def test_of_damaged_bytes_it_reads_nothing_that_is_not_there(
    gossip: Gossip, sender: Sender, chance: random.Random
) -> None:
    likeness = alike(gossip, sender)
    body = bytearray(encode_body([gossip], sender))
    for _ in range(chance.randrange(1, 4)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    if chance.random() < 0.3:
        del body[chance.randrange(len(body)) :]
    try:
        found = likeness.read(bytes(body))
    except FrameError:
        found = None
    if found is None:
        return
    decoded = decode_body(bytes(body))
    assert decoded.sender == sender._replace(position=found[0])
    assert decoded.records == [found[1]]


@pytest.mark.parametrize(
    "other",
    [
        {"tag": "other"},
        {"codec": "own"},
        {"hop": 2},
        {"id": BroadcastID(TWO, 7, 5)},
        {"id": BroadcastID(ONE, 8, 5)},
        {"compress": False},
        {"revision": 1},
        {"confirm_ms": 100},
        {"distribution": (TWO,)},
        {"size": 100_000, "payload": b""},
        {"number": 0},
    ],
)
def test_what_differs_in_anything_else_is_left_to_others(other: dict[str, object]) -> None:
    gossip = Gossip(BroadcastID(ONE, 7, 4), "tag", "json", b"\0\0{}", 4)
    likeness = alike(gossip, Sender(ONE, 0))
    different = gossip._replace(**other)  # type: ignore[arg-type]
    assert likeness.read(encode_body([different], Sender(ONE, 0))) is None
    assert likeness.read(encode_body([gossip], Sender(ONE, 1))) is None
    assert likeness.read(encode_body([gossip, gossip], Sender(ONE, 0))) is None
    assert likeness.read(b"") is None


@pytest.mark.parametrize(
    "rare",
    [
        {"number": 0},
        {"distribution": (TWO,)},
        {"revision": 1},
        {"confirm_ms": 5},
        {"size": 100_000},
        {"number": 0, "after": 3},
        {"size": 100_000, "pull": True},
    ],
)
def test_what_has_something_rare_is_no_pattern(rare: dict[str, object]) -> None:
    gossip = Gossip(BroadcastID(ONE, 7, 4), "tag", "json", b"\0\0{}", 4)
    assert Alike.can_be(gossip)
    assert not Alike.can_be(gossip._replace(**rare))  # type: ignore[arg-type]
