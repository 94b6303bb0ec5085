"""One TCP connection: a greenlet that reads it and one that writes it.

A peer that reads slowly blocks its own writer and nothing else: what is meant for it waits in the
core's bounded queue. A peer that says nothing sensible within the first seconds is cut off.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import Any

from gevent import getcurrent, sleep
from gevent.event import Event
from gevent.hub import get_hub

from chatter.core.effects import Deliver
from chatter.core.session import Session
from chatter.net.hub import LONE_BYTES, READABLE, STREAM_S
from chatter.net.shell import Shell

RECEIVE_BYTES = 65536

# After our end of a connection: how long the other side may take to end it too.
CLOSE_GRACE_S = 2.0

# Frames up to this size tell what it costs to send one; larger ones carry many messages.
MEASURED_BYTES = 4096

# Bytes in a row from one peer before other greenlets get a turn.
TURN_BYTES = 256 * 1024


class Connection:
    """Carries a session over a socket until one side ends it."""

    def __init__(
        self, shell: Shell, sock: socket.socket, session: Session, from_loopback: bool
    ) -> None:
        self._shell = shell
        self.socket = sock
        self._session = session
        self._from_loopback = from_loopback
        self._wake = Event()
        self._ending = False
        self.busy = False
        """Whether bytes are with the writer and not yet with the operating system."""
        self._hub = get_hub()
        self._reader: Any
        self._readable: Any
        self._waiting = False
        """Whether the reader waits for what the hub reads."""
        self._done_at = float("-inf")
        """When the last bytes were done with."""

    def wake(self) -> None:
        """There is something to send."""
        self._wake.set()

    def end(self) -> None:
        """Send what is there, then say that nothing more comes."""
        self._ending = True
        self._wake.set()

    def run(self) -> None:
        """Read until the end of the connection; in the greenlet that owns it."""
        shell, session = self._shell, self._session
        writer = shell.spawn(self._write)
        try:
            if self._prove():
                self._read()
        finally:
            shell.connections.pop(session, None)
            writer.kill(block=False)
            self.socket.close()
            if shell.running:
                shell.core(shell.node.session_closed, session, time.monotonic())

    def _prove(self) -> bool:
        """Read until the other side has proven itself; False if it does not."""
        shell, session = self._shell, self._session
        deadline = time.monotonic() + shell.config.connect_timeout_s
        while not session.proven:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                shell.node.counts["connections_unproven"] += 1
                return False
            try:
                self.socket.settimeout(left_s)
                data = self.socket.recv(RECEIVE_BYTES)
            except TimeoutError:
                continue
            except OSError:
                return False
            if not self._take(data):
                return False
        self.socket.settimeout(None)  # as to sending
        return True

    def _read(self) -> None:
        """Take what comes until the end of the connection, or of the node."""
        shell = self._shell
        lone = shell.node.lone_sessions
        self._reader = getcurrent()
        self._readable = self._hub.loop.io(self.socket.fileno(), READABLE)
        try:
            while True:
                found = self._await()
                if not shell.running or isinstance(found, OSError):
                    return
                if isinstance(found, Deliver):
                    shell.core(shell.deliver, found)
                elif found is not None and not self._read_on(found):
                    return
                if lone.enough:
                    shell.core(shell.node.settle, time.monotonic())
        finally:
            self._readable.close()

    def _await(self) -> bytes | Deliver | OSError | None:
        """Wait until the hub has read something that it leaves to this greenlet."""
        if self.socket.fileno() < 0:
            return OSError(errno.EBADF, "closed by who writes")
        self._readable.start(self._hear)
        self._waiting = True
        try:
            found: bytes | Deliver | OSError | None = self._hub.switch()
            return found
        finally:
            self._waiting = False

    def _hear(self) -> None:
        """In the hub: read, and dispatch what came if it is a lone message.

        So that takes a single switch of greenlets, to the one of its handler. What needs more, or
        may have to wait, is left to the greenlet that reads.
        """
        shell = self._shell
        if not shell.running:
            self._readable.stop()
            return
        try:
            data = os.read(self.socket.fileno(), RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._leave(error)
            return
        try:
            now = time.monotonic()
            taken = None
            # Of many that follow each other each is done with others.
            if now - self._done_at >= STREAM_S and len(data) <= LONE_BYTES:
                taken = shell.node.lone_sessions.take(self._session, data, now)
            if taken is None:
                self._leave(data)
            elif not shell.deliver_at_once(taken):
                self._leave(taken)
            elif shell.node.lone_sessions.enough and shell.running:
                self._leave(None)
            else:
                shell.note_due()
            self._done_at = time.monotonic()
        except Exception as error:
            # Whether these bytes were taken nobody knows. Whoever sent them sends them again, by
            # another connection.
            shell.report_bug()
            self._leave(OSError(f"a bug: {error}"))

    def _leave(self, found: bytes | Deliver | OSError | None) -> None:
        """Leave it to the greenlet that reads, if that still waits for it."""
        if self._waiting:
            self._readable.stop()
            self._reader.switch(found)

    def _close(self) -> None:
        """Close the socket, and let the greenlet that reads know."""
        if self._waiting:
            self._readable.stop()
            self._hub.loop.run_callback(self._leave, OSError(errno.EBADF, "closed by who writes"))
        self.socket.close()

    def _read_on(self, data: bytes) -> bool:
        """Take these bytes and what follows, until there is no more; False at the end."""
        taken = 0
        while self._take(data):
            taken += len(data)
            if taken >= TURN_BYTES:
                taken = 0
                sleep(0)
            try:
                data = os.read(self.socket.fileno(), RECEIVE_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                return False
        return False

    def _take(self, data: bytes) -> bool:
        """Take bytes; False if they are the last."""
        shell = self._shell
        if not data or not shell.running:
            return False
        alive = shell.core(
            shell.node.session_received,
            self._session,
            data,
            self._from_loopback,
            time.monotonic(),
        )
        return bool(alive)

    def _write(self) -> None:
        session = self._session
        while True:
            self._wake.wait()
            self._wake.clear()
            try:
                session.more = True
                while session.more and self._send_next():
                    pass
                if self._ending:
                    self.socket.shutdown(socket.SHUT_WR)
                    # The other side's end arrives first, and ends this greenlet.
                    sleep(CLOSE_GRACE_S)
                    self._close()
                    return
            except OSError:
                # The reader sees the end too, and tells the core what could not be sent.
                self.busy = False
                self._close()
                return

    def _send_next(self) -> bool:
        """Send a frame; False if there is none."""
        shell = self._shell
        began = time.monotonic()
        data = shell.core(shell.node.session_bytes, self._session, began)
        if not data:
            return False
        self.busy = True
        try:
            sent = os.write(self.socket.fileno(), data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.socket.sendall(data[sent:])  # waits for room
        self.busy = False
        shell.room.set()
        if len(data) <= MEASURED_BYTES:
            shell.node.note_send(time.monotonic() - began)
        return True
