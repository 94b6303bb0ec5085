"""Listener: accepts the connections of browsers, and keeps their number down."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from gevent import Greenlet, getcurrent, sleep
from gevent.pool import Group

from chatter.dashboard.application import MAX_WEBSOCKETS

# Connections at a time: each has a greenlet and two buffers, some tens of kilobytes. Beside all the
# WebSockets that there may be, 192 are left for requests; a browser has six at most.
MAX_CONNECTIONS = MAX_WEBSOCKETS + 192

# What waits in the system for one browser that takes nothing. Twice that is granted; without a
# bound it grows to megabytes before anybody notices.
SEND_BUFFER_BYTES = 128 * 1024

# After an error such as "too many open files", which does not go away by trying harder.
PAUSE_S = 0.1

# For browsers to take our farewell when the node stops.
STOP_S = 0.2


class Listener:
    """Serves a listening socket until it is told to stop.

    Args:
        listening: the socket; it is this object's from now on.
        serve: serves one connection, in a greenlet of its own.
    """

    def __init__(
        self,
        listening: socket.socket,
        serve: Callable[[socket.socket, Any], None],
        logger: logging.Logger,
    ) -> None:
        self._listening = listening
        self._serve = serve
        self._logger = logger
        self._greenlets = Group()
        # Oldest first. True until the request has come whole.
        self._waiting: dict[Greenlet[..., Any], bool] = {}
        self._sockets: dict[Greenlet[..., Any], socket.socket] = {}
        self._accepting: Greenlet[..., Any] | None = None

    def start(self) -> None:
        """Begin to accept."""
        self._accepting = Greenlet.spawn(self._accept_all)

    def requested(self) -> None:
        """The request of the current greenlet's connection has come whole."""
        self._waiting[getcurrent()] = False

    def stop(self) -> None:
        """Close the socket, and after a moment the connections."""
        if self._accepting is not None:
            self._accepting.kill()
        self._listening.close()
        self._greenlets.join(timeout=STOP_S)
        self._greenlets.kill(timeout=STOP_S)

    def abandon(self) -> None:
        """In a forked child: let go of everything without a switch and without a word."""
        for sock in (self._listening, *self._sockets.values()):
            if sock.fileno() >= 0:
                os.close(sock.detach())
        for greenlet in (self._accepting, *self._greenlets):
            if greenlet is not None and greenlet is not getcurrent():
                greenlet.kill(block=False)

    def _accept_all(self) -> None:
        while True:
            # A burst of connections must not keep the node from its turn.
            sleep(0)
            try:
                sock, source = self._listening.accept()
            except OSError as error:
                self._logger.debug("the dashboard cannot accept a connection: %s", error)
                sleep(PAUSE_S)
                continue
            if self._make_room():
                self._take(sock, source)
            else:
                sock.close()

    def _make_room(self) -> bool:
        """Whether there is room for one more, at the cost of the one that has asked for nothing
        for the longest time: a browser asks at once, so who opens connections and leaves them idle
        ends only its own."""
        if len(self._sockets) < MAX_CONNECTIONS:
            return True
        oldest = next((one for one, waiting in self._waiting.items() if waiting), None)
        if oldest is None:
            return False
        self._waiting[oldest] = False
        oldest.kill(block=False)
        return True

    def _take(self, sock: socket.socket, source: Any) -> None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            # What is sent is whole messages; waiting for more only delays them.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            sock.close()  # ended before its turn came, which is no trouble of ours
            return
        greenlet: Greenlet[..., Any] = Greenlet(self._serve, sock, source)
        self._waiting[greenlet] = True
        self._sockets[greenlet] = sock
        # Not in the greenlet: one that is ended before its first turn runs nothing at all.
        greenlet.rawlink(self._forget)
        self._greenlets.start(greenlet)

    def _forget(self, greenlet: Greenlet[..., Any]) -> None:
        self._waiting.pop(greenlet, None)
        self._sockets.pop(greenlet).close()
