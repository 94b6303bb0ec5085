"""`chatter top`: the cluster as a live table, the twin of the dashboard for a terminal."""

import json
import logging
import shutil
import sys

import click
from gevent.event import Event

from chatter.command.failures import CouldNotStart
from chatter.command.logs import log_to_stderr
from chatter.command.member import leave_on_signals, make_chatter, meet, running
from chatter.command.options import MemberOptions, member_options, visiting_config
from chatter.command.topview import SORTS, Line, draw
from chatter.dashboard.feed import Feed

try:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text
except ImportError:  # the extra `top`; said when the command is called, so that --help works
    rich_is_here = False
else:
    rich_is_here = True

# The others are asked once a second.
REFRESH_S = 1.0

# Where lines are printed and not drawn: as wide as the widest address makes a row.
WIDTH, HEIGHT = 160, 10_000


@click.command()
@click.option(
    "--sort",
    type=click.Choice(list(SORTS)),
    default="segment",
    show_default=True,
    help="Order the nodes by this; figures from the highest down.",
)
@click.option("--once", is_flag=True, help="Print the table once and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one snapshot as JSON and end.")
@click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=3.0,
    show_default=True,
    help="With --once and --json: wait at most this long for peers to appear.",
)
@member_options
def top(member: MemberOptions, sort: str, once: bool, as_json: bool, wait_s: float) -> None:
    """Watch a cluster: its nodes, its rates, and how the last broadcasts travelled.

    Joins on a free port as a short-lived member, and leaves on Ctrl-C. All nodes are asked for
    their figures once a second, as long as this runs.

    \b
        chatter top
        chatter top --sort queue --no-multicast --join 10.0.0.5:29999
        chatter top --json | jq .totals

    Where stdout is no terminal it prints the table once and ends, as with --once. --json prints
    the snapshot that docs/dashboard.md describes.

    Exit status: 0 after leaving, 1 if it could not start, 2 for bad options or no key.
    """
    if sys.stdout is None:
        raise CouldNotStart("stdout is closed; chatter top has nothing to write to")
    live = not (once or as_json) and sys.stdout.isatty()
    if not (rich_is_here or as_json):
        raise CouldNotStart(
            "chatter top draws with rich: pip install '.[top]' in a checkout of chatter"
        )
    leaving = Event()
    leave_on_signals(leaving)
    log_to_stderr(logging.WARNING if not live else logging.CRITICAL)  # a log would tear the picture
    chatter = make_chatter(visiting_config(member))
    with running(chatter):
        feed = Feed(chatter)
        feed.start()
        try:
            if live:
                _draw_until(leaving, feed, sort)
                return
            meet(chatter, wait_s, leaving)
            feed.snapshot()  # begins to watch: a rate is known a little more than a second later
            leaving.wait(1.5 * REFRESH_S)
            snapshot = feed.snapshot()
        finally:
            feed.stop()
    if as_json:
        click.echo(json.dumps(snapshot))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH
    console = Console(width=width, highlight=False)
    for line in draw(snapshot, width, HEIGHT, sort):
        console.print(_text(line))


def _draw_until(leaving: Event, feed: Feed, sort: str) -> None:
    console = Console(highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            width, height = console.size
            lines = draw(feed.snapshot(), width, height, sort)
            live.update(Group(*(_text(line) for line in lines)), refresh=True)
            if leaving.wait(REFRESH_S):
                return


def _text(line: Line) -> "Text":
    text = Text(no_wrap=True, overflow="crop")
    for part, style in line:
        text.append(part, style=style)
    text.rstrip()
    return text
