"""What a subscriber keeps of what comes: which numbers, how often, how late, and when the last."""

import time
from _thread import LockType
from array import array

from scripts.fanout.orders import Order, hear_orders, new_lock, tell
from scripts.fanout.payload import PROBE, read_head

# How often it is looked whether still something comes, while not all has.
_LOOK_EVERY_S = 0.25


class Tally:
    """Counts by exact numbers. `take` is called by the system's handler, whatever it runs on."""

    def __init__(self) -> None:
        self.duplicated = 0
        self._seen = bytearray()
        self._first = self._wanted = self._got = 0
        self._last_ns = 0
        self._latencies_ns: array[int] | None = None
        self._heard = self._held()
        self._complete = self._held()
        self._open = False

    def start(self) -> None:
        """From now on do what whoever started us says."""
        hear_orders(self._act)

    def take_bytes(self, message: bytes) -> None:
        """A message came."""
        number, sent_ns = read_head(message)
        self.take(number, sent_ns)

    def take(self, number: int, sent_ns: int) -> None:
        """The message with this number came."""
        now_ns = time.monotonic_ns()
        if number == PROBE:
            if not self._open:
                self._open = True
                self._heard.release()
            return
        if self._seen[number]:
            self.duplicated += 1
            return
        self._seen[number] = 1
        index = number - self._first
        if index < 0:  # a late one of an earlier round, which has been counted as lost
            return
        self._last_ns = now_ns
        if self._latencies_ns is not None:
            self._latencies_ns[index] = now_ns - sent_ns
        self._got += 1
        if self._got == self._wanted:
            self._complete.release()

    @staticmethod
    def _held() -> LockType:
        lock = new_lock()
        lock.acquire()
        return lock

    def _act(self, order: Order) -> None:
        if order["do"] == "hear":
            self._heard.acquire()
            tell("heard")
        else:
            self._expect(order["first"], order["count"], order["latencies"])
            tell("expecting")
            self._wait(order["quiet_s"])
            tell(
                "took",
                got=self._got,
                duplicated=self.duplicated,
                last_ns=self._last_ns,
                latencies_ns=list(self._latencies_ns or ()),
            )

    def _expect(self, first: int, count: int, latencies: bool) -> None:
        self._seen.extend(bytes(first + count - len(self._seen)))
        self._first, self._got, self._last_ns = first, 0, 0
        self._latencies_ns = array("q", [-1]) * count if latencies else None
        self._complete = self._held()
        self._wanted = count

    def _wait(self, quiet_s: float) -> None:
        began_ns = time.monotonic_ns()
        while not self._complete.acquire(timeout=_LOOK_EVERY_S):
            if time.monotonic_ns() - max(self._last_ns, began_ns) > quiet_s * 1e9:
                return
