"""`chatter node`: a node for people to watch, or for a program in any language to use."""

import logging
import sys
from collections.abc import Iterator

import click
from gevent.event import Event
from gevent.pool import Group

from chatter import Chatter
from chatter.command.failures import CouldNotStart
from chatter.command.inlet import read_chunks
from chatter.command.logs import log_to_stderr
from chatter.command.member import (
    leave_on_signals,
    leave_when_closed,
    make_chatter,
    running,
)
from chatter.command.narrator import JSON_LINES, READABLE, Narrator
from chatter.command.options import (
    DashboardOptions,
    MemberOptions,
    dashboard_options,
    member_options,
)
from chatter.command.outlet import Outlet
from chatter.command.sidecar import Sidecar

STDIN = 0
STDOUT = 1


@click.command()
@member_options
@dashboard_options
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Be a sidecar: events as JSON lines on stdout, requests as JSON lines on stdin.",
)
def node(member: MemberOptions, shown: DashboardOptions, as_json: bool) -> None:
    """Run a node until it is told to leave (SIGTERM, Ctrl-C).

    It shows who joins, leaves and fails, and every message it gets.

    \b
        chatter node --key-file chatter.key
        chatter node --key-file chatter.key --address 10.0.1.7:29999 --join 10.0.0.5:29999
        chatter node --key-file chatter.key --dashboard localhost:8000

    With --json a program of any language takes part through pipes, one JSON object a line:

    \b
        {"broadcast":{"tag":"hello","body":{"text":"world"}},"ref":1}
        {"broadcast":{"tag":"hello","body":42,"to":["192.168.1.10:29999"]}}
        {"broadcast":{"tag":"picture","body_base64":"iVBORw0KGgo="}}
        {"broadcast":{"tag":"hello","body":42,"confirm":true,"timeout_s":1.5}}
        {"peers":true}   {"stats":true}   {"leave":true}

    The first line out is {"event":"ready","address":"ip:port"}, with "dashboard":"http://..." where
    --dashboard is given; then come the events message, peer, gap, sent, receipt, peers, stats and
    error. A ref comes back in what answers the request. With
    "confirm" a broadcast is answered by sent, and by receipt once all have answered or timeout_s
    are over. The end of the input leaves when the receipts are out, a closed output at once; logs
    go to stderr.

    Exit status: 0 after leaving, 1 if it could not start, 2 for bad options or no key.
    """
    if sys.stdout is None:
        # The next socket opened would get descriptor 1, and our lines with it.
        raise CouldNotStart("stdout is closed; chatter node has nothing to write to")
    leaving = Event()
    leave_on_signals(leaving)
    # For a person, stdout already says who comes and goes.
    log_to_stderr(logging.INFO if as_json else logging.WARNING)
    config = member.config(**shown.fields())
    chatter = make_chatter(config)
    outlet = Outlet(STDOUT)
    narrator = Narrator(chatter, outlet, JSON_LINES if as_json else READABLE)
    helpers = Group()
    sidecar: Sidecar | None = None
    try:
        with running(chatter) as address:
            helpers.spawn(leave_when_closed, outlet, leaving)
            narrator.tell_ready(address, _where_shown(chatter, shown, as_json))
            helpers.spawn(narrator.run)
            if as_json:
                sidecar = Sidecar(chatter, outlet, 2 * config.max_message_bytes)
                helpers.spawn(sidecar.serve, _stdin(), leaving)
            leaving.wait()
        if sidecar is not None:
            sidecar.finish()
    finally:
        helpers.kill()


def _where_shown(chatter: Chatter, shown: DashboardOptions, as_json: bool) -> str | None:
    """What to say of the dashboard in the first line; None for nothing."""
    url = chatter.dashboard_url
    if url is None or (as_json and shown.address is None):
        return None  # a program that knows nothing of dashboards gets the line that it knows
    if as_json or chatter.config.dashboard_token is None:
        return url
    return f"{url} (the first time with ?token= and the token at its end)"


def _stdin() -> Iterator[bytes]:
    # sys.stdin is None where descriptor 0 was closed: no input is the end of the input.
    return read_chunks(STDIN) if sys.stdin is not None else iter(())
