"""Reading and closing file descriptors in a patched process.

A plain read would stop the greenlet under test too. The patched `os.close` closes when the hub next
turns, which in an idle process may be much later.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from gevent import monkey
from gevent.socket import wait_read

DEADLINE_S = 20
CHUNK_BYTES = 65_536

close: Callable[[int], None] = monkey.get_original("os", "close")


def read_some(descriptor: int, most: int = CHUNK_BYTES) -> bytes:
    """What is there to read, at least one byte."""
    wait_read(descriptor, DEADLINE_S)
    return os.read(descriptor, most)


def read_exactly(descriptor: int, size: int) -> bytes:
    """The next `size` bytes."""
    data = b""
    while len(data) < size:
        data += read_some(descriptor, size - len(data))
    return data
