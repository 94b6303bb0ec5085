"""One greenlet per outgoing peer: connect, or say that nobody answers; then carry the session."""

from __future__ import annotations

import ipaddress
import socket
import time

from chatter.ids import NetID
from chatter.net.connection import Connection
from chatter.net.options import family_of
from chatter.net.shell import Shell
from chatter.net.sockets import tune_stream


def run_peer(shell: Shell, netid: NetID) -> None:
    """Open a connection to a peer and carry it to its end."""
    try:
        sock = _connect(netid, shell.config.connect_timeout_s)
    except OSError as error:
        shell.logger.debug("> %s: no connection: %s", netid, error)
        if shell.running:
            shell.core(shell.node.connect_failed, netid, time.monotonic())
        return
    if not shell.running:
        sock.close()
        return
    session = shell.node.open_session(netid, time.monotonic())
    connection = Connection(shell, sock, session, ipaddress.ip_address(netid.ip).is_loopback)
    shell.connections[session] = connection
    shell.carry_out()
    connection.run()


def _connect(netid: NetID, timeout_s: float) -> socket.socket:
    # Not create_connection, which sends even a number through the resolver's threads: whoever waits
    # in all of those for this very connection would wait for ever.
    sock = socket.socket(family_of(netid.ip), socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.connect((netid.ip, netid.port))
        tune_stream(sock)
    except BaseException:
        sock.close()
        raise
    return sock
