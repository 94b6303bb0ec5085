"""One greenlet that hears a multicast group on one interface, and one that speaks to it."""

from __future__ import annotations

import socket
import time
from typing import Any

from gevent import sleep
from gevent.event import Event
from gevent.hub import get_hub
from gevent.socket import wait

from chatter.ids import NetID
from chatter.net.explain import explain_multicast_error
from chatter.net.interfaces import Interface
from chatter.net.shell import Shell
from chatter.net.sockets import MulticastPair
from chatter.wire.seal import sent_by

# Datagrams in a row before other greenlets get a turn.
DRAIN = 32

# The largest there is; a shorter buffer would cut a frame, which then counts as damaged.
DATAGRAM_BYTES = 65536

# Of libev's and libuv's events.
READABLE, WRITABLE = 1, 2

# Datagrams that follow each other within so long are read without waiting for each.
STREAM_S = 0.0002


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
        self._target = (group.ip, group.port)
        self._unsent: bytes | None = None
        """A sealed frame that the system had no room for."""
        self._wake = Event()
        pair.send.setblocking(False)  # send_now is called where nothing may wait
        pair.receive.setblocking(False)
        self._warned: set[int | None] = set()

    @property
    def sockets(self) -> tuple[socket.socket, socket.socket]:
        """Both sockets, for those who have to close them."""
        return self._pair.receive, self._pair.send

    def send_now(self) -> None:
        """Send what there is, as far as the system takes it at once. Never waits.

        A greenlet that is woken for it runs some 20 us later, and each multicast would wait so long
        for nothing. What this leaves is that greenlet's.
        """
        node, room = self._shell.node, self._shell.room
        sock, target = self._pair.send, self._target
        for _ in range(DRAIN):
            if self._unsent is None:
                self._unsent = node.multicast_frame(self._index, time.monotonic())
                if self._unsent is None:
                    if not room.is_set():
                        room.set()
                    return
            try:
                sock.sendto(self._unsent, target)
            except BlockingIOError:
                break
            except OSError as error:
                self._warn(error)
            self._unsent = None
        self._wake.set()

    def receive(self) -> None:
        """Hear the group until the node stops."""
        readable = get_hub().loop.io(self._pair.receive.fileno(), READABLE)
        try:
            self._receive(readable)
        finally:
            readable.close()

    def _receive(self, readable: Any) -> None:
        shell = self._shell
        sock = self._pair.receive
        loopback = self._interface.loopback
        keep_up = shell.handlers_keep_up
        taken = 0
        streaming = False
        while True:
            try:
                if not streaming:
                    # A first look into an empty socket, as ``recv`` takes, costs more than this.
                    began = time.monotonic()
                    wait(readable)
                    streaming = time.monotonic() - began < STREAM_S
                data = sock.recv(DATAGRAM_BYTES)
            except BlockingIOError:
                streaming = False
                continue
            except OSError as error:
                if not shell.running:
                    return
                self._warn(error)
                sleep(0.1)
                continue
            if not shell.running:
                return
            taken += 1
            if taken % DRAIN == 0:
                sleep(0)
            if sent_by(data, shell.node.life):
                continue  # the loop is on for the other processes of this host
            shell.core(shell.node.receive_datagram, data, self._index, loopback, time.monotonic())
            # What comes within our credit is bounded. Not so what piled up in the socket's buffer
            # while this process was stopped, or what is sent by who no longer waits for us.
            if not keep_up.is_set():
                keep_up.wait()

    def send(self) -> None:
        """Send what ``send_now`` left, until the node stops."""
        shell = self._shell
        writable = get_hub().loop.io(self._pair.send.fileno(), WRITABLE)
        try:
            while shell.running:
                self._wake.wait()
                self._wake.clear()
                if self._unsent is None:
                    sleep(0)  # there is more than is sent in a row
                else:
                    wait(writable)
                shell.core(self.send_now)
        finally:
            writable.close()

    def _warn(self, error: OSError) -> None:
        """Once for each kind of error: what does not get through is repaired over TCP."""
        shell = self._shell
        shell.node.counts["multicast_errors"] += 1
        if error.errno not in self._warned:
            self._warned.add(error.errno)
            shell.logger.warning(
                "%s", explain_multicast_error(error, str(self._group), self._interface)
            )
