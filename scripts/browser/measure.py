"""`scripts/measure_dashboard`: what the page costs a browser and its feed a network."""

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from scripts.browser.client import Browser, why_no_browser
from scripts.lab.ledger import percentile

_HELP = """\
Shows the dashboard of a simulated cluster (the cores of real nodes on the fake network) in headless
Chromium, and reads the browser's own performance trace: how long the main thread works on each
update that comes, with style, layout and paint, and how long each of its tasks is. The feed is what
comes by the WebSocket."""

_WARM_UP_S = 10.0
_FRAME_MS = 16.0


def main(arguments: list[str] | None = None) -> int:
    """0 if every update stays below a frame, 1 if not, 2 where it cannot be measured."""
    parser = argparse.ArgumentParser(
        prog="scripts/measure_dashboard",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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


def _report(nodes: int, trace: list[dict[str, Any]], feed: float, logged: list[str]) -> int:
    frames = _measures_ms(trace, "chatter-frame")
    updates = _updates_ms(trace)
    print(f"{nodes} simulated nodes, {len(frames)} updates drawn")
    worst = 0.0
    for name, values in (
        ("update applied and drawn (the page's own measure)", frames),
        ("the same with style, layout and paint (trace)", updates),
    ):
        if not values:
            print(f"  {name}: none")
            continue
        values.sort()
        worst = max(worst, values[-1])
        print(
            f"  {name}: p50 {percentile(values, 50):.1f} ms,"
            f" p99 {percentile(values, 99):.1f} ms, max {values[-1]:.1f} ms,"
            f" above {_FRAME_MS:.0f} ms: {sum(one > _FRAME_MS for one in values)} of {len(values)}"
        )
    print(f"  feed: {feed / 1000:.1f} kB/s")
    if logged:
        print("  console: " + json.dumps(logged[:5]))
    return 0 if updates and worst < _FRAME_MS and feed < 50_000 and not logged else 1


def _measures_ms(trace: list[dict[str, Any]], name: str) -> list[float]:
    """The user timings of this name."""
    begun: dict[str, float] = {}
    found = []
    for event in sorted(trace, key=lambda one: float(one["ts"])):
        if event["name"] != name or "blink.user_timing" not in event["cat"]:
            continue
        key = str(event.get("id2", event.get("id", "")))
        if event["ph"] == "b":
            begun[key] = event["ts"]
        elif event["ph"] == "e" and key in begun:
            found.append((event["ts"] - begun.pop(key)) / 1000)
    return found


def _updates_ms(trace: list[dict[str, Any]]) -> list[float]:
    """For each update: the tasks of the main thread that decode, apply, lay out and paint it.

    A task is one turn of the thread; the one that takes the message and the one that draws the
    frame belong together, as do the steps of drawing within it.
    """
    main_threads = {
        (one["pid"], one["tid"])
        for one in trace
        if one["name"] == "thread_name" and one["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        one
        for one in trace
        if one["name"] in ("RunTask", "ThreadControllerImpl::RunTask")
        and one["ph"] == "X"
        and (not main_threads or (one["pid"], one["tid"]) in main_threads)
    ]
    # Tasks in which the page's own mark was set: they draw.
    marks = [
        (one["pid"], one["tid"], one["ts"])
        for one in trace
        if one["name"] == "chatter-frame-start" and "blink.user_timing" in one["cat"]
    ]
    found = []
    for pid, tid, at in marks:
        around = [
            one["dur"] / 1000
            for one in tasks
            if (one["pid"], one["tid"]) == (pid, tid) and one["ts"] <= at <= one["ts"] + one["dur"]
        ]
        if around:
            found.append(max(around))
    return found


if __name__ == "__main__":
    sys.exit(main())
