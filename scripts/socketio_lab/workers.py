"""gunicorn with the lab's application: started, asked and ended."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chatter import generate_key
from scripts.lab.errors import LabError
from scripts.lab.signals import signals_held

ROOT = Path(__file__).resolve().parent.parent.parent

PLAIN = "gevent"
WEBSOCKET = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"

_STARTED_WITHIN_S = 60.0
_ENDED_WITHIN_S = 15.0
_LOOK_EVERY_S = 0.02

# What has to look as if it were not installed. Where gevent-websocket can be imported
# python-engineio takes it, which plain `-k gevent` does not serve; and chatter shall seal as a
# default installation does, but where its extra `fast` is asked for.
FAST = "chatter:fast"
_HIDDEN = {PLAIN: ("cryptography", "geventwebsocket"), WEBSOCKET: ("cryptography",)}


def wait_for(condition: Callable[[], object], what: str, within_s: float = 30.0) -> None:
    """Let greenlets run until the condition holds.

    Raises:
        LabError: it did not, within that time.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {within_s:.0f} s in vain for {what}")
        time.sleep(_LOOK_EVERY_S)


class Workers:
    """A gunicorn that runs."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, log: Path, settings: dict[str, str]
    ) -> None:
        self.process = process
        self.port = port
        self.settings = settings
        """The LAB_ variables it was started with, for whoever shall be of the same cluster."""
        self._log = log

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """All it printed."""
        return self._log.read_text(errors="replace")

    def ready_pids(self) -> set[int]:
        """The workers that run and have said that they serve."""
        said = {int(pid) for pid in re.findall(r"^ready (\d+)$", self.said, re.MULTILINE)}
        return said & self.pids()

    def pids(self) -> set[int]:
        """The workers that run."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(pid) for pid in path.read_text().split()}

    def get(self, path: str) -> Any:
        """What a view answers."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as response:
            return json.load(response)

    def post(self, path: str, body: Any) -> Any:
        """What a view answers to this body."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def cpu_s(self) -> float:
        """User and system time of all workers so far, in seconds."""
        return sum(cpu_s_of(pid) for pid in self.pids())


def cpu_s_of(pid: int) -> float:
    """User and system time that the living threads of a process have taken, in seconds.

    By the scheduler's count in nanoseconds: the one in ticks is a sample, off by a tenth here.
    """
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


@contextlib.contextmanager
def running_workers(
    directory: Path,
    manager: str = "chatter",
    *,
    count: int = 4,
    worker_class: str = PLAIN,
    preload: bool = False,
) -> Iterator[Workers]:
    """Workers that serve, for as long as the block takes.

    Args:
        directory: for its log.
        manager: ``chatter``, the same with the extra ``fast``, or the URL of a Redis.

    Raises:
        LabError: they did not start; says what they said.
    """
    port = _free_port()
    settings = {
        "LAB_MANAGER": manager.removesuffix(":fast"),
        "LAB_KEY": generate_key(),
        "LAB_GROUP": f"239.{random.randint(1, 254)}.{random.randint(1, 254)}.9:"
        f"{random.randint(20000, 29000)}",
        "LAB_PORT": str(port),
        "LAB_WORKERS": str(count),
        "LAB_CLASS": worker_class,
        "LAB_PRELOAD": "yes" if preload else "",
    }
    paths = [str(ROOT)]
    hiding = directory / f"hiding-{port}"
    hiding.mkdir()
    hidden = [name for name in _HIDDEN[worker_class] if manager != FAST or name != "cryptography"]
    lines = ["import sys", *(f"sys.modules[{name!r}] = None" for name in hidden)]
    (hiding / "sitecustomize.py").write_text("\n".join(lines) + "\n")
    paths.insert(0, str(hiding))
    log = directory / f"gunicorn-{port}.log"
    command = [sys.executable, "-P", "-m", "gunicorn", "--log-level", "warning"]
    command += ["-c", "python:scripts.socketio_lab.gunicorn_conf", "scripts.socketio_lab.app:app"]
    with contextlib.ExitStack() as stack:
        with log.open("wb") as out, signals_held():
            process = subprocess.Popen(
                command,
                env={**os.environ, **settings, "PYTHONPATH": ":".join(paths)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
            stack.callback(_end, process)
        workers = Workers(process, port, log, settings)
        deadline = time.monotonic() + _STARTED_WITHIN_S
        while len(workers.ready_pids()) < count:
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"gunicorn did not start {count} workers:\n{workers.said}")
            time.sleep(_LOOK_EVERY_S)
        yield workers


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    # Its workers are found while it still runs: killed, it would leave them behind.
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_ENDED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
