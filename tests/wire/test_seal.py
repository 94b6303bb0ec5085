"""Sealing: altered, replayed elsewhere or under another key, a frame does not open."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.errors import BadMagic, BadSeal, FrameError, LifeExhausted, Truncated, UnknownKey
from chatter.ids import NetID
from chatter.wire import aead, seal
from chatter.wire.seal import (
    HEADER_BYTES,
    OVERHEAD_BYTES,
    Channel,
    KeyRing,
    Nonce,
    Opener,
    Sealer,
    multicast_context,
    open_frame,
    read_header,
    tcp_context,
    udp_context,
)
from tests.wire.backends import BACKENDS
from tests.wire.samples import PROPERTY

SECRET = bytes(range(32))
RING = KeyRing([SECRET])
LIFE, OTHER, THIRD = (bytes((number,)) * 16 for number in (1, 2, 3))
GROUP = NetID("224.1.1.1", 29999)
BODY = b"a body of some length, longer than two blocks of the cipher"

# Every way in which a frame of LIFE can reach somebody, and the same from the other side.
PLACES: dict[str, tuple[Channel, bytes]] = {
    "group": (Channel.MULTICAST, multicast_context(LIFE, GROUP)),
    "group, other port": (Channel.MULTICAST, multicast_context(LIFE, NetID("224.1.1.1", 30000))),
    "group, other address": (Channel.MULTICAST, multicast_context(LIFE, NetID("224.1.1.2", 29999))),
    "group, IPv6": (Channel.MULTICAST, multicast_context(LIFE, NetID("ff02::1", 29999))),
    "udp": (Channel.UDP, udp_context(LIFE, OTHER)),
    "udp, other receiver": (Channel.UDP, udp_context(LIFE, THIRD)),
    "udp, reversed": (Channel.UDP, udp_context(OTHER, LIFE)),
    "hello": (Channel.TCP_HELLO, LIFE),
    "tcp": (Channel.TCP, tcp_context(LIFE, OTHER, bytes(32))),
    "tcp, reversed": (Channel.TCP, tcp_context(OTHER, LIFE, bytes(32))),
    "tcp, other connection": (Channel.TCP, tcp_context(LIFE, OTHER, bytes(31) + b"\1")),
    "tcp, other receiver": (Channel.TCP, tcp_context(LIFE, THIRD, bytes(32))),
    "udp's context on tcp": (Channel.TCP, udp_context(LIFE, OTHER)),
    "hello's context on udp": (Channel.UDP, LIFE),
}


@pytest.fixture(autouse=True, params=BACKENDS, ids=lambda backend: backend.__name__)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test here runs on every cryptographic library that chatter can use."""
    monkeypatch.setattr(aead, "best", request.param)


def sealed(place: str, ring: KeyRing = RING, body: bytes = BODY) -> bytes:
    channel, context = PLACES[place]
    return Sealer(ring, channel, context, LIFE, Nonce()).seal(body)


def opened(place: str, frame: bytes, ring: KeyRing = RING) -> bytes:
    """As a receiver does it, who knows the channel and takes the rest from the frame."""
    channel, context = PLACES[place]
    header = read_header(frame)
    if context.startswith(LIFE):
        context = header.life + context[len(LIFE) :]
    return open_frame(ring, channel, context, header.hint, frame)[0]


@PROPERTY
@given(st.sampled_from(sorted(PLACES)), st.binary(max_size=100))
def test_round_trip(place: str, body: bytes) -> None:
    frame = sealed(place, body=body)

    assert len(frame) == len(body) + OVERHEAD_BYTES
    assert opened(place, frame) == body


@pytest.mark.parametrize("here", PLACES)
def test_a_frame_opens_in_its_place_alone(here: str) -> None:
    frame = sealed(here)

    for there in PLACES:
        if there == here:
            assert opened(there, frame) == BODY
        else:
            with pytest.raises(BadSeal):
                opened(there, frame)


def test_no_two_places_share_a_key() -> None:
    keys = {RING.subkey(0, *place) for place in PLACES.values()}

    assert len(keys) == len(PLACES)


def test_cut_anywhere_it_does_not_open() -> None:
    frame = sealed("group")

    for length in range(len(frame)):
        with pytest.raises(FrameError):
            opened("group", frame[:length])
        with pytest.raises(FrameError):
            opened("group", frame[len(frame) - length :])


def test_any_changed_bit_keeps_it_shut() -> None:
    frame = sealed("group")

    for at in range(len(frame)):
        for bit in range(8):
            altered = bytearray(frame)
            altered[at] ^= 1 << bit
            with pytest.raises(FrameError):
                opened("group", bytes(altered))


@PROPERTY
@given(st.data())
def test_any_alteration_keeps_it_shut(data: st.DataObject) -> None:
    frame = sealed("udp")
    start = data.draw(st.integers(0, len(frame)))
    end = data.draw(st.integers(start, len(frame)))
    altered = frame[:start] + data.draw(st.binary(max_size=12)) + frame[end:]

    if altered != frame:
        with pytest.raises(FrameError):
            opened("udp", altered)


