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
    """Keep the core's seeds true until the node stops.

    A greenlet for each name: a resolver may take half a minute to say that it knows one of them
    not, and the others must not wait for that.
    """
    found: dict[str, list[NetID]] = {}
    for text in shell.config.join:
        shell.spawn(_follow, shell, text, found)


def _follow(shell: Shell, text: str, found: dict[str, list[NetID]]) -> None:
    warned = False
    while True:
        addresses = resolve(text)
        if addresses:
            warned = False
            # An answer that fails to come says nothing about the one before, which stays.
            found[text] = addresses
            everything = [netid for netids in found.values() for netid in netids]
            shell.core(shell.node.set_seeds, everything, time.monotonic())
        elif not warned:
            warned = True
            shell.logger.warning("join: %s has no address; is the name right? Trying on", text)
        sleep(RESOLVE_INTERVAL_S if addresses else RETRY_INTERVAL_S)


def resolve(text: str) -> list[NetID]:
    """All addresses behind HOST:PORT; none if the name has none, or cannot be asked now."""
    host, port = split_address(text)
    try:
        return [NetID(host, port)]  # a number needs no resolver, nor one of its threads
    except ValueError:
        pass
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
