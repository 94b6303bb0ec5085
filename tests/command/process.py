"""The real command in a process of its own, on loopback, with a deadline for everything."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event as Signal

import chatter
from tests.command.descriptors import DEADLINE_S

ROOT = Path(chatter.__file__).parent.parent
CHATTER = (sys.executable, "-m", "chatter")
Event = dict[str, Any]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Cluster:
    """What the commands of one test share: a key and a group that no other test uses."""

    def __init__(self) -> None:
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("CHATTER_")
        } | {"CHATTER_KEY": chatter.generate_key(), "PYTHONUNBUFFERED": "1"}
        port = free_port()
        # Pinned to the loopback interface, where the TTL is 0: nothing leaves this machine.
        self.options = [
            *("--address", "127.0.0.1:0", "--interface", "127.0.0.1"),
            *("--multicast", f"239.255.{port % 251}.{port % 249 + 1}:{port}"),
        ]
        self._running: list[Command] = []

    def start(self, name: str, *arguments: str, **streams: Any) -> Command:
        """`chatter NAME` as a member of this cluster."""
        return self.start_plainly(name, *self.options, *arguments, **streams)

    def start_plainly(self, *arguments: str, **streams: Any) -> Command:
        """`chatter` with these arguments and no others."""
        command = Command(arguments, self.environment, streams)
        self._running.append(command)
        return command

    def sidecar(self, *arguments: str, **streams: Any) -> Command:
        """A running `chatter node --json`."""
        node = self.start("node", "--json", *arguments, **streams)
        node.address = node.event("ready")["address"]
        return node

    def end(self) -> None:
        for command in self._running:
            command.end()


class Command:
    """One process: its lines as they come, its stderr, its exit status."""

    def __init__(
        self, arguments: Sequence[str], environment: dict[str, str], streams: dict[str, Any]
    ) -> None:
        self.address = ""
        self.lines: list[bytes] = []
        self.errors = b""
        self._taken = 0
        self._news = Signal()
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(
            [*CHATTER, *arguments],
            cwd=ROOT,
            env=environment,
            bufsize=0,
            **pipes | streams,
        )
        self._readers = [gevent.spawn(self._read_errors)]
        if self.process.stdout is not None:
            self._readers.append(gevent.spawn(self._read_lines))

    def write(self, data: bytes) -> None:
        """Put bytes into its stdin."""
        assert self.process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[self.process.stdin.write(view) :]

    def request(self, **fields: Any) -> None:
        """One request line."""
        self.write(json.dumps(fields).encode() + b"\n")

    def broadcast(self, **fields: Any) -> None:
        self.request(broadcast=fields)

    def next_line(self) -> bytes:
        """The next line of its stdout that wasn't taken yet."""
        self._wait(lambda: len(self.lines) > self._taken, "another line")
        self._taken += 1
        return self.lines[self._taken - 1]

    def event(self, kind: str | None = None, **fields: Any) -> Event:
        """The next event of that kind with those fields; others before it are passed over."""
        while True:
            event: Event = json.loads(self.next_line(), parse_constant=_no_constants)
            wanted = ({} if kind is None else {"event": kind}) | fields
            if wanted.items() <= event.items():
                return event

    def until_it_sees(self, *others: Command) -> None:
        """Ask for its peers until those are among them."""
        wanted = {other.address for other in others}
        seen: set[str] = set()
        with gevent.Timeout(DEADLINE_S, AssertionError(f"wanted {wanted}")):
            while not wanted <= seen:
                self.request(peers=True)
                seen = {entry["address"] for entry in self.event("peers")["peers"]}
                gevent.sleep(0.05)

    def wait_for_error(self, text: str) -> None:
        """Until its stderr holds that text."""
        self._wait(lambda: text.encode() in self.errors, f"{text!r} on stderr")

    def close_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def ended(self) -> int:
        """Its exit status, once all it wrote has been read."""
        status = self.process.wait(DEADLINE_S)
        gevent.joinall(self._readers, timeout=DEADLINE_S)
        return status

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE_S)
        gevent.killall(self._readers)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None and not stream.closed:
                stream.close()

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        with gevent.Timeout(DEADLINE_S, AssertionError(f"no {what}; stderr: {self.errors!r}")):
            while not condition():
                self._news.wait()
                self._news.clear()

    def _read_lines(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._news.set()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        while chunk := self.process.stderr.read(65_536):
            self.errors += chunk
            self._news.set()


def _no_constants(word: str) -> Any:
    raise AssertionError(f"{word} is not JSON")
