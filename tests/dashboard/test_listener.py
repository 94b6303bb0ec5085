"""Connections of browsers: so many at a time, and who makes room."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.monkey import get_original

from chatter.dashboard import listener as module
from chatter.dashboard.listener import Listener
from tests.dashboard.browser import Log, connect, read_all
from tests.net.nodes import wait_until


class Door:
    """A listener whose connections do as the test says."""

    def __init__(self) -> None:
        listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = listening.getsockname()[1]
        self.log = Log(logging.DEBUG)
        self.served: list[socket.socket] = []
        self.asks_at_once = False
        self.listener = Listener(listening, self._serve, self.log.logger)
        self.listener.start()

    def _serve(self, sock: socket.socket, source: Any) -> None:
        self.served.append(sock)
        if self.asks_at_once:
            self.listener.requested()
        Event().wait()


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 4)
    made = Door()
    yield made
    made.listener.stop()
    assert all(sock.fileno() < 0 for sock in made.served)  # nothing is left open


def test_the_oldest_that_asks_nothing_makes_room(door: Door) -> None:
    with contextlib.ExitStack() as stack:
        browsers = [stack.enter_context(connect(door.port)) for _ in range(6)]
        wait_until(lambda: len(door.served) == 6, "all of them")
        for browser in browsers[:2]:
            assert read_all(browser) == b""
        assert len(door.listener._sockets) == 4
        for browser in browsers[2:]:
            browser.setblocking(False)
            with pytest.raises(BlockingIOError):
                browser.recv(1)  # still there


def test_who_has_asked_is_not_sent_away(door: Door) -> None:
    door.asks_at_once = True
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connect(door.port))
        wait_until(lambda: len(door.served) == 4, "all of them")
        assert read_all(stack.enter_context(connect(door.port))) == b""
        assert len(door.served) == 4
        door.served[0].shutdown(socket.SHUT_RDWR)


def test_a_burst_in_the_backlog_is_bounded_too(door: Door) -> None:
    # Unpatched sockets, so that all of them wait in the backlog when the listener gets its turn.
    plain = get_original("socket", "socket")
    strangers = [plain() for _ in range(100)]
    try:
        for stranger in strangers:
            stranger.connect(("127.0.0.1", door.port))
        most = 0

        def all_came() -> bool:
            nonlocal most
            most = max(most, len(door.listener._sockets))
            return len(door.served) == 100

        wait_until(all_came, "all of them")
        wait_until(lambda: len(door.listener._sockets) == 4, "the bound")
        assert most <= 6  # those that are being ended may still be counted
    finally:
        for stranger in strangers:
            stranger.close()


def test_what_waits_for_a_browser_is_bounded(door: Door) -> None:
    with connect(door.port):
        wait_until(lambda: door.served, "the connection")
        granted = door.served[0].getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert granted <= 2 * module.SEND_BUFFER_BYTES
        door.served[0].settimeout(1)
        with pytest.raises(TimeoutError):
            door.served[0].sendall(b"x" * 50_000_000)


def test_an_accept_that_fails_is_tried_again(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.001)
    failures = 3
    real = door.listener._listening

    class Failing:
        def accept(self) -> Any:
            nonlocal failures
            if failures:
                failures -= 1
                raise OSError(24, "Too many open files")
            return real.accept()

        close = real.close

    monkeypatch.setattr(door.listener, "_listening", Failing())
    with connect(door.port), connect(door.port):  # the first ends the accept that waits already
        wait_until(lambda: len(door.served) == 2, "both")
    assert len(door.log.at(logging.DEBUG)) == 3
    assert not door.log.at(logging.WARNING)


def test_one_that_is_ended_before_its_turn_leaves_no_socket() -> None:
    made = Door()
    with connect(made.port) as browser:
        wait_until(lambda: made.listener._sockets, "the connection")
        made.listener.stop()
        assert read_all(browser) == b""
    assert not made.listener._sockets


def test_abandoned_it_closes_without_a_switch() -> None:
    made = Door()
    with connect(made.port):
        wait_until(lambda: made.served, "the connection")
        switched = gevent.spawn(lambda: None)
        made.listener.abandon()
        assert not switched.dead  # it did not get a turn
        assert made.served[0].fileno() < 0
        assert made.listener._listening.fileno() < 0
    wait_until(lambda: not made.listener._sockets, "the end of its greenlets")
