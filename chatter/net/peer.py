"""One greenlet per outgoing peer: connect, or say that nobody answers; then carry the session."""

from __future__ import annotations

import ipaddress
import socket
import time
from typing import TYPE_CHECKING

from chatter.ids import NetID
from chatter.net.connection import Connection
from chatter.net.sockets import tune_stream

if TYPE_CHECKING:
    from chatter.net.runtime import Runtime


def run_peer(runtime: Runtime, netid: NetID) -> None:
    """Open a connection to a peer and carry it to its end."""
    try:
        sock = _connect(netid, runtime.config.connect_timeout_s)
    except OSError as error:
        runtime.logger.debug("> %s: no connection: %s", netid, error)
        if runtime.running:
            runtime.core(runtime.node.connect_failed, netid, time.monotonic())
        return
    if not runtime.running:
        sock.close()
        return
    session = runtime.node.open_session(netid, time.monotonic())
    connection = Connection(runtime, sock, session, ipaddress.ip_address(netid.ip).is_loopback)
    runtime.connections[session] = connection
    runtime.carry_out()
    connection.run()


def _connect(netid: NetID, timeout_s: float) -> socket.socket:
    sock = socket.create_connection((netid.ip, netid.port), timeout_s)
    try:
        tune_stream(sock)
    except OSError:
        sock.close()
        raise
    return sock
