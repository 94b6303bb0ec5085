"""Ranges: one encoding for each set of numbers, and never more of them than bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.errors import FrameError, TooLarge
from chatter.wire.cursor import Cursor
from chatter.wire.ranges import RANGE_BOUND, Ranges, decode_ranges, encode_ranges
from tests.wire.samples import PROPERTY, range_lists


@PROPERTY
@given(range_lists(64))
def test_round_trip(ranges: Ranges) -> None:
    data = encode_ranges(ranges)
    cursor = Cursor(data + b"rest")

    assert decode_ranges(cursor) == ranges
    assert cursor.rest() == b"rest"
    assert len(data) <= 4 + RANGE_BOUND * len(ranges)


@PROPERTY
@given(st.binary(max_size=60))
def test_any_bytes_give_ranges_or_a_frame_error(data: bytes) -> None:
    cursor = Cursor(data)
    try:
        ranges = decode_ranges(cursor)
    except FrameError:
        return
    assert encode_ranges(ranges) + cursor.rest() == data
    flat = [end for pair in ranges for end in pair]
    assert flat == sorted(flat)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("02" + "0300" + "0000", "touch"),
        ("01" + "ffffffffffffffffff01" + "01", "too high"),
        ("02" + "00" + "ffffffffffffffffff01" + "01" + "00", "too high"),
    ],
)
def test_what_is_no_ascending_list_is_refused(data: str, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        decode_ranges(Cursor(bytes.fromhex(data)))


@pytest.mark.parametrize(
    "ranges",
    [((3, 2),), ((1, 2), (3, 4)), ((1, 5), (5, 9)), ((7, 8), (1, 2)), ((0, 0), (1, 1)), ((-1, 0),)],
    ids=str,
)
def test_what_a_receiver_would_refuse_is_not_encoded(ranges: Ranges) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - a negative number says it in its own words
        encode_ranges(ranges)


def test_the_highest_number_depends_on_the_use() -> None:
    data = encode_ranges([(0, 2**32 - 1)])
    assert decode_ranges(Cursor(data), 32) == ((0, 2**32 - 1),)

    with pytest.raises(FrameError, match="too high"):
        decode_ranges(Cursor(encode_ranges([(0, 2**32)])), 32)


def test_a_range_takes_two_bytes_at_least() -> None:
    assert decode_ranges(Cursor(bytes.fromhex("02" + "0000" + "0100"))) == ((0, 0), (2, 2))

    with pytest.raises(TooLarge):
        decode_ranges(Cursor(bytes.fromhex("03" + "0000" + "0100" + "01")))


def test_few_bytes_that_name_all_numbers_stay_few() -> None:
    everything = encode_ranges([(0, 2**64 - 1)])

    assert len(everything) == 12
    assert decode_ranges(Cursor(everything)) == ((0, 2**64 - 1),)
