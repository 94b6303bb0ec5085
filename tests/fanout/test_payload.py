"""The messages of a comparison."""

from __future__ import annotations

import json
import time
import zlib

import pytest

from scripts.fanout.payload import MAX_BYTES, MIN_BYTES, BytesPayload, JsonPayload, read_head


@pytest.mark.parametrize("size", [MIN_BYTES, 17, 128, MAX_BYTES])
def test_a_message_is_as_large_as_asked_for(size: int) -> None:
    payload = BytesPayload(size)
    for number in (0, 1, 7, 2**40):
        before_ns = time.monotonic_ns()
        message = payload.make(number)
        assert len(message) == size
        read, sent_ns = read_head(message)
        assert read == number
        assert before_ns <= sent_ns <= time.monotonic_ns()


def test_a_frame_of_many_is_not_compressible() -> None:
    payload = BytesPayload(1024)
    frame = b"".join(payload.make(number) for number in range(20))
    assert len(zlib.compress(frame)) > 0.95 * len(frame)


@pytest.mark.parametrize("size", [128, 1024, 50_000])
def test_as_json_it_is_about_as_large(size: int) -> None:
    encoded = json.dumps(JsonPayload(size).make(12_345)).encode()
    assert size - 24 <= len(encoded) <= size + 24
    assert json.loads(encoded)["number"] == 12_345
