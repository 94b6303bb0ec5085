"""gunicorn's workers are members of the cluster: from before their first request until they end."""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter

import gevent
import pytest
from gevent import Greenlet

from chatter.integrations import gunicorn, serving
from tests.integrations.servers import (
    HOOKS,
    PATCH,
    SITE,
    WEBSOCKET_WORKER,
    Server,
    Site,
    free_port,
)
from tests.net.nodes import Recorder

SOCKETIO_SITE = """
from flask_socketio import SocketIO

from tests.integrations.site import create_app

app = create_app()
SocketIO(app, async_mode="gevent")
"""


def alive(outside: Recorder) -> set[str]:
    return {str(peer.address) for peer in outside.chatter.peers()}


def all_alive(server: Server, outside: Recorder, count: int) -> None:
    server.until(lambda: len(alive(outside)) == count, f"{count} workers")


def states(outside: Recorder) -> Counter[str]:
    """How often the outside node was told of each state."""
    return Counter(state for _, state in outside.events)


@pytest.mark.parametrize("worker_class", ["gevent", WEBSOCKET_WORKER])
@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["each loads", "preload"])
@pytest.mark.parametrize("early", [True, False], ids=["patched first", "patched by gunicorn"])
def test_workers_come_hear_tell_and_leave(
    site: Site, worker_class: str, preload: tuple[str, ...], early: bool
) -> None:
    outside = site.outside()
    conf = PATCH + HOOKS if early else HOOKS
    server = site.gunicorn("-k", worker_class, "-w", "3", *preload, conf=conf)
    # Nobody was asked anything yet. The master is no member.
    all_alive(server, outside, 3)
    outside.chatter.broadcast("count", 1)
    server.until(lambda: sorted(site.numbers().values()) == [[1], [1], [1]], "three dispatches")
    assert server.ask("/count/2", method="POST") == "told\n"
    server.until(lambda: sum(2 in told for told in site.numbers().values()) == 2, "the other two")
    server.until(lambda: outside.bodies == [2], "the outside node")
    server.signal(signal.SIGTERM)
    assert server.ended() == 0
    server.until(lambda: states(outside)["left"] == 3, "three farewells")
    assert states(outside)["failed"] == 0


def test_ctrl_c_reaches_workers_twice_and_they_leave_all_the_same(site: Site) -> None:
    outside = site.outside()
    server = site.gunicorn("-k", "gevent", "-w", "3")
    all_alive(server, outside, 3)
    server.ctrl_c()
    assert server.ended() == 0
    server.until(lambda: states(outside)["left"] == 3, "three farewells")


def test_a_killed_worker_comes_back_as_a_new_life_and_the_others_miss_nothing(site: Site) -> None:
    outside = site.outside()
    server = site.gunicorn("-k", "gevent", "-w", "3")
    all_alive(server, outside, 3)
    victim = server.who()
    before = alive(outside)
    os.kill(victim["pid"], signal.SIGKILL)
    server.until(lambda: alive(outside) - before, "a new worker")
    for number in range(1, 51):
        outside.chatter.broadcast("count", number)
    server.until(
        lambda: [told == list(range(1, 51)) for told in site.numbers().values()] == [True] * 3,
        "everything in three workers",
    )
    assert victim["pid"] not in site.numbers()


def test_hang_up_under_a_hundred_broadcasts_a_second(site: Site) -> None:
    """Others lose nothing; who goes dispatches everything until then, who comes from then on."""
    source, witness = site.outside(), site.outside()
    server = site.gunicorn("-k", "gevent", "-w", "4")
    all_alive(server, source, 5)
    old = alive(source) - {str(witness.chatter.local_netid)}
    sent = 0
    first_known: dict[str, int] = {}
    last_known: dict[str, int] = {}

    @source.chatter.on_peer
    def note(event: object) -> None:
        address, state = str(event.address), event.state  # type: ignore[attr-defined]
        if state == "alive":
            first_known.setdefault(address, sent)
        elif state == "left":
            last_known[address] = sent

    def talk() -> None:
        nonlocal sent
        while True:
            source.chatter.broadcast("count", sent + 1)
            sent += 1
            gevent.sleep(0.01)

    talking = Greenlet.spawn(talk)
    try:
        server.until(lambda: sent >= 100, "some broadcasts")
        pids = set(site.numbers())
        at_signal = sent
        server.signal(signal.SIGHUP)
        server.until(lambda: len(last_known) == 4, "four farewells")
        all_alive(server, source, 5)
        after = sent
        server.until(lambda: sent >= after + 100, "more broadcasts")
    finally:
        talking.kill()
    total = sent
    server.until(lambda: len(witness.bodies) == total, "the witness")
    assert witness.bodies == list(range(1, total + 1))
    assert set(last_known) == old
    assert set(states(source)) == {"alive", "left"}

    def workers(old_ones: bool) -> list[list[int]]:
        return [told for pid, told in site.numbers().items() if (pid in pids) == old_ones]

    # Each in one piece: without a hole, nothing twice.
    server.until(lambda: [told[-1] for told in workers(False)] == [total] * 4, "the new workers")
    for told in workers(True) + workers(False):
        assert told == list(range(told[0], told[-1] + 1))
    # Their files are in no order of the addresses; the earliest is compared with the earliest.
    ends = sorted(told[-1] for told in workers(True))
    assert len(ends) == 4
    assert all(end > at_signal for end in ends)
    begun = sorted(told[0] for told in workers(False))
    known = sorted(first_known[address] for address in first_known)
    assert all(first <= since + 1 for first, since in zip(begun, known, strict=True))
    print(
        f"{total} broadcasts; HUP after {at_signal}; old workers dispatched up to {ends}, known to"
        f" have left at {sorted(last_known.values())}; new ones from {begun}, known at {known}"
    )
    server.signal(signal.SIGTERM)
    assert server.ended() == 0


