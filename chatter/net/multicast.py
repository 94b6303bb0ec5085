"""One greenlet that hears a multicast group on one interface, and one that speaks to it."""

from __future__ import annotations

import socket
import time

from gevent import sleep
from gevent.event import Event

from chatter.ids import NetID
from chatter.net.explain import explain_multicast_error
from chatter.net.interfaces import Interface
from chatter.net.shell import Shell
from chatter.net.sockets import MulticastPair

# Datagrams in a row before other greenlets get a turn.
DRAIN = 32

# The largest there is; a shorter buffer would cut a frame, which then counts as damaged.
DATAGRAM_BYTES = 65536


class MulticastPort:
    """The sockets of one of our channels."""

    def __init__(
        self, shell: Shell, index: int, group: NetID, interface: Interface, pair: MulticastPair
    ) -> None:
        self._shell = shell
        self._index = index
        self._group = group
        self._interface = interface
        self._pair = pair
        self._wake = Event()
        self._warned: set[int | None] = set()

    @property
    def sockets(self) -> tuple[socket.socket, socket.socket]:
        """Both sockets, for those who have to close them."""
        return self._pair.receive, self._pair.send

    def wake(self) -> None:
        """There is something to send."""
        self._wake.set()

    def receive(self) -> None:
        """Hear the group until the node stops."""
        shell = self._shell
        sock = self._pair.receive
        loopback = self._interface.loopback
        taken = 0
        while True:
            try:
                data = sock.recv(DATAGRAM_BYTES)
            except OSError as error:
                if not shell.running:
                    return
                self._warn(error)
                sleep(0.1)
                continue
            if not shell.running:
                return
            shell.core(shell.node.receive_datagram, data, self._index, loopback, time.monotonic())
            taken += 1
            if taken % DRAIN == 0:
                sleep(0)
            # What comes within our credit is bounded. Not so what piled up in the socket's buffer
            # while this process was stopped, or what is sent by who no longer waits for us.
            shell.handlers_keep_up.wait()

    def send(self) -> None:
        """Speak to the group until the node stops."""
        shell = self._shell
        sock, target = self._pair.send, (self._group.ip, self._group.port)
        sent = 0
        while True:
            self._wake.wait()
            self._wake.clear()
            while True:
                frame = shell.core(shell.node.multicast_frame, self._index, time.monotonic())
                if frame is None:
                    break
                try:
                    sock.sendto(frame, target)
                except OSError as error:
                    if not shell.running:
                        return
                    self._warn(error)
                sent += 1
                if sent % DRAIN == 0:
                    sleep(0)
            shell.room.set()

    def _warn(self, error: OSError) -> None:
        """Once for each kind of error: what does not get through is repaired over TCP."""
        shell = self._shell
        shell.node.counts["multicast_errors"] += 1
        if error.errno not in self._warned:
            self._warned.add(error.errno)
            shell.logger.warning(
                "%s", explain_multicast_error(error, str(self._group), self._interface)
            )
