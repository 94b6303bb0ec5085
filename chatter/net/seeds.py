"""What the names given with ``join`` stand for: each address of each, asked again and again."""

from __future__ import annotations

import socket
import time

from gevent import sleep

from chatter.ids import NetID, split_address
from chatter.net.shell import Shell

# Names move when containers are replaced; their records usually live for 30 to 60 seconds.
RESOLVE_INTERVAL_S = 30.0
# A name that is not there yet, as while a cluster starts.
RETRY_INTERVAL_S = 2.0


def run_seeds(shell: Shell) -> None:
    """Keep the core's seeds true until the node stops."""
    unresolved: set[str] = set()
    while True:
        found: list[NetID] = []
        for text in shell.config.join:
            addresses = resolve(text)
            if not addresses and text not in unresolved:
                unresolved.add(text)
                shell.logger.warning("join: %s has no address; is the name right? Trying on", text)
            elif addresses:
                unresolved.discard(text)
            found += addresses
        shell.core(shell.node.set_seeds, found, time.monotonic())
        sleep(RETRY_INTERVAL_S if unresolved else RESOLVE_INTERVAL_S)


def resolve(text: str) -> list[NetID]:
    """All addresses behind HOST:PORT; none if the name has none, or cannot be asked now."""
    host, port = split_address(text)
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    found: list[NetID] = []
    for _, _, _, _, address in answers:
        try:
            netid = NetID(str(address[0]), port)
        except ValueError:
            continue  # link-local with a scope: means nothing to the peers we would tell it
        if netid not in found:
            found.append(netid)
    return found
