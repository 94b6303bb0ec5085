"""The example of feature flags, by its one command: set in one worker, they hold in all, and in one
that starts later."""

from __future__ import annotations

import json
import os
import signal
import urllib.request

from tests.integrations.servers import BIN, ROOT, Server, Site

RUN = ROOT / "examples" / "flask_flags" / "run"


def baskets(server: Server) -> dict[int, str]:
    """What some requests in a row are told, by the worker that answered."""
    told = [json.loads(server.ask("/")) for _ in range(20)]
    return {answer["worker"]: answer["basket"] for answer in told}


def put(site: Site, value: str) -> dict[str, int]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{site.port}/flags/new-basket", value.encode(), method="PUT"
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        told: dict[str, int] = json.load(answer)
    return told


def test_flags_hold_in_all_workers(site: Site) -> None:
    outside = site.outside()
    site.environment["PATH"] = f"{BIN}{os.pathsep}{site.environment['PATH']}"
    server = Server([str(RUN), "-b", f"127.0.0.1:{site.port}"], site)
    try:
        server.until(lambda: len(outside.chatter.peers()) == 4, "four workers")
        seen: dict[int, str] = {}

        def four_say(basket: str) -> bool:
            seen.update(baskets(server))
            return list(seen.values()) == [basket] * 4

        server.until(lambda: four_say("old"), "four workers with the old basket")
        assert put(site, "on") == {"workers": 5, "missing": 0}  # the node of this test as well
        server.until(lambda: four_say("new"), "four workers with the new basket")
        victim, *others = seen
        os.kill(victim, signal.SIGKILL)
        del seen[victim]
        server.until(lambda: four_say("new"), "a new worker that knows it")
        assert set(others) < set(seen)
        assert victim not in seen
        put(site, "off")
        server.until(lambda: four_say("old"), "four workers with the old basket again")
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
    finally:
        server.end()
