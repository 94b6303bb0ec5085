"""`flask run`: one node, in the process that serves, for each time that it does."""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter
from pathlib import Path

import pytest

from tests.integrations.servers import PATCH, SITE, Server, Site, free_port
from tests.net.nodes import Recorder


def lives(outside: Recorder) -> set[int]:
    """The lives of nodes that are there now, by their epochs."""
    return {peer.epoch for peer in outside.chatter.peers()}


def states(outside: Recorder) -> Counter[str]:
    return Counter(state for _, state in outside.events)


def run(site: Site, *options: str, app: str = PATCH + SITE) -> Server:
    return site.flask("run", "--port", str(site.port), *options, app=app)


def touch(path: Path) -> None:
    """As an editor that saves it: later than before, whatever the clock's resolution is."""
    at = path.stat().st_mtime + 1
    os.utime(path, (at, at))


def test_it_hears_before_its_first_request_and_leaves_on_ctrl_c(site: Site) -> None:
    outside = site.outside()
    server = run(site)
    server.until(lambda: lives(outside), "the node")
    outside.chatter.broadcast("count", 1)
    server.until(lambda: list(site.numbers().values()) == [[1]], "the dispatch")
    assert server.who()["pid"] == server.process.pid
    server.ctrl_c()
    server.ended()
    server.until(lambda: states(outside)["left"] == 1, "the farewell")


def test_it_leaves_on_sigterm(site: Site) -> None:
    outside = site.outside()
    server = run(site)
    server.until(lambda: lives(outside), "the node")
    server.signal(signal.SIGTERM)
    assert server.ended() == -signal.SIGTERM
    server.until(lambda: states(outside)["left"] == 1, "the farewell")


def test_ten_restarts_by_the_reloader(site: Site) -> None:
    """Each time one node, at the one port that the settings name, which its predecessor had."""
    outside = site.outside()
    site.environment["FLASK_CHATTER_ADDRESS"] = f"127.0.0.1:{free_port()}"
    server = run(site, "--debug")
    server.until(lambda: lives(outside), "the first node")
    seen: list[int] = []
    for number in range(1, 12):
        (life,) = lives(outside)
        seen.append(life)
        outside.chatter.broadcast("count", number)
        server.until(
            lambda number=number: any(number in told for told in site.numbers().values()),  # type: ignore[misc]
            "the dispatch",
        )
        who = server.who()
        assert who["epoch"] == life
        assert who["pid"] != server.process.pid  # that is the reloader's parent
        if number <= 10:
            touch(site.folder / "site_app.py")
            server.until(lambda life=life: lives(outside) - {life}, "the next node")  # type: ignore[misc]
            server.until(lambda life=life: life not in lives(outside), "the end of the last")  # type: ignore[misc]
    assert len(set(seen)) == 11
    assert sorted(site.numbers().values()) == [[number] for number in range(1, 12)]
    server.ctrl_c()
    assert server.ended() == 0
    server.until(lambda: states(outside)["left"] == 11, "the last farewell")
    assert "failed" not in states(outside)
    assert "is taken" not in server.log


@pytest.mark.parametrize(
    "command",
    [["routes"], ["shell"], ["count"], ["run", "--help"]],
    ids=lambda command: " ".join(command),
)
def test_other_commands_start_nothing(site: Site, command: list[str]) -> None:
    """Nor do they need what a node needs."""
    del site.environment["CHATTER_KEY"]
    app = f"""{PATCH}{SITE}
import atexit

from gevent import sleep


@app.cli.command("count")
def count():
    sleep(0.1)


def running():
    print("running:", app.extensions["chatter"].running, flush=True)


atexit.register(running)
"""
    server = site.flask(*command, app=app)
    assert server.ended() == 0, server.log
    assert "running: True" not in server.log
    assert ("running: False" in server.log) == (command != ["run", "--help"])


def test_a_command_may_start_it_by_hand(site: Site) -> None:
    outside = site.outside()
    app = f"""{PATCH}{SITE}
from tests.integrations.site import chatter


@app.cli.command("tell")
def tell():
    with chatter.start():
        chatter.wait_for_peers(1, timeout=30)
        chatter.broadcast("count", 7)
"""
    server = site.flask("tell", app=app)
    assert server.ended() == 0, server.log
    server.until(lambda: outside.bodies == [7], "the broadcast")
    server.until(lambda: states(outside)["left"] == 1, "the farewell")


# What cannot work


def refusal(server: Server) -> str:
    """The one sentence that it ends with, and nothing stays."""
    assert server.ended() == 1
    (line,) = [line for line in server.log.splitlines() if line.startswith("Error: ")]
    assert "Traceback" not in server.log
    return line


RELOADER = pytest.mark.parametrize("options", [(), ("--debug",)], ids=["plain", "reloader"])


@RELOADER
def test_a_missing_key_is_named(site: Site, options: tuple[str, ...]) -> None:
    del site.environment["CHATTER_KEY"]
    said = refusal(run(site, *options))
    assert said.startswith("Error: chatter: no key: ")
    assert "chatter keygen" in said


@RELOADER
def test_a_port_that_is_taken_is_named(site: Site, options: tuple[str, ...]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        site.environment["FLASK_CHATTER_ADDRESS"] = f"127.0.0.1:{port}"
        said = refusal(run(site, *options))
    assert f"port {port} of 127.0.0.1 is taken by another process" in said


@RELOADER
def test_an_unpatched_process_is_named(site: Site, options: tuple[str, ...]) -> None:
    said = refusal(run(site, *options, app=SITE))
    assert "this process is not monkey-patched: put `from gevent import monkey" in said


@RELOADER
def test_a_patch_that_came_too_late_is_named(site: Site, options: tuple[str, ...]) -> None:
    site.write("waits.py", "from time import sleep\n")
    said = refusal(run(site, *options, app=f"import waits\n{PATCH}{SITE}"))
    assert "patched too late: waits.sleep was imported before" in said
    assert "first in the module that `flask run` loads" in said
