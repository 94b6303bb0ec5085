"""Varints and the cursor: what is promised is there, or an error says that it isn't."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.errors import FrameError, Truncated
from chatter.wire.cursor import Cursor
from chatter.wire.varint import decode_varint, encode_varint, unzigzag, zigzag
from tests.wire.samples import PROPERTY


@PROPERTY
@given(st.integers(0, 2**64 - 1), st.binary(max_size=4), st.binary(max_size=4))
def test_round_trip_wherever_it_stands(value: int, before: bytes, behind: bytes) -> None:
    encoded = encode_varint(value)

    assert decode_varint(before + encoded + behind, len(before)) == (
        value,
        len(before) + len(encoded),
    )


@PROPERTY
@given(st.integers(0, 2**64 - 1))
def test_every_cut_is_noticed(value: int) -> None:
    encoded = encode_varint(value)

    for length in range(len(encoded)):
        with pytest.raises(Truncated):
            decode_varint(encoded[:length], 0)


@PROPERTY
@given(st.integers(-(2**60), 2**60))
def test_zigzag_round_trip(value: int) -> None:
    assert zigzag(value) >= 0
    assert unzigzag(zigzag(value)) == value


@pytest.mark.parametrize(
    "data",
    ["8000", "ff00", "808000", "ffffffffffffffffff00"],
)
def test_a_needless_last_byte_is_refused(data: str) -> None:
    with pytest.raises(FrameError, match="needless"):
        decode_varint(bytes.fromhex(data), 0)


@pytest.mark.parametrize(
    ("data", "bits"),
    [
        ("ffffffffffffffffff02", 64),  # 2^64 and more in ten bytes
        ("ff" * 10 + "01", 64),
        ("ff" * 5000, 64),  # ends by the bound, not by the data
        ("8080808020", 33),
        ("ff" * 18 + "08", 129),
    ],
)
def test_a_number_wider_than_asked_for_is_refused(data: str, bits: int) -> None:
    with pytest.raises(FrameError, match=f"more than {bits} bits"):
        decode_varint(bytes.fromhex(data), 0, bits)


@pytest.mark.parametrize(("value", "bits"), [(2**33 - 1, 33), (2**129 - 1, 129), (2**64 - 1, 64)])
def test_the_widest_number_asked_for_passes(value: int, bits: int) -> None:
    encoded = encode_varint(value)

    assert decode_varint(encoded, 0, bits) == (value, len(encoded))


def test_a_negative_number_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="negative"):
        encode_varint(-1)


def test_a_cursor_reads_forward() -> None:
    cursor = Cursor(bytes.fromhex("07 0102 b964 03 c3a961 0203 0000ff"))

    assert cursor.byte() == 7
    assert cursor.uint(2) == 0x0102
    assert cursor.varint() == 12857
    assert cursor.text() == "éa"
    assert cursor.sized() == bytes.fromhex("0300")
    assert cursor.remaining == 2
    with pytest.raises(FrameError, match="2 bytes too many"):
        cursor.finish()
    assert cursor.rest() == b"\0\xff"
    cursor.finish()
    assert cursor.rest() == b""


def test_a_cursor_never_reads_past_the_end() -> None:
    cursor = Cursor(b"\x05ab")

    with pytest.raises(Truncated):
        cursor.take(4)
    with pytest.raises(Truncated):
        cursor.uint(8)
    with pytest.raises(Truncated):
        Cursor(b"\x05ab").sized()
    assert cursor.take(3) == b"\x05ab"
    for read in (cursor.byte, cursor.varint, cursor.text):
        with pytest.raises(Truncated):
            read()


def test_a_length_of_exabytes_allocates_nothing() -> None:
    with pytest.raises(Truncated):
        Cursor(encode_varint(2**63)).sized()


@pytest.mark.parametrize("data", ["01ff", "02c0af", "03eda080"])
def test_a_text_has_to_be_utf_8(data: str) -> None:
    with pytest.raises(FrameError, match="UTF-8"):
        Cursor(bytes.fromhex(data)).text()
