"""`chatter peers`: who is there."""

import logging
from collections.abc import Hashable

import click
from gevent.event import Event

from chatter import Peer
from chatter.command.failures import NobodyReached
from chatter.command.logs import log_to_stderr
from chatter.command.member import leave_on_signals, make_chatter, meet, running
from chatter.command.options import MemberOptions, member_options, visiting_config
from chatter.command.readable import peer_table


def standing(peer: Peer) -> Hashable:
    """What of a peer is worth waiting for: its segment is told a beacon after its address."""
    return peer.address, peer.state, peer.segment, peer.multicast


@click.command()
@click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=3.0,
    show_default=True,
    help="Wait at most this long for peers to appear.",
)
@member_options
def peers(member: MemberOptions, wait_s: float) -> None:
    """Show the nodes of a cluster, as a short-lived member sees them.

    \b
        chatter peers
        chatter peers --no-multicast --join 10.0.0.5:29999

    SEGMENT groups nodes that hear each other's multicasts; MULTICAST says whether a node hears
    ours. Ends once nothing has changed for a second.

    Exit status: 0 if there is somebody, 1 if not or if it could not start, 2 for bad options or no
    key.
    """
    leaving = Event()
    leave_on_signals(leaving)
    log_to_stderr(logging.WARNING)
    chatter = make_chatter(visiting_config(member))
    with running(chatter):
        found = meet(chatter, wait_s, leaving, view=standing)
    if not found:
        raise NobodyReached(
            f"no peer appeared within {wait_s:g} s. Does a node run with the same key and "
            "multicast group? --join names one directly"
        )
    for line in peer_table(found):
        click.echo(line)