@PROPERTY
@given(st.binary(max_size=200))
def test_random_bytes_do_not_open(data: bytes) -> None:
    for frame in (data, bytes((seal.MAGIC, RING.hint)) + data):
        with pytest.raises(FrameError):
            opened("group", frame)


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (b"", BadMagic),
        (b"GET / HTTP/1.1\r\n", BadMagic),
        (b"\xc2" + bytes(100), BadMagic),  # version 2
        (b"\xc1" + bytes(OVERHEAD_BYTES - 2), Truncated),
    ],
)
def test_what_is_no_frame(frame: bytes, error: type[FrameError]) -> None:
    with pytest.raises(error):
        read_header(frame)


def test_the_header_says_who_and_which() -> None:
    nonce = Nonce()
    sealer = Sealer(RING, *PLACES["udp"], LIFE, nonce)
    headers = [read_header(sealer.seal(BODY)) for _ in range(3)]

    assert [header.counter for header in headers] == [1, 2, 3]
    assert {(header.hint, header.life) for header in headers} == {(RING.hint, LIFE)}
    assert sealed("udp")[:HEADER_BYTES].startswith(b"\xc1")


# Keys and labels


def secrets_with_one_hint(count: int) -> list[bytes]:
    """Different secrets that have the hint of SECRET, found by trying: one in 256 has it."""
    found: list[bytes] = []
    number = 0
    while len(found) < count:
        secret = hashlib.sha256(b"%d" % number).digest()
        if KeyRing([secret]).hint == RING.hint:
            found.append(secret)
        number += 1
    return found


def test_the_first_key_seals_and_every_key_opens() -> None:
    new, old = bytes(32), SECRET
    both = KeyRing([new, old])

    assert read_header(sealed("group", both)).hint == KeyRing([new]).hint
    assert opened("group", sealed("group", both), KeyRing([new])) == BODY
    assert opened("group", sealed("group", KeyRing([old])), both) == BODY
    with pytest.raises(UnknownKey):
        opened("group", sealed("group", both), KeyRing([old]))


def test_keys_with_one_hint_are_tried_in_order() -> None:
    first, second, absent = secrets_with_one_hint(3)
    ring = KeyRing([bytes(32), first, second])
    channel, context = PLACES["group"]

    assert ring.matching(RING.hint) == [1, 2]
    for which, secret in ((1, first), (2, second)):
        frame = sealed("group", KeyRing([secret]))
        body, opener = open_frame(ring, channel, context, RING.hint, frame)
        assert body == BODY
        assert Opener(ring.subkey(which, channel, context), channel, ring.label).open(frame) == body
        assert opener.open(frame) == body
    with pytest.raises(BadSeal):
        opened("group", sealed("group", KeyRing([absent])), ring)


@pytest.mark.parametrize(("ours", "theirs"), [("", "blue"), ("blue", ""), ("blue", "blues")])
def test_a_label_separates(ours: str, theirs: str) -> None:
    frame = sealed("group", KeyRing([SECRET], theirs))

    assert opened("group", frame, KeyRing([SECRET], theirs)) == BODY
    with pytest.raises(BadSeal):
        opened("group", frame, KeyRing([SECRET], ours))


def test_a_ring_needs_a_key() -> None:
    with pytest.raises(ValueError, match="needs a key"):
        KeyRing([])


# Nonces


def test_sealers_of_a_life_never_share_a_counter() -> None:
    nonce = Nonce()
    sealers = [Sealer(RING, *place, LIFE, nonce) for place in PLACES.values()]

    counters = [read_header(sealer.seal(BODY)).counter for sealer in sealers * 5]

    assert counters == list(range(1, 5 * len(PLACES) + 1))


def test_a_life_ends_at_its_last_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "MAX_FRAMES_PER_KEY", 3)
    nonce = Nonce()
    sealer = Sealer(RING, *PLACES["group"], LIFE, nonce)
    for _ in range(3):
        sealer.seal(b"")

    for _ in range(2):
        with pytest.raises(LifeExhausted):
            sealer.seal(b"")
    assert nonce.value == 3


def test_a_life_ends_at_its_last_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "MAX_BYTES_PER_KEY", 100)
    nonce = Nonce()
    assert nonce.spend(60) == 1

    with pytest.raises(LifeExhausted):
        nonce.spend(41)
    assert nonce.spend(40) == 2
    with pytest.raises(LifeExhausted):
        nonce.spend(1)
    assert nonce.value == 2


def test_the_limits_stay_within_the_counter_and_the_cipher() -> None:
    assert seal.MAX_FRAMES_PER_KEY < 2 ** (8 * seal.COUNTER_BYTES)
    assert seal.MAX_BYTES_PER_KEY <= 2**48 * 16  # RFC 7253 section 5
