"""What all commands that join share: start or say why not, leave when asked, meet the others."""

import signal
import time
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from typing import Protocol

import gevent
from gevent.event import Event

from chatter import Chatter, ChatterError, Config, ConfigError, NetID, Peer
from chatter.command.failures import BadOptions, CouldNotStart, Interrupted
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
    while not outlet.is_closed():
        gevent.sleep(CLOSED_CHECK_S)
    leaving.set()


class _HasPeers(Protocol):
    def peers(self) -> list[Peer]: ...


def meet(
    chatter: _HasPeers,
    wait_s: float,
    leaving: Event,
    *,
    wanted: Collection[NetID] = (),
    view: Callable[[Peer], Hashable] = lambda peer: peer.address,
    now: Callable[[], float] = time.monotonic,
) -> list[Peer]:
    """The live peers, after giving them a chance to appear.

    Waits until all of `wanted` are there; without `wanted`, until somebody is and for `QUIET_S`
    nothing new was seen. In any case no longer than `wait_s`.

    Args:
        leaving: ends the waiting when it is set.
        view: what of a peer counts as new; by itself that it is there.

    Raises:
        Interrupted: `leaving` was set.
    """
    deadline = now() + wait_s
    seen: set[Hashable] = set()
    last_new = now()
    while True:
        peers = chatter.peers()
        views = {view(peer) for peer in peers}
        if not views <= seen:
            seen |= views
            last_new = now()
        if wanted:
            complete = {peer.address for peer in peers}.issuperset(wanted)
        else:
            complete = bool(peers) and now() - last_new >= QUIET_S
        if complete or now() >= deadline:
            return peers
        if leaving.wait(LOOK_EVERY_S):
            raise Interrupted("interrupted before the others were met")
