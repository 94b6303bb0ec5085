"""`flask run`: one node, in the process that serves, for each time that it does."""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter
from collections.abc import Callable
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
    assert "Traceback" not in server.log
    assert "KeyboardInterrupt" not in server.log


RELOADER = pytest.mark.parametrize("options", [(), ("--debug",)], ids=["plain", "reloader"])


@RELOADER
def test_an_application_that_waits_while_it_is_made_is_no_member_yet(
    site: Site, options: tuple[str, ...]
) -> None:
    """Its handlers may come after `init_app`, and after a wait for a database."""
    outside = site.outside()
    app = f"""{PATCH}{SITE}
import time

from tests.integrations import site as shop

time.sleep(0.5)
print("running:", app.extensions["chatter"].running)


@shop.chatter.on("late")
def late(body, message):
    shop._record("7")
"""
    server = run(site, *options, app=app)
    server.until(lambda: lives(outside), "the node")
    outside.chatter.broadcast("late", None)
    server.until(lambda: list(site.numbers().values()) == [[7]], "the dispatch")
    assert "running: False" in server.log
    assert "running: True" not in server.log


@RELOADER
def test_requests_wait_until_everything_has_started(site: Site, options: tuple[str, ...]) -> None:
    """However long that takes, as a wait for peers."""
    app = f"""{PATCH}{SITE}
import time

from chatter.integrations import serving


class Slow:
    started = False

    def start(self):
        print("starting")
        time.sleep(1.0)
        self.started = True

    def stop(self):
        pass


slow = Slow()
serving.enlist(slow)


@app.get("/started")
def started():
    return str(slow.started)
"""
    server = run(site, *options, app=app)
    server.until(lambda: "starting" in server.log, "the start")
    assert server.ask("/started") == "True"


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
    assert "Traceback" not in server.log


def press_ctrl_c(server: Server) -> None:
    server.ctrl_c()


def terminate_the_parent(server: Server) -> None:
    """As `kill` and systemd do; the server itself gets no signal."""
    server.signal(signal.SIGTERM)


@pytest.mark.parametrize("end", [press_ctrl_c, terminate_the_parent])
def test_the_reloaders_parent_lets_the_server_leave(
    site: Site, end: Callable[[Server], None]
) -> None:
    """However long that takes: gevent's `subprocess.call` would kill it at once."""
    outside = site.outside()
    app = f"""{PATCH}{SITE}
import time

app.extensions["chatter"].at_stop(lambda: time.sleep(1.0))
"""
    server = run(site, "--debug", app=app)
    server.until(lambda: lives(outside), "the node")
    end(server)
    assert server.ended() == 0
    server.until(lambda: not lives(outside), "the end of the node")
    assert states(outside) == {"alive": 1, "left": 1}
    assert "Traceback" not in server.log


def test_the_reloaders_parent_passes_sigterm_on_after_a_reload_too(site: Site) -> None:
    outside = site.outside()
    server = run(site, "--debug")
    server.until(lambda: lives(outside), "the first node")
    (first,) = lives(outside)
    assert server.who()["epoch"] == first  # and the reloader looks by now
    touch(site.folder / "site_app.py")
    server.until(lambda: lives(outside) - {first}, "the next node")
    server.until(lambda: first not in lives(outside), "the end of the first")
    server.signal(signal.SIGTERM)
    assert server.ended() == 0
    server.until(lambda: not lives(outside), "the end of the next")
    assert states(outside) == {"alive": 2, "left": 2}


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
    sleep(0.1)  # for what waits for a turn: most commands never give one
    print("running:", app.extensions["chatter"].running, flush=True)


atexit.register(running)
"""
    server = site.flask(*command, app=app)
    assert server.ended() == 0, server.log
    assert "running: True" not in server.log
    assert "Error: chatter" not in server.log
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