def one_that_hangs(site: Site) -> socket.socket:
    """A connection whose request never ends; its server has accepted it."""
    hanging = socket.create_connection(("127.0.0.1", site.port))
    hanging.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
    assert hanging.recv(1000).startswith(b"HTTP/1.1 200")
    return hanging


HANGING_SITE = f"""{SITE}
import time


@app.get("/hang")
def hang():
    def body():
        while True:
            yield "."
            time.sleep(0.1)

    return body()
"""


def test_a_worker_with_a_request_that_never_ends_says_goodbye_before_it_is_killed(
    site: Site,
) -> None:
    outside = site.outside()
    server = site.gunicorn("-k", "gevent", "--graceful-timeout", "6", app=HANGING_SITE)
    all_alive(server, outside, 1)
    with one_that_hangs(site):
        server.signal(signal.SIGTERM)
        server.until(lambda: not alive(outside), "the end of the node")
        server.ended()
    assert states(outside) == {"alive": 1, "left": 1}


def test_hang_up_of_one_worker_with_a_port_of_its_own(site: Site) -> None:
    """The next one waits for the port, as long as a request holds up the one before."""
    outside = site.outside()
    site.environment["FLASK_CHATTER_ADDRESS"] = f"127.0.0.1:{free_port()}"
    server = site.gunicorn("-k", "gevent", app=HANGING_SITE)
    all_alive(server, outside, 1)
    before = server.who()
    with one_that_hangs(site):
        server.signal(signal.SIGHUP)
        server.until(lambda: "waiting for the port" in server.log, "the next worker")
    server.until(lambda: server.who()["pid"] != before["pid"], "an answer of the next worker")
    assert server.who()["address"] == before["address"]
    server.until(lambda: states(outside) == {"alive": 2, "left": 1}, "the next node")
    assert "[CRITICAL]" not in server.log
    server.signal(signal.SIGTERM)
    assert server.ended() == 0


# What cannot work


def refusal(server: Server) -> str:
    """The one sentence that a start ends with. In each worker that gets so far, the same."""
    assert server.ended() != 0
    said = {
        line.partition("[CRITICAL] ")[2] for line in server.log.splitlines() if "[CRITICAL]" in line
    }
    assert len(said) == 1, server.log
    return said.pop()


@pytest.mark.parametrize("worker_class", ["sync", "gthread"])
def test_a_worker_class_without_gevent_is_named_once(site: Site, worker_class: str) -> None:
    server = site.gunicorn("-k", worker_class, "-w", "3")
    assert refusal(server) == (
        f"chatter: gunicorn's worker class {worker_class} does not wait by gevent, as nodes do:"
        " start gunicorn with `-k gevent`"
    )
    assert server.log.count("[CRITICAL]") == 1


def test_a_worker_class_without_gevent_is_named_without_the_masters_hook(site: Site) -> None:
    conf = "from chatter.integrations.gunicorn import post_worker_init, worker_exit\n"
    server = site.gunicorn("-k", "sync", conf=conf)
    assert "start gunicorn with `-k gevent`" in refusal(server)


def test_a_missing_key_is_named(site: Site) -> None:
    del site.environment["CHATTER_KEY"]
    assert "no key" in refusal(site.gunicorn("-k", "gevent"))


