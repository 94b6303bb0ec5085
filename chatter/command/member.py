"""What all commands that join share: start or say why not, leave when asked, meet the others."""

import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Protocol

import gevent
from gevent.event import Event

from chatter import Chatter, ChatterError, Config, ConfigError, NetID, Peer
from chatter.command.failures import BadOptions, CouldNotStart
from chatter.command.outlet import Outlet
from chatter.errors import MissingKey

# A node on the local network beacons once a second while the cluster is small; a second in which
# nobody new appeared has most likely shown all.
QUIET_S = 1.0
LOOK_EVERY_S = 0.05
CLOSED_CHECK_S = 0.5


def make_chatter(config: Config) -> Chatter:
    """The node for `config`, not started.

    Raises:
        BadOptions: a setting that can't work anywhere.
    """
    try:
        return Chatter(config)
    except ConfigError as error:
        raise BadOptions(str(error)) from None


@contextmanager
def running(chatter: Chatter) -> Iterator[NetID]:
    """Start the node and stop it at the end; gives its NetID.

    Raises:
        BadOptions: there is no key, or it is none.
        CouldNotStart: the machine refuses: a port taken, no such interface, nobody to meet.
    """
    try:
        chatter.start()
    except MissingKey as error:
        raise BadOptions(str(error)) from None
    except (ChatterError, OSError) as error:
        raise CouldNotStart(str(error)) from None
    try:
        yield chatter.local_netid
    finally:
        chatter.stop()


def leave_on_signals(leaving: Event) -> None:
    """Let SIGTERM and SIGINT set `leaving`, from now on and while the node starts or stops too."""
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, leaving.set)


def leave_when_closed(outlet: Outlet, leaving: Event) -> None:
    """Set `leaving` once nobody can read what we write, even if there is nothing to write.

    Returns only then; give it a greenlet of its own.
    """
    while not outlet.closed:
        gevent.sleep(CLOSED_CHECK_S)
    leaving.set()


class _HasPeers(Protocol):
    def peers(self) -> list[Peer]: ...


def meet(
    chatter: _HasPeers,
    wait_s: float,
    *,
    wanted: Collection[NetID] = (),
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = gevent.sleep,
) -> list[Peer]:
    """The live peers, after giving them a chance to appear.

    Waits until all of `wanted` are there; without `wanted`, until somebody is and for `QUIET_S`
    nobody new has come. In any case no longer than `wait_s`.
    """
    deadline = now() + wait_s
    seen: set[NetID] = set()
    last_new = now()
    while True:
        peers = chatter.peers()
        here = {peer.address for peer in peers}
        if not here <= seen:
            seen |= here
            last_new = now()
        complete = here.issuperset(wanted) if wanted else here and now() - last_new >= QUIET_S
        if complete or now() >= deadline:
            return peers
        pause(LOOK_EVERY_S)
