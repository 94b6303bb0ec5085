"""Lines out of chunks: any chunking gives the same lines, and a giant costs one limit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.command.lines import LineReader, TooLong

LIMIT = 8
INPUT = b"one\n\ntwo\r\n12345678\n123456789\nthree\nvery very long line\nrest"
LINES = [
    b"one",
    b"",
    b"two\r",
    b"12345678",
    TooLong(LIMIT),
    b"three",
    TooLong(LIMIT),
    b"rest",
]


def read(chunks: list[bytes]) -> list[bytes | TooLong]:
    reader = LineReader(LIMIT)
    lines = [line for chunk in chunks for line in reader.feed(chunk)]
    return lines + reader.finish()


def test_whole_and_byte_by_byte() -> None:
    assert read([INPUT]) == LINES
    assert read([INPUT[i : i + 1] for i in range(len(INPUT))]) == LINES


@given(st.lists(st.integers(0, len(INPUT)), max_size=12))
def test_any_chunking_gives_the_same_lines(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(INPUT)]
    assert read([INPUT[a:b] for a, b in pairwise(edges)]) == LINES


def test_an_unfinished_line_waits_for_its_end() -> None:
    reader = LineReader(LIMIT)
    assert reader.feed(b"on") == []
    assert reader.feed(b"e\ntw") == [b"one"]
    assert reader.finish() == [b"tw"]
    assert reader.finish() == []


def test_a_giant_is_reported_once_and_not_kept() -> None:
    reader = LineReader(LIMIT)
    found = []
    for _ in range(1000):
        found += reader.feed(b"x" * 7)
        assert reader.held_bytes <= LIMIT
    assert found == [TooLong(LIMIT)]
    assert reader.feed(b"xx\nnext\n") == [b"next"]


@pytest.mark.parametrize("tail", [b"", b"\n"])
def test_a_giant_at_the_end_is_reported_once(tail: bytes) -> None:
    assert read([b"x" * 20 + tail]) == [TooLong(LIMIT)]
