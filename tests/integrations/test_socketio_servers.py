"""Flask-SocketIO under four gunicorn workers, and real clients: who is told what, and how often."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flask_socketio", reason="needs Flask-SocketIO")
pytest.importorskip("gunicorn", reason="needs the extra gunicorn")

from chatter import Chatter
from scripts.fanout.servers import running_server
from scripts.socketio_lab.clients import Client, Fences, connect, spread
from scripts.socketio_lab.scenarios import SCENARIOS, perform
from scripts.socketio_lab.workers import PLAIN, ROOT, WEBSOCKET, running_workers, wait_for

ALL = ("ada", "alan", "barbara", "claude", "donald")
NEWS = ["from barbara", 2, None, True, 1.5, {"nested": ["ä", "\u2028"]}]
NESTED = [{"a": [b"one", {"b": b""}], "text": "two"}, b"three", 4]
DEN = [["/", "den", f"from {name}"] for name in ("ada", "barbara", "donald")]


def each(names: tuple[str, ...], *events: list[Any]) -> dict[str, list[list[Any]]]:
    """The same for all of them."""
    return {name: list(events) for name in names}


EXPECTED = {
    "to_everybody": each(ALL, ["/", "news", "from ada"], ["/", "news", *NEWS], ["/", "nothing"]),
    "in_order": {"claude": [["/", "step", number] for number in range(20)]},
    "to_a_room": {
        **each(("ada", "barbara", "claude"), *DEN, ["/", "both"]),
        "donald": [["/", "both"]],
    },
    "skipping": {
        "ada": [["/", "skips one"], ["/", "skips two"], ["/", "skips in a room"]],
        "alan": [["/", "skips one"]],
        "barbara": [["/", "skips two"], ["/", "skips in a room"]],
        "claude": [["/", "skips one"]],
        "donald": [["/", "skips one"], ["/", "skips two"]],
    },
    "namespaces": {
        **each(("ada", "barbara", "donald"), ["/other", "elsewhere", 1]),
        **each(
            ("alan", "claude"),
            ["/other", "elsewhere", 1],
            ["/other", "elsewhere in the den", 2],
        ),
    },
    "binary": {
        **each(("alan", "donald"), ["/", "nested", *NESTED]),
        "barbara": [["/", "large", b"\x5a" * 200_000]],
        "claude": [["/", "bytes", b"\x00\xff"]],
    },
    "callbacks": {
        **each(("alan", "barbara", "donald"), ["/", "question", "how", {"are": "you"}]),
        "ada": [
            ["/", f"answered by {name}", f"{name} says", "how", {"are": "you"}]
            for name in ("alan", "barbara", "donald")
        ],
    },
    "rooms_of_others": {
        "alan": [["/", "to the loft", 1], ["/", "to the loft", 2]],
        "donald": [["/", "to the loft", 1]],
    },
    "closing_a_room": each(("ada", "barbara", "claude"), ["/", "still open"]),
    "from_outside": {
        "ada": [
            ["/", "written", "to all"],
            ["/", "written", "two", "arguments"],
            ["/", "written", "to its room"],
        ],
        **each(("alan", "barbara"), ["/", "written", "to all"], ["/other", "written", "elsewhere"]),
        "claude": [
            ["/", "written", "to all"],
            ["/", "written", {"data": b"\x01\x02"}],
            ["/other", "written", "elsewhere"],
        ],
        "donald": [
            ["/", "written", "to all"],
            ["/other", "written", "elsewhere"],
            ["/", "written", "to its room"],
            ["/", "written", "to its smaller room"],
        ],
    },
    "disconnecting": {
        **each(("ada", "alan", "claude"), ["/other", "who is in other"], ["/", "who is left"]),
        "barbara": [["/", "who is left"]],
        "donald": [["/other", "who is in other"]],
    },
}


def test_what_is_expected_names_each_scenario() -> None:
    assert list(EXPECTED) == [scenario.__name__ for scenario in SCENARIOS]


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
@pytest.mark.parametrize("worker_class", [PLAIN, WEBSOCKET], ids=["gevent", "geventwebsocket"])
def test_all_that_workers_tell_each_other(tmp_path: Path, worker_class: str, preload: bool) -> None:
    """With --preload the manager is made in the master: each worker has to be its own all the
    same."""
    if worker_class == WEBSOCKET:
        pytest.importorskip("geventwebsocket", reason="needs the extra dashboard")
    with running_workers(tmp_path, worker_class=worker_class, preload=preload) as workers:
        transcript = perform(workers)
        for name, told in EXPECTED.items():
            assert transcript[name] == told, f"{name}\n{workers.said}"
        assert "Traceback" not in workers.said


@pytest.mark.bench
def test_redis_carries_the_same(tmp_path: Path) -> None:
    with (
        running_server("redis-server", "127.0.0.1", [], tmp_path) as redis,
        running_workers(tmp_path, f"redis://{redis.address}/0") as workers,
    ):
        assert perform(workers) == EXPECTED


def test_a_view_of_a_worker_without_clients_emits_and_asks(tmp_path: Path) -> None:
    """No Socket.IO request ever reached that worker, so python-socketio initialized no manager."""
    with running_workers(tmp_path) as workers:
        client = Client(workers)
        client.answer = "fine"
        emitting: set[int] = set()
        told = 0
        asked = 0

        def emit() -> bool:
            nonlocal told
            told += 1
            emitting.add(workers.post("/emit", {"event": "hi", "data": 1, "to": client.sid}))
            return emitting >= workers.pids()

        def ask() -> bool:
            nonlocal asked
            asked += 1
            pid, answer = workers.post("/ask", {"to": client.sid, "data": {"n": 1}})
            assert answer == ["fine", {"n": 1}]
            return bool(pid != client.pid)

        wait_for(emit, "a view of each worker")
        wait_for(ask, "a view of a worker without clients")
        wait_for(lambda: len(client.events) == told + asked, "what was emitted")
        client.close()


def test_a_worker_that_is_killed_costs_the_clients_of_others_nothing(tmp_path: Path) -> None:
    """Numbered emits from two workers go on while a third is killed and comes back."""
    with running_workers(tmp_path) as workers, spread(workers, 12, on_each=2) as clients:
        pids = sorted({client.pid for client in clients})
        victim, *emitters = pids[:3]
        others = [client for client in clients if client.pid != victim]
        speakers = [next(one for one in clients if one.pid == pid) for pid in emitters]

        def emit(first: int, last: int) -> None:
            for number in range(first, last):
                for speaker in speakers:
                    speaker.call("emit", {"event": "n", "args": [speaker.pid, number]})

        emit(0, 40)
        os.kill(victim, signal.SIGKILL)
        emit(40, 80)
        wait_for(lambda: len(workers.ready_pids()) == 4, "the worker that takes its place")
        (newcomer,) = workers.ready_pids() - set(pids)
        late = _connect_to(workers, newcomer)
        emit(80, 120)
        fences = Fences()
        for speaker in speakers:
            number = fences.next()
            speaker.call("emit", {"event": "fence", "args": [number]})
            fences.wait(number, [*others, late])
        for client, first in [*((client, 0) for client in others), (late, 80)]:
            for pid in emitters:
                heard = [number for _, _, by, number in client.events if by == pid]
                assert heard == list(range(first, 120))
        late.close()


def _connect_to(workers: Any, pid: int) -> Client:
    found: list[Client] = []

    def connected() -> bool:
        for client in connect(workers, 4):
            if client.pid == pid and not found:
                found.append(client)
            else:
                client.close()
        return bool(found)

    wait_for(connected, f"a client of worker {pid}")
    return found[0]


SCRIPT = """
from gevent import monkey