def test_a_port_that_is_taken_is_named(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        site.environment["FLASK_CHATTER_ADDRESS"] = f"127.0.0.1:{port}"
        said = refusal(site.gunicorn("-k", "gevent"))
    assert f"port {port} of 127.0.0.1 is taken" in said
    assert "port 0" in said


def test_a_patch_that_came_too_late_is_named(site: Site) -> None:
    app = "from time import sleep\n\n" + SITE
    server = site.gunicorn("-k", "gevent", "--preload", app=app)
    said = refusal(server)
    assert "patched too late: site_app.sleep was imported before" in said
    assert "first in gunicorn.conf.py" in said


def test_the_same_module_is_fine_where_the_patch_comes_first(site: Site) -> None:
    outside = site.outside()
    app = "from time import sleep\n\n" + SITE
    server = site.gunicorn("-k", "gevent", "--preload", conf=PATCH + HOOKS, app=app)
    all_alive(server, outside, 1)


def test_a_group_that_cannot_be_used_is_a_warning_and_the_worker_serves(site: Site) -> None:
    group, _, port = site.group.partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind((group, int(port)))  # for itself alone
        server = site.gunicorn("-k", "gevent")
        server.until(
            lambda: f"multicast group {group} port {port} cannot" in server.log, "a warning"
        )
        assert "stop it (`ss -lnup` names it) or choose another port" in server.log
        assert server.who()["address"].startswith("127.0.0.1:")


def test_socketio_without_its_upgrades_is_named(site: Site) -> None:
    server = site.gunicorn("-k", "gevent", app=SOCKETIO_SITE)
    said = refusal(server)
    assert "gevent-websocket is installed" in said
    assert WEBSOCKET_WORKER in said


@pytest.mark.parametrize("installed", [True, False], ids=["its worker", "without gevent-websocket"])
def test_socketio_with_its_upgrades_serves(site: Site, installed: bool) -> None:
    outside = site.outside()
    if not installed:
        site.write("sitecustomize.py", "import sys\n\nsys.modules['geventwebsocket'] = None\n")
    worker_class = WEBSOCKET_WORKER if installed else "gevent"
    server = site.gunicorn("-k", worker_class, app=SOCKETIO_SITE)
    all_alive(server, outside, 1)


def test_a_node_started_before_the_fork_says_so_in_the_worker(site: Site) -> None:
    """Without the hooks, by a program that starts it at import, in the master."""
    app = PATCH + SITE + "from tests.integrations.site import chatter\nchatter.start(app)\n"
    app += "app.config['PROPAGATE_EXCEPTIONS'] = True\n"
    server = site.gunicorn("-k", "gevent", "--preload", conf=PATCH, app=app)
    server.until(lambda: "Booting worker" in server.log, "the worker")
    with pytest.raises(OSError, match="500"):
        server.ask("/count/1", method="POST")
    server.until(lambda: "does not run in this process" in server.log, "the sentence")
    assert "import the hooks of chatter.integrations.gunicorn" in server.log


def test_hooks_of_a_program_call_these(site: Site) -> None:
    outside = site.outside()
    conf = """
from chatter.integrations import gunicorn as nodes

on_starting = nodes.on_starting


def post_worker_init(worker):
    print("the program's own start")
    nodes.post_worker_init(worker)


def worker_exit(server, worker):
    nodes.worker_exit(server, worker)
    print("the program's own end")
"""
    server = site.gunicorn("-k", "gevent", conf=conf)
    all_alive(server, outside, 1)
    server.signal(signal.SIGTERM)
    assert server.ended() == 0
    assert "own start" in server.log
    assert "own end" in server.log
    server.until(lambda: states(outside)["left"] == 1, "the farewell")


def test_an_exit_in_the_middle_of_leaving_does_not_cut_it_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[str] = []
    begun = gevent.event.Event()

    def end() -> None:
        begun.set()
        gevent.sleep(0.05)
        left.append("left")

    monkeypatch.setattr(serving, "end", end)
    monkeypatch.setattr(gunicorn, "_leaving", None)
    leaving = gevent.spawn(gunicorn.worker_exit, None, None)
    begun.wait()
    leaving.kill(SystemExit(0), block=False)
    leaving.join()
    assert left == ["left"]


def test_a_worker_leaves_after_its_master_called_the_hook_before_the_fork(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As gunicorn's master does for a worker that it finds gone."""
    left: list[int] = []
    monkeypatch.setattr(serving, "end", lambda: left.append(os.getpid()))
    monkeypatch.setattr(gunicorn, "_leaving", None)
    gunicorn.worker_exit(None, None)
    gunicorn.worker_exit(None, None)
    assert left == [os.getpid()]
    child = os.fork()
    if child == 0:
        gunicorn.worker_exit(None, None)
        os._exit(0 if left[1:] == [os.getpid()] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
