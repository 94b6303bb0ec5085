"""`scripts/measure_dashboard`: what the page costs a browser and its feed a network."""

import json
import subprocess
import sys
import time

from scripts.browser.client import Browser, why_no_browser
from scripts.browser.trace import Event, measures_ms, updates_of
from scripts.lab.ledger import percentile
from scripts.measuring.arguments import parser as make_parser

_HELP = """\
Shows the dashboard of a simulated cluster (the cores of real nodes on the fake network) in headless
Chromium, and reads the browser's own performance trace: how long the main thread takes for each
update that is drawn, with style, layout and paint. The simulated nodes take a core meanwhile, so
the time that the thread itself ran is told as well. The feed is what comes by the WebSocket."""

_WARM_UP_S = 10.0
_FRAME_MS = 16.0
_FEED_BYTES_PER_S = 50_000


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 if each update and the feed stay within their bounds, 1 if not, 2 where
    that cannot be measured."""
    parser = make_parser(
        "scripts/measure_dashboard",
        _HELP,
        "exit status: 1 if an update took the thread 16 ms or more, the feed 50 kB/s,"
        " or the console said something; 2 without a browser",
    )
    parser.add_argument("--nodes", type=int, default=300, metavar="N", help="default: 300")
    parser.add_argument("--segments", type=int, default=6, metavar="N", help="default: 6")
    parser.add_argument(
        "--rate", type=float, default=1.0, metavar="N", help="broadcasts a second (default: 1)"
    )
    parser.add_argument(
        "--seconds", type=float, default=20.0, metavar="N", help="to measure (default: 20)"
    )
    parser.add_argument("--picture", metavar="FILE", help="write what was seen into a PNG file")
    options = parser.parse_args(arguments)
    reason = why_no_browser()
    if reason is not None:
        print(f"measure_dashboard: {reason}", file=sys.stderr)
        return 2
    size = ["--nodes", str(options.nodes), "--segments", str(options.segments)]
    command = [sys.executable, "-P", "-m", "scripts.browser.simulated", *size]
    server = subprocess.Popen(
        [*command, "--rate", str(options.rate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        url = server.stdout.readline().decode().strip()
        with Browser() as browser:
            browser.open(url)
            browser.wait(
                "document.querySelectorAll('[data-testid=node][data-state=alive]').length"
                f" === {options.nodes}"
            )
            time.sleep(_WARM_UP_S)
            bytes_before, began_at = browser.feed_bytes, time.monotonic()
            trace = browser.trace(options.seconds)
            took_s = time.monotonic() - began_at
            feed = (browser.feed_bytes - bytes_before) / took_s
            if options.picture:
                browser.picture(options.picture)
            logged = browser.logged
    finally:
        server.stdin.close()
        server.wait(20)
    return _report(options.nodes, trace, feed, logged)


def _report(nodes: int, trace: list[Event], feed: float, logged: list[str]) -> int:
    updates = updates_of(trace)
    print(f"{nodes} simulated nodes, {len(updates)} updates")
    _tell("script alone, by the page's own marks", measures_ms(trace, "chatter-frame"))
    _tell(
        "whole task of the main thread: script, style, layout, paint", [u.wall_ms for u in updates]
    )
    _tell("of that the thread itself ran, the machine left aside", [u.cpu_ms for u in updates])
    print(f"  feed: {feed / 1000:.1f} kB/s")
    if logged:
        print("  console: " + json.dumps(logged[:5]))
    drawn_in_time = bool(updates) and max(u.cpu_ms for u in updates) < _FRAME_MS
    return 0 if drawn_in_time and feed < _FEED_BYTES_PER_S and not logged else 1


def _tell(what: str, values: list[float]) -> None:
    if not values:
        print(f"  {what}: none")
        return
    late = sum(one >= _FRAME_MS for one in values)
    print(
        f"  {what}: p50 {percentile(values, 50):.1f} ms, p99 {percentile(values, 99):.1f} ms,"
        f" max {max(values):.1f} ms; {_FRAME_MS:.0f} ms or more: {late}"
    )


if __name__ == "__main__":
    sys.exit(main())
