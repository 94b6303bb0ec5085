"""A stream cut anywhere gives the same frames; a length is judged before it costs anything."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.errors import TooLarge, Truncated
from chatter.wire.frame import (
    MAX_FIRST_FRAME_BYTES,
    FrameReader,
    decode_body,
    encode_body,
    frame_on_stream,
)
from chatter.wire.seal import MAX_FRAME_BYTES, OVERHEAD_BYTES
from tests.wire.samples import PROPERTY, name_of, record_from, vectors

FRAMES = [bytes((number,)) * (OVERHEAD_BYTES + number * 37) for number in range(8)]
STREAM = b"".join(frame_on_stream(frame) for frame in FRAMES)
TAIL = frame_on_stream(b"tail" * 50)


def read(chunks: list[bytes]) -> tuple[list[bytes], FrameReader]:
    """What a reader makes of these pieces, asked after each."""
    reader = FrameReader()
    frames: list[bytes] = []
    for chunk in chunks:
        reader.feed(chunk)
        while (frame := reader.next_frame()) is not None:
            frames.append(frame)
    return frames, reader


def test_whole() -> None:
    frames, reader = read([STREAM])

    assert frames == FRAMES
    assert reader.buffered == 0


def test_byte_by_byte() -> None:
    frames, reader = read([bytes((byte,)) for byte in STREAM])

    assert frames == FRAMES
    assert reader.buffered == 0


@pytest.mark.parametrize("length", range(1, len(TAIL)))
def test_a_tail_survives_until_its_rest_comes(length: int) -> None:
    frames, reader = read([STREAM + TAIL[:length]])

    assert frames == FRAMES
    assert reader.buffered == length
    reader.feed(TAIL[length:])
    assert reader.next_frame() == TAIL[4:]
    assert reader.buffered == 0


@PROPERTY
@given(
    st.lists(st.binary(min_size=OVERHEAD_BYTES, max_size=MAX_FIRST_FRAME_BYTES), max_size=6),
    st.data(),
)
def test_any_chunking_gives_the_same_frames(frames: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame_on_stream(frame) for frame in frames)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    assert read(chunks)[0] == frames


@pytest.mark.parametrize("vector", vectors("records.json", "record"), ids=name_of)
def test_every_record_survives_a_stream(vector: dict[str, Any]) -> None:
    """Whole, byte by byte, and in front of a tail whose rest comes later."""
    record = record_from(vector["record"])
    sealed = bytes(OVERHEAD_BYTES) + encode_body([record])
    stream = frame_on_stream(sealed)

    for chunks, behind in (
        ([stream], []),
        ([bytes((byte,)) for byte in stream], []),
        ([stream + TAIL[:7], TAIL[7:]], [TAIL[4:]]),
    ):
        first, *others = read(chunks)[0]
        assert decode_body(first[OVERHEAD_BYTES:]).records == [record]
        assert others == behind


@pytest.mark.parametrize("length", [MAX_FIRST_FRAME_BYTES + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_length_above_the_limit_is_refused_before_memory_is_taken(length: int) -> None:
    tracemalloc.start()
    try:
        reader = FrameReader()
        reader.feed(length.to_bytes(4, "big") + b"x" * 1000)
        with pytest.raises(TooLarge):
            reader.next_frame()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert reader.buffered == 0
    assert peak < 50_000


def test_a_length_is_judged_as_soon_as_it_is_there() -> None:
    reader = FrameReader()
    reader.feed(b"\xff\xff\xff")
    assert reader.next_frame() is None
    reader.feed(b"\xff")

    with pytest.raises(TooLarge):
        reader.next_frame()


@pytest.mark.parametrize("length", [0, 1, OVERHEAD_BYTES - 1])
def test_a_length_below_the_smallest_frame_is_refused(length: int) -> None:
    reader = FrameReader()
    reader.feed(length.to_bytes(4, "big"))

    with pytest.raises(Truncated):
        reader.next_frame()


def test_the_limit_rises_when_the_peer_has_authenticated() -> None:
    largest = bytes(MAX_FRAME_BYTES)
    reader = FrameReader()
    reader.feed(frame_on_stream(bytes(MAX_FIRST_FRAME_BYTES)) + frame_on_stream(largest))
    assert reader.next_frame() == bytes(MAX_FIRST_FRAME_BYTES)
    reader.limit = MAX_FRAME_BYTES

    assert reader.next_frame() == largest
    reader.feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(TooLarge):
        reader.next_frame()
