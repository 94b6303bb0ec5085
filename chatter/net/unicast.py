"""The unicast datagrams of a node: first contact, pings, digests. Lost ones are sent again."""

from __future__ import annotations

import socket
import time

from gevent import sleep
from gevent.event import Event

from chatter.net.listener import is_loopback
from chatter.net.multicast import DATAGRAM_BYTES, DRAIN
from chatter.net.shell import Shell


class UnicastPort:
    """The UDP socket at the NetID's port."""

    def __init__(self, shell: Shell, sock: socket.socket) -> None:
        self._shell = shell
        self._sock = sock
        self._wake = Event()

    def wake(self) -> None:
        """There is something to send."""
        self._wake.set()

    def receive(self) -> None:
        """Take datagrams until the node stops."""
        shell = self._shell
        taken = 0
        while True:
            try:
                data, source = self._sock.recvfrom(DATAGRAM_BYTES)
            except OSError:
                # Linux reports here that an earlier datagram found nobody; the next call works.
                if not shell.running:
                    return
                sleep(0)
                continue
            if not shell.running:
                return
            local = is_loopback(source[0])
            shell.core(shell.node.receive_datagram, data, None, local, time.monotonic())
            taken += 1
            if taken % DRAIN == 0:
                sleep(0)

    def send(self) -> None:
        """Send datagrams until the node stops."""
        shell = self._shell
        while True:
            self._wake.wait()
            self._wake.clear()
            while (waiting := shell.core(shell.node.udp_frame, time.monotonic())) is not None:
                netid, frame = waiting
                try:
                    self._sock.sendto(frame, (netid.ip, netid.port))
                except OSError:
                    # No route to this one peer, or no room: it is asked again, and by TCP after.
                    if not shell.running:
                        return
                    shell.node.counts["udp_errors"] += 1
