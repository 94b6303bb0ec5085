"""Whole lines to a file descriptor, while the other greenlets go on.

A plain `print` to a pipe that nobody reads stops the whole process, since the kernel blocks the
thread that all greenlets share. Setting O_NONBLOCK would help, and would also change whatever else
shares the open file: the terminal of the shell that started us, or stderr. So we ask first whether
the descriptor takes more, and then write no more than it surely takes.
"""

import os
import select
from collections import deque

import gevent
from gevent import monkey
from gevent.event import Event
from gevent.socket import wait_write

# POSIX: where poll() says that a pipe is writable, this many bytes go in without blocking.
CHUNK_BYTES = select.PIPE_BUF
RETRY_S = 0.01

# The unpatched poll: with a timeout of 0 it never waits, and the patched one would visit the hub
# each time.
_poll = monkey.get_original("select", "poll")


class Outlet:
    """Writes lines one by one, each whole, in the order of the calls.

    A caller waits until its line is out. That is the backpressure: whoever waits here takes nothing
    more from its own queue. Callers take turns in the order they came, so that under a flood of
    messages an answer waits for one line and not for all of them.

    Args:
        descriptor: an open file descriptor; stays open.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._busy = False
        self._waiting: deque[Event] = deque()
        self._broken = False

    def is_closed(self) -> bool:
        """Whether nobody can read any more what we write."""
        if not self._broken:
            self._broken = bool(self._ready() & (select.POLLERR | select.POLLHUP | select.POLLNVAL))
        return self._broken

    def write(self, line: bytes) -> bool:
        """Write `line`, waiting as long as it takes.

        Returns:
            False if the other side is gone; then nothing can be written ever after.
        """
        self._take_turn()
        try:
            return self._write_all(line)
        finally:
            self._pass_turn()

    def write_now(self, line: bytes) -> bool:
        """Write `line` if it goes out without waiting.

        Returns:
            False if it doesn't, or is longer than what surely goes out at once.
        """
        if self._busy or len(line) > CHUNK_BYTES or not self._ready() & select.POLLOUT:
            return False
        return self._write_all(line)

    def _write_all(self, line: bytes) -> bool:
        rest = memoryview(line)
        while rest and not self._broken:
            if not self._ready():
                wait_write(self._descriptor)
            try:
                written = os.write(self._descriptor, rest[:CHUNK_BYTES])
            except BlockingIOError:
                # Somebody made the open file non-blocking, and there is room for less than a chunk.
                gevent.sleep(RETRY_S)
            except OSError:
                # EPIPE, EIO of a terminal that hung up, ENOSPC: no later line fares better.
                self._broken = True
            else:
                rest = rest[written:]
        return not self._broken

    def _ready(self) -> int:
        """What poll() says now: POLLOUT, POLLERR, POLLHUP, POLLNVAL, or 0 for "would block"."""
        poll = _poll()
        poll.register(self._descriptor, select.POLLOUT)
        found: list[tuple[int, int]] = poll.poll(0)
        return found[0][1] if found else 0

    def _take_turn(self) -> None:
        if not self._busy:
            self._busy = True
            return
        turn = Event()
        self._waiting.append(turn)
        try:
            turn.wait()
        except BaseException:  # killed while waiting: the turn must not be lost with us
            if turn.is_set():
                self._pass_turn()
            else:
                self._waiting.remove(turn)
            raise

    def _pass_turn(self) -> None:
        if self._waiting:
            # Still busy: the turn is handed over, nobody slips in between.
            self._waiting.popleft().set()
        else:
            self._busy = False
