"""Clients of python-socketio, in greenlets, that write down what they are told.

The process has to be patched.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import gevent
import socketio
from gevent.pool import Pool

from scripts.lab.errors import LabError
from scripts.socketio_lab.workers import Workers, wait_for

# Connecting takes a worker some milliseconds; so many at once keep four of them busy.
_AT_ONCE = 8


class Client:
    """One that is connected."""

    def __init__(self, workers: Workers, namespaces: Iterable[str] = ("/",)) -> None:
        self.events: list[list[Any]] = []
        """What came: namespace, event, and its arguments."""
        self.fences: set[int] = set()
        self.floods: list[tuple[int, int]] = []
        """Of each event of a flood its number, and after how many nanoseconds it came."""
        self.ended: set[str] = set()
        """The namespaces it was disconnected from."""
        self.answer: Any = None
        """What it answers to a ``question``, with the question's arguments behind it."""
        self._client = socketio.Client(reconnection=False, handle_sigint=False)
        self._client.on("*", self._take, namespace="*")
        self._client.on("disconnect", self._lose, namespace="*")
        self._client.connect(
            workers.url,
            transports=["websocket"],
            namespaces=list(namespaces),
            wait_timeout=30,
        )
        self.pid: int
        """The worker it is connected to."""
        self.pid, self.sid = self.call("whoami")

    def call(self, event: str, *arguments: Any, namespace: str = "/") -> Any:
        """What the worker returns."""
        return self._client.call(event, arguments, namespace=namespace, timeout=30)

    def sid_in(self, namespace: str) -> str:
        """Its name in a namespace."""
        return str(self._client.get_sid(namespace))

    def close(self) -> None:
        """Leave."""
        with contextlib.suppress(Exception):  # whatever became of the connection
            self._client.disconnect()

    def _take(self, event: str, namespace: str, *arguments: Any) -> Any:
        if event == "flood":
            self.floods.append((arguments[0], time.monotonic_ns() - arguments[1]))
            return None
        if event == "fence":
            self.fences.add(arguments[0])
            return None
        self.events.append([namespace, event, *arguments])
        if event == "question":
            return (self.answer, *arguments)
        return None

    def _lose(self, namespace: str, *reason: Any) -> None:
        self.ended.add(namespace)


def connect(workers: Workers, count: int, namespaces: Iterable[str] = ("/",)) -> list[Client]:
    """So many clients, wherever the kernel puts them."""
    pool = Pool(_AT_ONCE)
    return list(pool.imap_unordered(lambda _: Client(workers, namespaces), range(count)))


def close_all(clients: Iterable[Client]) -> None:
    """Have all leave."""
    gevent.joinall([gevent.spawn(client.close) for client in clients], timeout=30)


@contextlib.contextmanager
def spread(workers: Workers, count: int, on_each: int, tries: int = 20) -> Iterator[list[Client]]:
    """Clients of which each worker has at least some.

    The kernel hands connections to whichever worker asks first. Where one has too few, those of the
    fullest are closed and connect anew.

    Raises:
        LabError: it did not come to that.
    """
    clients: list[Client] = []
    try:
        for _ in range(tries):
            clients += connect(workers, count - len(clients))
            on = Counter({pid: 0 for pid in workers.ready_pids()})
            on.update(client.pid for client in clients)
            lacking = sum(max(0, on_each - has) for has in on.values())
            if not lacking:
                yield clients
                return
            fullest, _has = on.most_common(1)[0]
            surplus = max(1, on[fullest] - on_each)
            gone = [client for client in clients if client.pid == fullest][:surplus]
            clients = [client for client in clients if client not in gone]
            close_all(gone)
        raise LabError(f"{tries} times a worker had less than {on_each} clients: {dict(on)}")
    finally:
        close_all(clients)


class Fences:
    """Numbered events by which is known that all that an emitter sent before has arrived."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """A new number."""
        self._last += 1
        return self._last

    @staticmethod
    def wait(number: int, clients: Iterable[Client]) -> None:
        """Until all these clients got it."""
        for client in clients:
            wait_for(lambda client=client: number in client.fences, f"fence {number}")  # type: ignore[misc]
