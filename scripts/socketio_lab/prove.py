"""Each emit reaches each client of its room exactly once, over four workers and without a broker.

For both worker classes, with and without --preload, and while a worker is killed and comes back.
"""

# ruff: noqa: E402  (the patch comes before whatever might keep an unpatched socket)
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse
import importlib.util
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from scripts.lab.errors import Interrupted, LabError
from scripts.lab.signals import raise_on_signals
from scripts.socketio_lab.clients import Client, Fences, connect, spread
from scripts.socketio_lab.workers import (
    PLAIN,
    WEBSOCKET,
    Workers,
    running_workers,
    wait_for,
)

_WORKERS = 4
_ROOMS = 3

# Before, while and after a worker is killed, each.
_PHASE_EMITS = 40


def main() -> int:
    """Prove it, and say what was counted."""
    parser = argparse.ArgumentParser(prog="prove_socketio", description=__doc__)
    parser.add_argument("--clients", type=int, default=500, help="in all (500)")
    parser.add_argument("--on-each", type=int, default=50, help="at least, on each worker (50)")
    parser.add_argument("--emits", type=int, default=10, help="by each worker to each room (10)")
    arguments = parser.parse_args()
    if not 1 <= arguments.on_each * _WORKERS <= arguments.clients or arguments.emits < 1:
        parser.error("--clients: at least --on-each for each of 4 workers; --emits: at least 1")
    raise_on_signals()
    try:
        for worker_class in (PLAIN, WEBSOCKET):
            if worker_class == WEBSOCKET and importlib.util.find_spec("geventwebsocket") is None:
                raise LabError("gevent-websocket is missing: pip install '.[dashboard]'")
            for preload in (False, True):
                prove(worker_class, preload, arguments.clients, arguments.on_each, arguments.emits)
    except LabError as error:
        print(f"prove_socketio: {error}", file=sys.stderr)
        return 1
    except Interrupted as interrupted:
        return 128 + interrupted.signal_number
    return 0


def prove(worker_class: str, preload: bool, count: int, on_each: int, emits: int) -> None:
    """One kind of worker.

    Raises:
        LabError: a client missed something or was told it twice, or it did not come to that.
    """
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as name,
        running_workers(
            Path(name), count=_WORKERS, worker_class=worker_class, preload=preload
        ) as workers,
        spread(workers, count, on_each) as clients,
    ):
        on = Counter(client.pid for client in clients)
        delivered = _rooms(clients, emits)
        survived = _killed(workers, clients)
        print(
            f"-k {worker_class}{' --preload' if preload else ''}: {len(clients)} clients"
            f" ({', '.join(map(str, sorted(on.values())))} on the workers),"
            f" {delivered} of {delivered} events of rooms once each; with a worker killed and"
            f" respawned {survived} of {survived} for the others;"
            f" {time.monotonic() - began:.0f} s",
            flush=True,
        )


def _rooms(clients: list[Client], emits: int) -> int:
    """Have each worker emit to rooms with clients of all; how many events came."""
    for index, client in enumerate(clients):
        own = f"room {index % _ROOMS}"
        client.call("do", "enter_room", {"sid": client.sid, "room": own})
    speakers = _one_of_each(clients)
    for number in range(emits):
        for speaker in speakers:
            for room in range(_ROOMS):
                arguments = [speaker.pid, room, number]
                options = {"event": "room", "args": arguments, "to": f"room {room}"}
                speaker.call("emit", options)
    _fence(speakers, clients)
    delivered = 0
    for index, client in enumerate(clients):
        for speaker in speakers:
            heard = [event[3:] for event in client.events if event[2] == speaker.pid]
            if heard != [[index % _ROOMS, number] for number in range(emits)]:
                raise LabError(f"of {emits} emits of worker {speaker.pid} a client got {heard}")
        if len(client.events) != len(speakers) * emits:
            raise LabError("a client was told what is not for it")
        delivered += len(client.events)
        client.events.clear()
    return delivered


def _killed(workers: Workers, clients: list[Client]) -> int:
    """Kill a worker while the others emit; how many events the clients of those got."""
    victim, *speakers = _one_of_each(clients)
    others = [client for client in clients if client.pid != victim.pid]
    before = workers.pids()

    def emit(phase: int) -> None:
        for number in range(phase * _PHASE_EMITS, (phase + 1) * _PHASE_EMITS):
            speaker = speakers[number % len(speakers)]
            speaker.call("emit", {"event": "n", "args": [speaker.pid, number]})

    emit(0)
    os.kill(victim.pid, signal.SIGKILL)
    emit(1)
    wait_for(lambda: workers.ready_pids() - before, "the worker that takes its place")
    (newcomer,) = workers.ready_pids() - before
    late = _one_on(workers, newcomer)
    emit(2)
    _fence(speakers, [*others, late])
    for client in (*others, late):
        first = 2 * _PHASE_EMITS if client is late else 0
        # Of each worker in its order; of several in any.
        heard = sorted(event[3] for event in client.events)
        if heard != list(range(first, 3 * _PHASE_EMITS)):
            raise LabError(f"a client of worker {client.pid} got {heard}")
    late.close()
    return len(others) * 3 * _PHASE_EMITS


def _one_of_each(clients: list[Client]) -> list[Client]:
    return list({client.pid: client for client in clients}.values())


def _one_on(workers: Workers, pid: int) -> Client:
    for _ in range(50):
        found = None
        for client in connect(workers, 8):
            if client.pid == pid and found is None:
                found = client
            else:
                client.close()
        if found is not None:
            return found
    raise LabError(f"none of 400 clients came to worker {pid}")


def _fence(speakers: list[Client], clients: list[Client]) -> None:
    for number, speaker in enumerate(speakers):
        for client in clients:
            client.fences.clear()
        speaker.call("emit", {"event": "fence", "args": [number]})
        Fences.wait(number, clients)


if __name__ == "__main__":
    sys.exit(main())
