"""Accept connections: one greenlet that accepts, and one for each that came."""

from __future__ import annotations

import ipaddress
import socket
import time
from typing import TYPE_CHECKING

from gevent import sleep

from chatter.net.connection import Connection
from chatter.net.sockets import tune_stream

if TYPE_CHECKING:
    from chatter.net.runtime import Runtime

# Connections that have not proven themselves, at a time: each may hold 512 bytes and a greenlet for
# a few seconds. With more the newest is refused, so those that are about to prove themselves can.
MAX_UNPROVEN = 256

# After an error such as "too many open files", which does not go away by trying harder.
PAUSE_S = 0.1


def run_listener(runtime: Runtime, listener: socket.socket) -> None:
    """Accept until the node stops."""
    warned = False
    while True:
        try:
            sock, source = listener.accept()
            tune_stream(sock)
        except OSError as error:
            if not runtime.running:
                return
            if not warned:
                warned = True
                runtime.logger.warning("cannot accept a connection: %s", error)
            sleep(PAUSE_S)
            continue
        warned = False
        unproven = sum(1 for session in runtime.connections if not session.proven)
        if unproven >= MAX_UNPROVEN:
            runtime.node.counts["connections_refused"] += 1
            sock.close()
            continue
        session = runtime.node.open_session(None, time.monotonic())
        connection = Connection(runtime, sock, session, is_loopback(source[0]))
        runtime.spawn(connection.run)


def is_loopback(ip: str) -> bool:
    """Whether a packet's source is this host."""
    return ipaddress.ip_address(ip.partition("%")[0]).is_loopback
