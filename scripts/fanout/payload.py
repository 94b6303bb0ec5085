"""The messages: a number and the time of sending, then what no compression makes smaller.

bytes 0-7    number, big endian
bytes 8-15   CLOCK_MONOTONIC when it was sent, in ns, big endian; the processes of a host share it
bytes 16-    random bytes, different ones in each message
"""

import base64
import os
import struct
import time
from typing import Any

MIN_BYTES = 16
MAX_BYTES = 60_000  # what a datagram holds

PROBE = 2**64 - 1
"""The number of messages that only show that the way is open."""

_HEAD = struct.Struct("!QQ")
_POOL_BYTES = 1 << 20
_STEP = 7919  # a prime, so that neighbours share nothing


class BytesPayload:
    """Messages of exactly `size` bytes."""

    def __init__(self, size: int) -> None:
        self._padding = size - _HEAD.size
        self._pool = os.urandom(_POOL_BYTES)

    def make(self, number: int) -> bytes:
        """A message, sent now."""
        start = number * _STEP % (_POOL_BYTES - self._padding)
        return _HEAD.pack(number, time.monotonic_ns()) + self._pool[start : start + self._padding]


class JsonPayload:
    """The same as an object for JSON, of about `size` bytes when encoded."""

    _OVERHEAD = 56  # names, braces and the digits of number and time

    def __init__(self, size: int) -> None:
        self._padding = max(0, size - self._OVERHEAD)
        self._pool = base64.b64encode(os.urandom(_POOL_BYTES)).decode()

    def make(self, number: int) -> dict[str, Any]:
        """A message, sent now."""
        start = number * _STEP % (_POOL_BYTES - self._padding)
        padding = self._pool[start : start + self._padding]
        return {"number": number, "sent": time.monotonic_ns(), "padding": padding}


def read_head(message: bytes) -> tuple[int, int]:
    """The number and the time of sending in ns."""
    number, sent_ns = _HEAD.unpack_from(message)
    return number, sent_ns
