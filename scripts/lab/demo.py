"""`scripts/demo`: nodes in segments, a broadcast a second, its tree in terminal and browser."""

import argparse
import contextlib
import itertools
import math
import os
import random
import sys
import time

from scripts.lab.cluster import Cluster
from scripts.lab.errors import Interrupted, LabError
from scripts.lab.janitor import clean
from scripts.lab.ledger import Ledger
from scripts.lab.namespaces import NamespaceLab, why_not
from scripts.lab.page import USUAL_PORT, open_page, url_of
from scripts.lab.report import describe, picture, verdict
from scripts.lab.screen import Screen
from scripts.lab.signals import ignore_signals, raise_on_signals
from scripts.lab.tree import Place

_MAX_SEGMENTS = 26  # one letter each
_MAX_NODES = 100  # processes, each with a Python interpreter of its own
_ARRIVE_S = 5.0  # --once: so long a broadcast may take
_QUIET_S = 1.0  # --once: and so long nothing may come twice
_SEGMENTS_S = 10.0  # --once: the tree drawn should be the usual one, but need not

_HELP = """\
Starts real node processes in segments, broadcasts from one after the other, and draws how each
broadcast reached the others: arrows are TCP, a cloud is one multicast heard by a whole segment.
The first node serves the dashboard: the same in a browser, and more.

With root and iproute2 each node gets a network namespace of its own, behind a router that routes no
multicast. Without, all run on 127.0.0.1 and each segment has a multicast group. Nothing leaves this
machine, and nothing is left behind."""

_EXAMPLES = """\
examples:
  scripts/demo                          twelve nodes, until Ctrl-C
  scripts/demo --once                   one broadcast; the exit status says whether all went well
  scripts/demo --segments 5 --hosts 3   another shape
  scripts/demo --seconds 10 | tee log   not a terminal: pictures are appended, without colours
  scripts/demo --dashboard 8000         the dashboard at http://127.0.0.1:8000/

exit status:
  0  each broadcast was dispatched exactly once by all but its origin; or you ended it
  1  some was not, or the nodes could not start
  2  options that make no sense"""


def main(arguments: list[str] | None = None) -> int:
    """The exit status of the demo."""
    options = _parse(arguments)
    if options.clean:
        return _clean()
    segments, hosts = options.segments, options.hosts
    screen = Screen(sys.stdout)
    try:
        raise_on_signals()
        why_loopback = "as you asked" if options.no_namespaces else why_not()
        with contextlib.ExitStack() as stack:
            stack.callback(screen.close)
            lab = None
            if why_loopback is None:
                lab = stack.enter_context(NamespaceLab(segments, hosts))
            page = None
            if not (options.once or options.no_dashboard):
                page = stack.enter_context(open_page(options.dashboard))
            cluster = stack.enter_context(
                Cluster(segments, hosts, lab, screen.status, dashboard=page)
            )
            stack.callback(ignore_signals)  # runs first: no signal may stop the clean-up half way
            cluster.wait_for_membership()
            title = describe(segments, hosts, why_loopback)
            if page is not None:
                title += f" · dashboard {url_of(page)}"
            if options.once:
                cluster.wait_for_segments(_SEGMENTS_S)
                return _once(cluster, title, screen)
            return _live(cluster, title, screen, options.interval, options.seconds)
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our pictures has seen enough. What is still buffered must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Interrupted as interrupt:
        # Ctrl-C is how one ends the live picture; a check that was cut short has not succeeded.
        return 128 + interrupt.signal_number if options.once else 0


def _once(cluster: Cluster, title: str, screen: Screen) -> int:
    ledger = Ledger(cluster.by_address)
    origin = random.choice(cluster.places)
    broadcast = cluster.broadcast(origin, "demo", {"text": f"hello from {origin.name}"}, ledger)
    cluster.settle(ledger, [broadcast], timeout_s=_ARRIVE_S, quiet_s=_QUIET_S)
    words = verdict(broadcast)
    style = "bold red" if broadcast.complaint() else "bold green"
    screen.show([*picture(title, broadcast, ledger, cluster.by_address), [(f" {words}", style)]])
    return 1 if broadcast.complaint() else 0


