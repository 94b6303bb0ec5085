"""What came to a subscriber: which numbers, how often, how late, and when the last. Pure."""

import time
from array import array
from collections.abc import Callable

from scripts.fanout.payload import PROBE, read_head


class Tally:
    """Counts by exact numbers, a round after the other; `take` is what a system's handler calls.

    Args:
        on_probe: called with each message that only shows that the way is open.
        now_ns: the clock of the times of sending.
    """

    def __init__(
        self, on_probe: Callable[[], object], now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.got = 0
        """Messages of this round, each counted once."""
        self.duplicated = 0
        """Messages that came again, in this round and all before it."""
        self.last_ns = 0
        """When the last of this round came; 0 before the first."""
        self.latencies_ns: array[int] | None = None
        """How long each message of this round took; -1 until it comes."""
        self._on_probe = on_probe
        self._on_complete: Callable[[], object] = lambda: None
        self._now_ns = now_ns
        self._seen = bytearray()
        self._first = self._wanted = 0

    def expect(
        self, first: int, count: int, latencies: bool, on_complete: Callable[[], object]
    ) -> None:
        """A round begins. Numbers never come back in a later one.

        Args:
            latencies: whether to keep how long each takes.
            on_complete: called once, with the last that was missing.
        """
        self._seen.extend(bytes(first + count - len(self._seen)))
        self._first, self.got, self.last_ns = first, 0, 0
        self.latencies_ns = array("q", [-1]) * count if latencies else None
        self._on_complete = on_complete
        self._wanted = count

    def take_bytes(self, message: bytes) -> None:
        """A message came."""
        number, sent_ns = read_head(message)
        self.take(number, sent_ns)

    def take(self, number: int, sent_ns: int) -> None:
        """The message with this number came."""
        now_ns = self._now_ns()
        if number == PROBE:
            self._on_probe()
            return
        if self._seen[number]:
            self.duplicated += 1
            return
        self._seen[number] = 1
        index = number - self._first
        if index < 0:  # a late one of an earlier round, where it has been counted as lost
            return
        self.last_ns = now_ns
        if self.latencies_ns is not None:
            self.latencies_ns[index] = now_ns - sent_ns
        self.got += 1
        if self.got == self._wanted:
            self._on_complete()
