"""One TCP connection: a greenlet that reads it and one that writes it.

A peer that reads slowly blocks its own writer and nothing else: what is meant for it waits in the
core's bounded queue. A peer that says nothing sensible within the first seconds is cut off.
"""

from __future__ import annotations

import socket
import time

from gevent import sleep
from gevent.event import Event

from chatter.core.session import Session
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
            self._read()
        finally:
            shell.connections.pop(session, None)
            writer.kill(block=False)
            self.socket.close()
            if shell.running:
                shell.core(shell.node.session_closed, session, time.monotonic())

    def _read(self) -> None:
        shell, session = self._shell, self._session
        deadline = time.monotonic() + shell.config.connect_timeout_s
        proven = False
        taken = 0
        while True:
            try:
                if not proven:
                    proven = session.proven
                    left_s = deadline - time.monotonic()
                    if not proven and left_s <= 0:
                        shell.node.counts["connections_unproven"] += 1
                        return
                    self.socket.settimeout(None if proven else left_s)
                data = self.socket.recv(RECEIVE_BYTES)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data or not shell.running:
                return
            alive = shell.core(
                shell.node.session_received, session, data, self._from_loopback, time.monotonic()
            )
            if not alive:
                return
            taken += len(data)
            if taken >= TURN_BYTES:
                taken = 0
                sleep(0)

    def _write(self) -> None:
        shell, session, sock = self._shell, self._session, self.socket
        while True:
            self._wake.wait()
            self._wake.clear()
            began = time.monotonic()
            try:
                while data := shell.core(shell.node.session_bytes, session, began):
                    self.busy = True
                    sock.sendall(data)
                    self.busy = False
                    shell.room.set()
                    ended = time.monotonic()
                    if len(data) <= MEASURED_BYTES:
                        shell.node.note_send(ended - began)
                    began = ended
                if self._ending:
                    sock.shutdown(socket.SHUT_WR)
                    sleep(
                        CLOSE_GRACE_S
                    )  # the other side's end arrives first, and ends this greenlet
                    sock.close()
                    return
            except OSError:
                # The reader sees the end too, and tells the core what could not be sent.
                self.busy = False
                sock.close()
                return
