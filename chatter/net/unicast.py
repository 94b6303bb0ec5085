"""The unicast datagrams of a node: first contact, pings, digests. Lost ones are sent again."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from gevent import sleep
from gevent.event import Event

from chatter.net.listener import is_loopback
from chatter.net.multicast import DATAGRAM_BYTES, DRAIN

if TYPE_CHECKING:
    from chatter.net.runtime import Runtime


class UnicastPort:
    """The UDP socket at the NetID's port."""

    def __init__(self, runtime: Runtime, sock: socket.socket) -> None:
        self._runtime = runtime
        self._sock = sock
        self._wake = Event()

    def wake(self) -> None:
        """There is something to send."""
        self._wake.set()

    def receive(self) -> None:
        """Take datagrams until the node stops."""
        runtime = self._runtime
        taken = 0
        while True:
            try:
                data, source = self._sock.recvfrom(DATAGRAM_BYTES)
            except OSError:
                # Linux reports here that an earlier datagram found nobody; the next call works.
                if not runtime.running:
                    return
                sleep(0)
                continue
            if not runtime.running:
                return
            local = is_loopback(source[0])
            runtime.core(runtime.node.receive_datagram, data, None, local, time.monotonic())
            taken += 1
            if taken % DRAIN == 0:
                sleep(0)

    def send(self) -> None:
        """Send datagrams until the node stops."""
        runtime = self._runtime
        while True:
            self._wake.wait()
            self._wake.clear()
            while (waiting := runtime.core(runtime.node.udp_frame)) is not None:
                netid, frame = waiting
                try:
                    self._sock.sendto(frame, (netid.ip, netid.port))
                except OSError:
                    # No route to this one peer, or no room: it is asked again, and by TCP after.
                    if not runtime.running:
                        return
                    runtime.node.counts["udp_errors"] += 1
