"""Accept connections: one greenlet that accepts, and one for each that came."""

from __future__ import annotations

import ipaddress
import socket
import time
from functools import lru_cache

from gevent import sleep

from chatter.net.connection import Connection
from chatter.net.shell import Shell
from chatter.net.sockets import tune_stream

# Connections that have not proven themselves, at a time: each may hold 512 bytes and a greenlet for
# a few seconds. With more the oldest is cut off: a member proves itself within a round trip, so a
# stranger that keeps opening connections ends only its own.
MAX_UNPROVEN = 256

# After an error such as "too many open files", which does not go away by trying harder.
PAUSE_S = 0.1


def run_listener(shell: Shell, listener: socket.socket) -> None:
    """Accept until the node stops."""
    warned = False
    while True:
        # A burst of connections must not keep the others from their turn.
        sleep(0)
        try:
            sock, source = listener.accept()
        except OSError as error:
            if not shell.running:
                return
            if not warned:
                warned = True
                shell.logger.warning("cannot accept a connection: %s", error)
            sleep(PAUSE_S)
            continue
        warned = False
        unproven = [one for one in shell.connections if not one.proven and not one.client]
        if len(unproven) >= MAX_UNPROVEN:
            shell.node.counts["connections_cut_off"] += 1
            shell.connections.pop(unproven[0]).socket.close()
        try:
            tune_stream(sock)
        except OSError:
            sock.close()  # ended before its turn came, which is no trouble of ours
            continue
        session = shell.node.open_session(None, time.monotonic())
        connection = Connection(shell, sock, session, is_loopback(source[0]))
        # Before its greenlet gets its turn: it counts against the bound from now on.
        shell.connections[session] = connection
        shell.spawn(connection.run)


# Asked for each unicast datagram; what anybody can send from is more than is kept.
@lru_cache(maxsize=1024)
def is_loopback(ip: str) -> bool:
    """Whether a packet's source is this host."""
    return ipaddress.ip_address(ip.partition("%")[0]).is_loopback
