"""`chatter send`: tell the cluster something from a shell."""

import logging
import sys
from collections.abc import Sequence
from typing import Any

import click
import gevent
from gevent.event import Event

from chatter import ChatterError, Closed, NetID, QueueFull, Receipt
from chatter.command.failures import BadOptions, Interrupted, NobodyReached, SomeMissing
from chatter.command.logs import log_to_stderr
from chatter.command.member import leave_on_signals, make_chatter, meet, running
from chatter.command.options import MemberOptions, member_options, visiting_config
from chatter.command.requests import BadRequest, parse_json, why_no_tag
from chatter.net.arguments import MAX_TIMEOUT_S


def _parse_to(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[NetID, ...]:
    try:
        # In the order given, each once.
        return tuple(dict.fromkeys(NetID.parse(text) for text in texts))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("tag")
@click.argument("body", required=False)
@click.option("--text", is_flag=True, help="Take BODY as words, not as JSON.")
@click.option(
    "--to",
    metavar="IP:PORT",
    callback=_parse_to,
    multiple=True,
    help="Tell this node alone. May be given several times. Unset: every node.",
)
@click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=3.0,
    show_default=True,
    help="Wait at most this long to meet the others.",
)
@click.option("--confirm", is_flag=True, help="Have everybody answer, and say who did not.")
@click.option(
    "--timeout",
    "timeout_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True, max=MAX_TIMEOUT_S),
    help="With --confirm: wait at most this long for answers.  [default: 2]",
)
@member_options
def send(
    member: MemberOptions,
    tag: str,
    body: str | None,
    text: bool,
    to: tuple[NetID, ...],
    wait_s: float,
    confirm: bool,
    timeout_s: float | None,
) -> None:
    """Broadcast one message with TAG and BODY.

    BODY is JSON; without it the body is null, and - reads it from stdin. Joins on a free port as a
    short-lived member, sends as soon as it has met those it tells, and says how many that were.
    Nodes named by --to are also asked to let it in, so no --join is needed for them.

    \b
        chatter send hello '{"text": "world"}'
        chatter send --text announce "back in five minutes"
        git log -1 --format=%s | chatter send --text deployed -
        chatter send reload --to 192.168.1.10:29999
        chatter send reload --confirm --timeout 5

    With --confirm it also prints a line "delivered IP:PORT" for each node that answered, and
    "missing IP:PORT" for each that did not in time, or was not met. A missing one may have it all
    the same, as an answer can be lost too.

    Exit status: 0 if it went to somebody, and with --confirm if nobody is missing; 1 if nobody was
    met or it could not start; 2 for bad options; 3 with --confirm if somebody is missing.
    """
    if timeout_s is not None and not confirm:
        raise click.UsageError("--timeout needs --confirm.")
    reason = why_no_tag(tag)
    if reason is not None:
        raise BadOptions(f"the tag: {reason}")
    message = parse_body(body, as_text=text)
    leaving = Event()
    leave_on_signals(leaving)
    log_to_stderr(logging.WARNING)
    chatter = make_chatter(visiting_config(member, also_join=tuple(str(netid) for netid in to)))
    with running(chatter):
        met = {peer.address for peer in meet(chatter, wait_s, leaving, wanted=to)}
        targets = [netid for netid in to if netid in met]
        absent = [netid for netid in to if netid not in met]
        if not (targets if to else met):
            raise NobodyReached(_nobody(to, wait_s))
        try:
            # Without --to it goes to everybody, those that we have not met ourselves too.
            receipt = chatter.broadcast(
                tag, message, to=targets if to else None, confirm=confirm, timeout=timeout_s
            )
        except (QueueFull, Closed) as error:
            raise NobodyReached(str(error)) from None
        except ChatterError as error:
            raise BadOptions(str(error)) from None
        if confirm:
            wait_for_answers(receipt, leaving)
    click.echo(f"sent to {receipt.recipients} {'node' if receipt.recipients == 1 else 'nodes'}")
    if absent:
        click.echo(f"not met within {wait_s:g} s: {', '.join(map(str, absent))}", err=True)
    if confirm:
        show_receipt(receipt, absent)


def wait_for_answers(receipt: Receipt, leaving: Event) -> None:
    """Until the receipt is settled.

    Raises:
        Interrupted: `leaving` was set before that.
    """
    waiter = gevent.spawn(receipt.wait)
    gevent.wait([waiter, leaving], count=1)
    if not receipt.settled:
        waiter.kill()
        raise Interrupted("interrupted before all had answered; it was sent")


def show_receipt(receipt: Receipt, absent: Sequence[NetID]) -> None:
    """Print who got it and who didn't.

    Args:
        absent: who was named, but not even met.

    Raises:
        SomeMissing: if there is anybody to name.
    """
    missing = [*receipt.missing, *absent]
    for netid in receipt.delivered:
        click.echo(f"delivered {netid}")
    for netid in missing:
        click.echo(f"missing {netid}")
    if missing:
        total = receipt.recipients + len(absent)
        raise SomeMissing(f"{len(missing)} of {total} did not say that they have it")


def parse_body(argument: str | None, *, as_text: bool) -> Any:
    """The body that the command line names.

    Raises:
        BadOptions: not JSON, or text that isn't UTF-8.
    """
    if argument is None:
        return "" if as_text else None
    try:
        words = sys.stdin.buffer.read().decode("utf-8") if argument == "-" else argument
        data = words.encode("utf-8")
    except UnicodeError:
        raise BadOptions("the body is not UTF-8") from None
    if as_text:
        # What a pipe ends with is the newline of the program before it, not part of the words.
        return words.removesuffix("\n") if argument == "-" else words
    try:
        return parse_json(data)
    except BadRequest as reason:
        raise BadOptions(f"the body: {reason}; with --text it is sent as words") from None


def _nobody(to: tuple[NetID, ...], wait_s: float) -> str:
    if to:
        names = ", ".join(map(str, to))
        return f"none of {names} was met within {wait_s:g} s; nothing was sent"
    return (
        f"no peer was met within {wait_s:g} s; nothing was sent. Does a node run with the same key "
        "and multicast group? --join names one directly"
    )
