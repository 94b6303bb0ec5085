"""One greenlet that hears a multicast group on one interface, and one that speaks to it."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from typing import Any

from gevent import getcurrent, sleep
from gevent.event import Event
from gevent.hub import get_hub
from gevent.socket import wait

from chatter.core.effects import Deliver
from chatter.core.lone import Lone
from chatter.ids import NetID
from chatter.net.explain import explain_multicast_error
from chatter.net.hub import LONE_BYTES, READABLE, STREAM_S, WRITABLE
from chatter.net.interfaces import Interface
from chatter.net.shell import Shell
from chatter.net.sockets import MulticastPair
from chatter.wire.seal import sent_by

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
        self._target = (group.ip, group.port)
        self._unsent: deque[bytes] = deque()
        """Sealed frames that the system had no room for: one, and what was sent straight since."""
        self._wake = Event()
        pair.send.setblocking(False)  # send_now is called where nothing may wait
        pair.receive.setblocking(False)
        self._warned: set[int | None] = set()
        self._hub = get_hub()
        self._readable: Any
        self._receiver: Any
        self._lone: Lone
        self._streaming = False
        """Whether datagrams follow each other without a pause."""
        self._done_at = float("-inf")
        """When the last datagram was done with."""

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
        for _ in range(DRAIN):
            if not self._unsent:
                frame = node.multicast_frame(self._index, time.monotonic())
                if frame is None:
                    if not room.is_set():
                        room.set()
                    return
                self._unsent.append(frame)
            if not self._send_first():
                break
        self._wake.set()

    def send_frame(self, frame: bytes) -> None:
        """Send a frame that is sealed already. Never waits."""
        self._unsent.append(frame)
        if not self._send_first():
            self._wake.set()

    @property
    def busy(self) -> bool:
        """Whether a sealed frame waits for the system."""
        return bool(self._unsent)

    def _send_first(self) -> bool:
        """Whether the system took the first of those that wait, or will never."""
        clogged = self._shell.node.straightway.clogged
        try:
            self._pair.send.sendto(self._unsent[0], self._target)
        except BlockingIOError:
            clogged.add(self._index)
            return False
        except OSError as error:
            self._warn(error)
        self._unsent.popleft()
        clogged.discard(self._index)
        return True

    def receive(self) -> None:
        """Hear the group until the node stops."""
        shell = self._shell
        self._receiver = getcurrent()
        self._lone = shell.node.lone
        self._readable = self._hub.loop.io(self._pair.receive.fileno(), READABLE)
        try:
            while True:
                found = self._await()
                if not shell.running:
                    return
                if isinstance(found, bytes):
                    self._take(found)
                elif isinstance(found, Deliver):
                    shell.core(shell.deliver, found)
                elif found is not None:
                    self._warn(found)
                    sleep(0.1)
                if self._lone.enough:
                    shell.core(shell.node.settle, time.monotonic())
                if self._streaming:
                    self._read_on()
        finally:
            self._readable.close()

    def _await(self) -> bytes | Deliver | OSError | None:
        """Wait until the hub has heard something that it leaves to this greenlet."""
        if not self._shell.running:
            return None
        self._readable.start(self._hear)
        found: bytes | Deliver | OSError | None = self._hub.switch()
        return found

    def _hear(self) -> None:
        """In the hub: take a datagram, and dispatch it if it is a lone message.

        So that takes a single switch of greenlets, to the one of its handler. What needs more, or
        may have to wait, is left to the greenlet that receives.
        """
        shell = self._shell
        if not shell.running:
            self._readable.stop()
            return
        try:
            for _ in range(DRAIN):
                data = os.read(self._pair.receive.fileno(), DATAGRAM_BYTES)
                now = time.monotonic()
                self._streaming = now - self._done_at < STREAM_S
                taken = None
                if (
                    not self._streaming
                    and len(data) <= LONE_BYTES
                    and shell.handlers_keep_up.is_set()
                ):
                    taken = self._lone.take(data, self._index, now)
                if taken is None:
                    if sent_by(data, shell.node.life):
                        continue  # the loop is on for the other processes of this host
                    self._leave(data)
                elif not shell.deliver_at_once(taken):
                    self._leave(taken)
                elif self._lone.enough and shell.running:
                    self._leave(None)
                break
            self._done_at = time.monotonic()
        except BlockingIOError:
            return
        except OSError as error:
            self._leave(error)
        except Exception:
            shell.report_bug()

    def _leave(self, found: bytes | Deliver | OSError | None) -> None:
        """Leave it to the greenlet that receives, which waits for that."""
        self._readable.stop()
        self._receiver.switch(found)

    def _take(self, data: bytes) -> None:
        shell = self._shell
        shell.core(
            shell.node.receive_datagram,
            data,
            self._index,
            self._interface.loopback,
            time.monotonic(),
        )
        # What comes within our credit is bounded. Not so what piled up in the socket's buffer
        # while this process was stopped, or what is sent by who no longer waits for us.
        if not shell.handlers_keep_up.is_set():
            shell.handlers_keep_up.wait()

    def _read_on(self) -> None:
        """Take what follows, without waiting for each, until there is no more."""
        shell = self._shell
        sock = self._pair.receive
        taken = 0
        while True:
            try:
                data = sock.recv(DATAGRAM_BYTES)
            except BlockingIOError:
                return
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
            if not sent_by(data, shell.node.life):
                self._take(data)

    def send(self) -> None:
        """Send what ``send_now`` left, until the node stops."""
        shell = self._shell
        writable = get_hub().loop.io(self._pair.send.fileno(), WRITABLE)
        try:
            while shell.running:
                self._wake.wait()
                self._wake.clear()
                if not self._unsent:
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
