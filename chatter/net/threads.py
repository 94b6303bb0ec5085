"""Calls from other OS threads: handed to the node's hub, which alone may touch the node.

A thread of gevent's threadpool has a hub of its own, or none; the core is not made for two at once.
So the call is queued, the hub is woken, and the calling thread really waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from gevent import spawn
from gevent.hub import get_hub
from gevent.monkey import get_original

from chatter.errors import Closed


class _Call:
    """One function to run in the hub's thread, and what became of it."""

    __slots__ = ("done", "error", "function", "result")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.result: Any = None
        self.error: BaseException | None = None
        # A real lock, not gevent's: the thread that waits may have no hub to wait in.
        self.done = get_original("_thread", "allocate_lock")()
        self.done.acquire()


class HubCalls:
    """Runs functions in the thread that made this object, whoever asks."""

    def __init__(self) -> None:
        self._identify: Callable[[], int] = get_original("_thread", "get_ident")
        self._thread = self._identify()
        self._waiting: deque[_Call] = deque()
        self._wake = get_hub().loop.async_()
        self._wake.start(self._start_all)
        self._closed = False

    def here(self) -> bool:
        """Whether the caller is in that thread."""
        return bool(self._identify() == self._thread)

    def run(self, function: Callable[[], Any]) -> Any:
        """What the function returns or raises, run in the hub's thread.

        Raises:
            Closed: the node was stopped meanwhile.
        """
        if self._identify() == self._thread:
            return function()
        call = _Call(function)
        self._waiting.append(call)
        if self._closed:
            raise Closed("the node was stopped")
        self._wake.send()
        call.done.acquire()
        if call.error is not None:
            raise call.error
        return call.result

    def close(self) -> None:
        """Run nothing more; those who wait get Closed."""
        self._closed = True
        self._wake.stop()
        self._wake.close()
        while self._waiting:
            call = self._waiting.popleft()
            call.error = Closed("the node was stopped")
            call.done.release()

    def _start_all(self) -> None:
        # In the hub itself nothing may wait, so each call gets a greenlet: it may have to wait for
        # room in a queue, and others must not wait with it.
        while self._waiting:
            call = self._waiting.popleft()
            spawn(self._finish, call)

    @staticmethod
    def _finish(call: _Call) -> None:
        try:
            call.result = call.function()
        except BaseException as error:  # it belongs to the thread that waits, whatever it is
            call.error = error
        finally:
            call.done.release()
