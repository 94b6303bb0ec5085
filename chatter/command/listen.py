"""`chatter listen`: print the messages of a cluster as they come."""

import logging
import sys
import time

import click
import gevent
from gevent.event import Event

from chatter import Gap, Message
from chatter.command.failures import CouldNotStart
from chatter.command.logs import log_to_stderr
from chatter.command.member import (
    leave_on_signals,
    leave_when_closed,
    make_chatter,
    running,
)
from chatter.command.narrator import JSON_LINES, READABLE, Style
from chatter.command.options import MemberOptions, member_options, visiting_config
from chatter.command.outlet import Outlet

STDOUT = 1


class Listener:
    """Writes the messages it was asked for and the gaps, and sets `done` after the last message.

    Args:
        tags: those wanted; none means all.
        count: how many to write; None means without end.
    """

    def __init__(
        self, outlet: Outlet, style: Style, tags: frozenset[str], count: int | None, done: Event
    ) -> None:
        self._outlet = outlet
        self._style = style
        self._tags = tags
        self._left = count
        self._done = done

    def on_message(self, body: object, message: Message) -> None:
        time_ns = time.monotonic_ns()
        if self._left == 0 or (self._tags and message.tag not in self._tags):
            return
        if self._left is not None:
            self._left -= 1
        self._outlet.write(self._style.message(message, time_ns))
        if self._left == 0:
            self._done.set()

    def on_gap(self, gap: Gap) -> None:
        if self._left != 0:
            self._outlet.write(self._style.gap(gap))


@click.command()
@click.argument("tags", metavar="[TAG]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a message, whole bodies.")
@click.option("--count", metavar="N", type=click.IntRange(min=1), help="End after N messages.")
@member_options
def listen(member: MemberOptions, tags: tuple[str, ...], as_json: bool, count: int | None) -> None:
    """Print messages as they come: those with one of the TAGs, or all.

    Joins on a free port as a short-lived member, and leaves on Ctrl-C.

    \b
        chatter listen
        chatter listen hello config --count 1 --json | jq .body

    Long bodies are cut for the eye, and what a terminal can't print is spelt out; --json has
    everything, in the same form as the message events of chatter node --json. What was missed is
    printed as a gap, whatever its tag was.
    """
    if sys.stdout is None:
        raise CouldNotStart("stdout is closed; chatter listen has nothing to write to")
    leaving = Event()
    leave_on_signals(leaving)
    log_to_stderr(logging.WARNING)
    chatter = make_chatter(visiting_config(member))
    outlet = Outlet(STDOUT)
    listener = Listener(
        outlet, JSON_LINES if as_json else READABLE, frozenset(tags), count, leaving
    )
    chatter.on("*")(listener.on_message)
    chatter.on_gap(listener.on_gap)
    with running(chatter) as address:
        click.echo(f"listening at {address}", err=True)
        watcher = gevent.spawn(leave_when_closed, outlet, leaving)
        leaving.wait()
        watcher.kill()
