"""Ranges of numbers, of session indices and of bytes: what came and what did not.

A range is (first, last), both included. Ranges ascend and do not touch, so that a set of numbers
has one encoding::

    ranges = count; each: gap (varint): how many numbers lie between it and the end of the one
             before, not 0 except for the first, which counts from 0;
             length - 1 (varint)

They are never unfolded here: a few bytes may name 2^64 numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatter.errors import FrameError
from chatter.wire.cursor import Cursor
from chatter.wire.fields import VARINT_BOUND, decode_count
from chatter.wire.varint import MAX_BITS, encode_varint

Ranges = tuple[tuple[int, int], ...]

RANGE_BOUND = 2 * VARINT_BOUND


def encode_ranges(ranges: Sequence[tuple[int, int]]) -> bytes:
    """The encoding of ranges that ascend and do not touch.

    Raises:
        ValueError: they touch, descend or end before they begin; a receiver would drop the frame.
    """
    parts = [encode_varint(len(ranges))]
    end = -1  # so that the first may begin at 0; the others leave one number out at least
    for first, last in ranges:
        if first <= end or last < first:
            raise ValueError(f"{first} to {last} behind {end - 1}")
        parts += (encode_varint(first - max(end, 0)), encode_varint(last - first))
        end = last + 1
    return b"".join(parts)


def decode_ranges(cursor: Cursor, max_bits: int = MAX_BITS) -> Ranges:
    """The ranges at the cursor.

    Args:
        max_bits: how wide the last number may be.

    Raises:
        FrameError: touching ranges, more of them than bytes for them, or a number too wide.
    """
    ranges: list[tuple[int, int]] = []
    end = 0
    for position in range(decode_count(cursor, least=2)):
        gap = cursor.varint()
        first = end + gap
        last = first + cursor.varint()
        if last >> max_bits or (position and not gap):
            raise FrameError("ranges that touch or end too high")
        ranges.append((first, last))
        end = last + 1
    return tuple(ranges)
