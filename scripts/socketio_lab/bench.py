"""ChatterManager beside the Redis manager: the same application, clients and emits, in turns."""

# ruff: noqa: E402  (the patch comes before whatever might keep an unpatched socket)
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse
import contextlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from scripts.fanout.servers import find_program, running_server
from scripts.lab.errors import Interrupted, LabError
from scripts.lab.signals import raise_on_signals
from scripts.measuring.errors import MeasureError
from scripts.measuring.page import insert
from scripts.measuring.rows import read
from scripts.socketio_lab.clients import Client, spread
from scripts.socketio_lab.figures import MARKER, Case, Row, Run, row_of, to_json, to_markdown
from scripts.socketio_lab.workers import FAST, Workers, cpu_s_of, running_workers, wait_for

MANAGERS = ("redis", "chatter", FAST)

CASES = (
    Case(on_each=1, emits=1200, rate=200, size=64),
    Case(on_each=1, emits=600, rate=100, size=4096),
    Case(on_each=5, emits=500, rate=100, size=64),
    # So few that the beacons and the notices after each last broadcast are a part of it.
    Case(on_each=1, emits=120, rate=20, size=64),
)

# Connections, imports and caches of both; not counted.
_WARM_UP = 50
_ROOM = "bench"


def main() -> int:
    """Measure, print, and write what is asked for."""
    parser = argparse.ArgumentParser(prog="bench_socketio", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each manager, in turns (5)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--page", type=Path, help="write the table between the page's markers")
    arguments = parser.parse_args()
    raise_on_signals()
    try:
        if arguments.runs < 1:
            raise MeasureError("--runs: at least 1")
        page = read(arguments.page) if arguments.page else ""
        if page:
            insert(page, "", MARKER)  # rather now than after minutes
        rows = measure(arguments.runs)
        print(to_markdown(rows), end="")
        if arguments.json:
            arguments.json.write_text(to_json(rows), encoding="utf-8")
        if page:
            table = f"{to_markdown(rows)}\n{_conditions(arguments.runs)}\n"
            arguments.page.write_text(insert(page, table, MARKER), encoding="utf-8")
    except (MeasureError, LabError) as error:
        print(f"bench_socketio: {error}", file=sys.stderr)
        return 1
    except Interrupted as interrupted:
        return 128 + interrupted.signal_number
    return 0


def measure(count: int, cases: tuple[Case, ...] = CASES) -> list[Row]:
    """All cases of all managers so often, in turns: a machine that gets slower is so for both."""
    runs: list[Run] = []
    for turn in range(count):
        for manager in MANAGERS:
            print(f"run {turn + 1} of {count}: {manager}", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory() as name, _serving(manager, Path(name)) as served:
                workers, broker_pid = served
                runs += [_run(workers, broker_pid, manager, case) for case in cases]
    return [
        row_of([run for run in runs if run.case == case and run.manager == manager])
        for case in cases
        for manager in MANAGERS
    ]


@contextlib.contextmanager
def _serving(manager: str, directory: Path) -> Iterator[tuple[Workers, int | None]]:
    with contextlib.ExitStack() as stack:
        if manager == "redis":
            server = stack.enter_context(running_server("redis-server", "127.0.0.1", [], directory))
            url = f"redis://{server.address}/0"
            yield stack.enter_context(running_workers(directory, url)), server.pid
        else:
            yield stack.enter_context(running_workers(directory, manager)), None


def _run(workers: Workers, broker_pid: int | None, manager: str, case: Case) -> Run:
    pids = sorted(workers.ready_pids())
    with spread(workers, case.on_each * len(pids) * 2, on_each=case.on_each) as clients:
        room: list[Client] = []
        for pid in pids:
            room += [client for client in clients if client.pid == pid][: case.on_each]
        for client in room:
            client.call("do", "enter_room", {"sid": client.sid, "room": _ROOM})
        # The rest only had to be there for some to be on each worker.
        for client in clients:
            if client not in room:
                client.close()
        _flood(workers, room, case, _WARM_UP)
        before = workers.cpu_s(), cpu_s_of(broker_pid) if broker_pid else 0.0
        emitter = _flood(workers, room, case, case.emits)
        after = workers.cpu_s(), cpu_s_of(broker_pid) if broker_pid else 0.0
        return Run(
            manager=manager,
            case=case,
            delivered=sum(len(client.floods) for client in room),
            latencies_us=[
                took_ns / 1000
                for client in room
                if client.pid != emitter
                for _, took_ns in client.floods
            ],
            workers_cpu_s=after[0] - before[0],
            broker_cpu_s=after[1] - before[1],
        )


def _flood(workers: Workers, room: list[Client], case: Case, count: int) -> int:
    """Emits from a view, until all have arrived; which worker emitted."""
    for client in room:
        client.floods.clear()
    options = {"to": _ROOM, "count": count, "pause_s": 1 / case.rate, "size": case.size}
    emitter: int = workers.post("/flood", options)
    wait_for(lambda: all(len(one.floods) >= count for one in room), "all events", 15.0)
    for client in room:
        if [number for number, _ in client.floods] != list(range(count)):
            raise LabError("a client was told something twice, or in another order")
    return emitter


def _conditions(runs: int) -> str:
    program = find_program("redis-server")
    said = subprocess.run(
        [program or "redis-server", "--version"], capture_output=True, text=True, check=True
    ).stdout.split()
    redis_version = next(word for word in said if word.startswith("v=")).removeprefix("v=")
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("python-socketio", "Flask-SocketIO", "gunicorn")
    )
    return (
        f"Medians of {runs} runs of each, in turns, on one machine with {_cores()}:"
        f" 4 gunicorn workers (`-k gevent`, simple-websocket), {versions}, Python"
        f" {platform.python_version()}, redis-server {redis_version} on the same machine."
    )


def _cores() -> str:
    count = len(os.sched_getaffinity(0))
    return f"{count} cores" if count > 1 else "one core"


if __name__ == "__main__":
    sys.exit(main())