def _live(
    cluster: Cluster, title: str, screen: Screen, interval_s: float, seconds: float | None
) -> int:
    places = cluster.by_address
    ledger = Ledger(places)
    end = None if seconds is None else time.monotonic() + seconds
    next_send = time.monotonic()
    for number in itertools.count(1):
        origin = next_origin(cluster.places, number)
        body = {"number": number, "text": f"hello from {origin.name}"}
        broadcast = cluster.broadcast(origin, "demo", body, ledger)
        next_send = max(next_send + interval_s, time.monotonic())
        # Half the interval is for what is late, the other half to look at it.
        cluster.settle(
            ledger, [broadcast], timeout_s=interval_s / 2, quiet_s=min(0.1, interval_s / 4)
        )
        screen.show(picture(title, broadcast, ledger, places))
        last = end is not None and next_send >= end
        while (remaining := (end if last and end else next_send) - time.monotonic()) > 0:
            time.sleep(min(0.1, remaining))
            if cluster.collect(ledger) and screen.live:
                screen.show(picture(title, broadcast, ledger, places))
        if last:
            break
    return 0 if ledger.totals().flawless else 1


def next_origin(places: list[Place], number: int) -> Place:
    """Whose turn it is: all of `places` come before any comes again."""
    # A stride without a common divisor visits all nodes, and rarely two of a segment in a row.
    stride = next(step for step in range(5, 200) if math.gcd(step, len(places)) == 1)
    return places[number * stride % len(places)]


def _clean() -> int:
    reason = why_not()
    if reason is not None:
        print(f"demo: can't look for namespaces: {reason}", file=sys.stderr)
        return 1
    removed = clean()
    print("\n".join(f"removed {name}" for name in removed) or "nothing was left behind")
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description=_HELP,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--segments",
        type=int,
        default=3,
        metavar="N",
        help="how many segments, 1 to 26 (default: 3)",
    )
    parser.add_argument(
        "--hosts", type=int, default=4, metavar="N", help="nodes in each segment (default: 4)"
    )
    parser.add_argument(
        "--interval",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="between two broadcasts, at least 0.1 (default: 1)",
    )
    ending = parser.add_mutually_exclusive_group()
    ending.add_argument(
        "--once", action="store_true", help="send one broadcast, print tree and figures, and end"
    )
    ending.add_argument("--seconds", type=float, metavar="N", help="end after so many seconds")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--dashboard",
        type=int,
        metavar="PORT",
        help=f"of the dashboard (default: {USUAL_PORT}, or any if that is taken)",
    )
    shown.add_argument("--no-dashboard", action="store_true", help="only the terminal")
    parser.add_argument(
        "--no-namespaces", action="store_true", help="stay on 127.0.0.1, even where namespaces work"
    )
    ending.add_argument(
        "--clean",
        action="store_true",
        help="only remove the namespaces of demos that are gone, should one have left any",
    )
    options = parser.parse_args(arguments)
    if not 1 <= options.segments <= _MAX_SEGMENTS:
        parser.error(f"--segments must be 1 to {_MAX_SEGMENTS}")
    if not 2 <= options.segments * options.hosts <= _MAX_NODES:
        parser.error(f"--segments times --hosts must be 2 to {_MAX_NODES} nodes")
    if options.hosts < 1:
        parser.error("--hosts must be at least 1")
    if not 0.1 <= options.interval <= 3600:
        parser.error("--interval must be 0.1 to 3,600 seconds")
    if options.dashboard is not None and not 0 <= options.dashboard <= 65535:
        parser.error("--dashboard must be a port, 0 to 65,535")
    if options.seconds is not None and not options.seconds > 0:
        parser.error("--seconds must be above 0")
    return options


if __name__ == "__main__":
    sys.exit(main())