monkey.patch_all()
import os
import sys
from chatter.integrations.socketio import ChatterManager

manager = ChatterManager(
    write_only=True,
    address="127.0.0.1:0",
    key=os.environ["LAB_KEY"],
    multicast=[os.environ["LAB_GROUP"]],
    interface="127.0.0.1",
)
manager.emit("report", {"done": True}, room=sys.argv[1])
"""


def test_a_script_that_emits_once_and_ends(tmp_path: Path) -> None:
    """Its first emit waits for peers and its end for what is queued: all is there."""
    with running_workers(tmp_path) as workers, spread(workers, 8, on_each=1) as clients:
        for client in clients:
            done = subprocess.run(
                [sys.executable, "-c", SCRIPT, client.sid],
                env={**os.environ, **workers.settings, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert (done.returncode, done.stderr) == (0, "")
        for client in clients:
            wait_for(lambda client=client: client.events, "the report")  # type: ignore[misc]
        assert [client.events for client in clients] == [[["/", "report", {"done": True}]]] * 8


def test_acknowledgements_with_bytes_come_back(tmp_path: Path) -> None:
    """Which the Redis manager cannot carry."""
    with running_workers(tmp_path) as workers, spread(workers, 8, on_each=1) as clients:
        asker = clients[0]
        for client in clients[1:]:
            client.answer = {"picture": b"\x89PNG", "of": [b"", client.sid]}
            asker.call("ask", client.sid, "?")
            wait_for(lambda: any(one[1] == "answered" for one in asker.events), "the answer")
            assert ["/", "answered", client.answer, "?"] in asker.events
            asker.events.clear()


@pytest.mark.parametrize("worker_class", [PLAIN, WEBSOCKET])
def test_workers_that_are_stopped_send_their_clients_away_and_leave(
    tmp_path: Path, worker_class: str
) -> None:
    """Without the farewell gunicorn would wait for the clients, and then kill."""
    with running_workers(tmp_path, count=2, worker_class=worker_class) as workers:
        outside = Chatter(
            address="127.0.0.1:0",
            interface="127.0.0.1",
            multicast=[workers.settings["LAB_GROUP"]],
            key=workers.settings["LAB_KEY"],
        )
        told: list[str] = []
        outside.on_peer(lambda event: told.append(event.state))
        with outside:
            wait_for(lambda: len(outside.peers()) == 2, "both workers", 60)
            clients = connect(workers, 4)
            workers.process.send_signal(signal.SIGTERM)
            wait_for(lambda: told[2:] == ["left", "left"], f"two that leave: {told}", 60)
            assert workers.process.wait(timeout=60) == 0
            wait_for(lambda: all("/" in client.ended for client in clients), "the goodbyes", 60)
