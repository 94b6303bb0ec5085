"""Servers in processes of their own, as a user starts them, and a node outside of them that sees
who comes and goes. On loopback, with a group and a key that no other test uses."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gevent

import chatter
from chatter import Chatter, generate_key
from tests.net.nodes import Recorder, random_group

ROOT = Path(chatter.__file__).parent.parent
BIN = Path(sys.executable).parent

# A start of some workers on a machine that does other things as well.
DEADLINE_S = 60.0

HOOKS = "from chatter.integrations.gunicorn import on_starting, post_worker_init, worker_exit\n"
PATCH = "from gevent import monkey\n\nmonkey.patch_all()\n"
SITE = "from tests.integrations.site import create_app\n\napp = create_app()\n"
WEBSOCKET_WORKER = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"


def free_port() -> int:
    """A TCP port that was free a moment ago, below those that outgoing connections get."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = random.randint(12000, 19999)
            probe.bind(("127.0.0.1", port))
            return port


class Site:
    """What the servers and nodes of one test share.

    Args:
        folder: for the files of the application.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.records = folder / "records"
        self.records.mkdir()
        self.key = generate_key()
        self.group = random_group()
        self.port = free_port()
        self._stack = stack
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CHATTER_", "FLASK_", "WERKZEUG_", "GUNICORN_"))
        } | {
            "CHATTER_KEY": self.key,
            "FLASK_CHATTER_ADDRESS": "127.0.0.1:0",
            "FLASK_CHATTER_INTERFACE": "127.0.0.1",
            "FLASK_CHATTER_MULTICAST": json.dumps([self.group]),
            "FLASK_CHATTER_BEACON_INTERVAL_S": "0.2",
            "RECORDS": str(self.records),
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "PYTHONUNBUFFERED": "1",
        }

    def outside(self) -> Recorder:
        """A running node in this process."""
        node = Chatter(
            address="127.0.0.1:0",
            interface="127.0.0.1",
            multicast=[self.group],
            key=self.key,
            beacon_interval_s=0.2,
        )
        recorder = Recorder(node)
        self._stack.enter_context(node)
        return recorder

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def gunicorn(self, *options: str, conf: str = HOOKS, app: str = SITE) -> Server:
        self.write("site_app.py", app)
        self.write("gunicorn.conf.py", conf)
        return self.start(
            "gunicorn",
            "-b",
            f"127.0.0.1:{self.port}",
            "--no-control-socket",
            *options,
            "site_app:app",
        )

    def flask(self, *arguments: str, app: str = PATCH + SITE) -> Server:
        self.write("site_app.py", app)
        return self.start("flask", "--app", "site_app", *arguments)

    def start(self, program: str, *arguments: str) -> Server:
        server = Server([str(BIN / program), *arguments], self)
        self._stack.callback(server.end)
        return server

    def numbers(self) -> dict[int, list[int]]:
        """What each process has dispatched, in its order, by its pid."""
        return {
            int(path.name): [int(line) for line in path.read_text().split()]
            for path in self.records.iterdir()
        }


class Server:
    """A server and its children: a process group of their own."""

    def __init__(self, command: list[str], site: Site) -> None:
        self.site = site
        self._log = site.folder / "server.log"
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=site.folder,
                env=site.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Until it holds; the server's log is shown if it never does."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}; {self.log}"
            gevent.sleep(0.02)

    def ask(self, path: str, *, method: str = "GET", **headers: str) -> str:
        """What the application answers."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.site.port}{path}", method=method, headers=headers
        )
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            text: str = answer.read().decode()
        return text

    def who(self) -> dict[str, Any]:
        """Which of its processes answers, and by which node."""
        told: dict[str, Any] = json.loads(self.ask("/who"))
        return told

    def answers(self) -> bool:
        """Whether any of its processes does."""
        try:
            return bool(self.who())
        except OSError:
            return False

    def signal(self, number: int) -> None:
        """To the first process, as `kill` does."""
        self.process.send_signal(number)

    def ctrl_c(self) -> None:
        """To all of them, as a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def ended(self) -> int:
        """Its exit status, once all its children have ended too."""
        self.until(lambda: self.process.poll() is not None, "the end of the server")
        self.until(lambda: not self.is_anybody_left(), "the end of its children")
        return int(self.process.returncode)

    def is_anybody_left(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def end(self) -> None:
        if self.is_anybody_left():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(folder, stack)
