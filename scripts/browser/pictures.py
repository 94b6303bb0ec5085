"""`scripts/picture_dashboard`: the pictures of the dashboard in docs/, of a live cluster."""

import argparse
import contextlib
import sys
import time
from pathlib import Path

from scripts.browser.client import Browser, why_no_browser
from scripts.lab.cluster import Cluster
from scripts.lab.demo import next_origin
from scripts.lab.errors import LabError
from scripts.lab.namespaces import NamespaceLab, why_not
from scripts.lab.page import open_page, url_of

_HELP = """\
Starts twelve nodes in three segments (in network namespaces as root, else on loopback), broadcasts
for a while, and takes pictures of the dashboard in headless Chromium: light, dark, on a phone."""

_SEGMENTS, _HOSTS = 3, 4
_TAGS = ("cache", "config", "hello")


def main(arguments: list[str] | None = None) -> int:
    """0, or 2 where there is no browser."""
    parser = argparse.ArgumentParser(
        prog="scripts/picture_dashboard",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", nargs="?", default="docs", help="where to (default: docs)")
    parser.add_argument(
        "--seconds", type=int, default=45, metavar="N", help="of broadcasts before (default: 45)"
    )
    options = parser.parse_args(arguments)
    reason = why_no_browser()
    if reason is not None:
        print(f"picture_dashboard: {reason}", file=sys.stderr)
        return 2
    folder = Path(options.folder)
    with contextlib.ExitStack() as stack:
        lab = None
        if why_not() is None:
            lab = stack.enter_context(NamespaceLab(_SEGMENTS, _HOSTS))
        page = stack.enter_context(open_page(0))
        cluster = stack.enter_context(Cluster(_SEGMENTS, _HOSTS, lab, dashboard=page))
        cluster.wait_for_membership()
        cluster.wait_for_segments(30.0)
        browser = stack.enter_context(Browser())
        browser.open(url_of(page))
        _broadcast(cluster, options.seconds)
        # The replay of the last one, in slow motion, is over by then.
        time.sleep(5)
        browser.picture(str(folder / "dashboard-light.png"), whole=True)
        browser.dark(True)
        time.sleep(1)
        browser.picture(str(folder / "dashboard-dark.png"))
        browser.dark(False)
        browser.resize(390, 844)
        time.sleep(1)
        browser.picture(str(folder / "dashboard-phone.png"))
    return 0


def _broadcast(cluster: Cluster, seconds: int) -> None:
    for number in range(2 * seconds):
        node = cluster.nodes[next_origin(cluster.places, number)]
        request = {"tag": _TAGS[number % 3], "body": {"n": number}, "confirm": number % 4 == 0}
        with contextlib.suppress(LabError):
            node.request({"broadcast": request}, "sent")
        for one in cluster.nodes.values():
            one.take()
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
