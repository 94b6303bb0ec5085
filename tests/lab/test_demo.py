"""`scripts/demo` as a person starts it: output, exit status, and that nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.lab.iproute import namespace_names

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 90.0  # a deadline: an environment of interpreters on a machine busy with other things
FIGURES = re.compile(r"broadcasts (\d+)   deliveries (\d+)   missing (\d+)   duplicates (\d+)")


class Demo:
    """A demo started by its command; its processes, files and namespaces can be told apart."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._mark = uuid.uuid4().hex
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        self._output = folder / "output"
        environment = {
            **os.environ,
            "TMPDIR": str(self._temporary),
            "LAB_TEST_MARK": self._mark,
            # The one we run in, which scripts/test has made: nothing is installed here.
            "CHATTER_VENV": sys.prefix,
        }
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [str(ROOT / "scripts" / "demo"), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                # What a terminal does; a test run in the background may have it ignored.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def output(self) -> str:
        """What it has printed so far."""
        return self._output.read_text()

    def status(self) -> int:
        """Its exit status, once it has ended."""
        return self.process.wait(WAIT_S)

    def wait_for_output(self, text: str) -> None:
        wait_until(lambda: text in self.output() or self.process.poll() is not None)
        assert text in self.output()

    def left_behind(self) -> list[str]:
        """Processes, files and namespaces of this demo that are there."""
        return [
            *(f"process {pid}: {command}" for pid, command in self._processes().items()),
            *(f"file {path.name}" for path in self._temporary.iterdir()),
            *(name for name in namespace_names() if f"-{self.process.pid}-" in name),
        ]

    def nodes(self) -> int:
        """How many of its processes are nodes."""
        return sum("-m chatter node" in command for command in self._processes().values())

    def _processes(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    environment = (entry / "environ").read_bytes()
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue  # it has just ended, or is somebody else's
                if f"LAB_TEST_MARK={self._mark}".encode() in environment:
                    found[int(entry.name)] = command
        return found

    def kill_all(self) -> None:
        """For a test that has failed: nothing of it may disturb the next."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self._processes():
            os.kill(pid, signal.SIGKILL)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    if not (Path(sys.prefix) / ".chatter-installed").exists():
        pytest.skip("scripts/demo runs in the environment that scripts/test makes: use that")
    demos: list[Demo] = []

    def start(*arguments: str) -> Demo:
        demos.append(Demo(tmp_path, *arguments))
        return demos[-1]

    yield start
    for demo in demos:
        demo.kill_all()


def test_once_on_loopback_reaches_every_node(start: Callable[..., Demo]) -> None:
    demo = start("--once", "--no-namespaces")
    assert demo.status() == 0, demo.output()
    text = demo.output()
    assert "12 nodes in 3 segments of 4, on loopback" in text
    counts = FIGURES.search(text)
    assert counts is not None
    assert [int(count) for count in counts.groups()] == [1, 11, 0, 0]
    assert "Each of the 11 others dispatched it exactly once, and its origin never." in text
    # The origin, and each of the others once, by name.
    names = re.findall(r"[◉╌▶] ([ABC][1-4]) 127\.0\.0\.1:\d+", text)
    assert sorted(names) == [f"{segment}{number}" for segment in "ABC" for number in range(1, 5)]
    assert "\x1b" not in text
    assert demo.left_behind() == []


def test_some_seconds_on_loopback_then_the_end(start: Callable[..., Demo]) -> None:
    demo = start(
        *("--no-namespaces", "--segments", "2", "--hosts", "2"),
        *("--seconds", "2", "--interval", "0.5"),
    )
    assert demo.status() == 0, demo.output()
    counts = FIGURES.findall(demo.output())
    assert [int(count[0]) for count in counts] == [1, 2, 3, 4]
    assert counts[-1][1:] == ("12", "0", "0")
    assert demo.left_behind() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ending_it_on_loopback_leaves_nothing(start: Callable[..., Demo], number: int) -> None:
    demo = start("--no-namespaces", "--segments", "2", "--hosts", "2")
    demo.wait_for_output("broadcasts 2")
    assert demo.nodes() == 4
    demo.process.send_signal(number)
    assert demo.status() == 0, demo.output()
    assert demo.left_behind() == []
    assert "Traceback" not in demo.output()


def test_ending_it_before_the_nodes_are_ready_leaves_nothing(start: Callable[..., Demo]) -> None:
    demo = start("--no-namespaces", "--once")
    wait_until(lambda: demo.nodes() > 0)
    demo.process.send_signal(signal.SIGINT)
    assert demo.status() == 128 + signal.SIGINT
    assert demo.left_behind() == []


@pytest.mark.parametrize(
    "arguments", [("--no-namespaces",), pytest.param((), marks=pytest.mark.namespaces)]
)
def test_the_dashboard_is_reached_from_this_machine(
    start: Callable[..., Demo], arguments: tuple[str, ...]
) -> None:
    """In namespaces too, where the node that serves it has no address that we could reach."""
    demo = start("--segments", "2", "--hosts", "2", "--dashboard", "0", *arguments)
    demo.wait_for_output("broadcasts 1")
    found = re.search(r"dashboard (http://127\.0\.0\.1:\d+/)", demo.output())
    assert found is not None
    with urllib.request.urlopen(f"{found[1]}api/snapshot", timeout=WAIT_S) as answer:
        snapshot = json.load(answer)
    assert len(snapshot["nodes"]) == 4
    assert snapshot["may_send"]
    demo.process.send_signal(signal.SIGINT)
    assert demo.status() == 0, demo.output()
    assert demo.left_behind() == []


def test_a_taken_port_is_told_before_anything_starts(start: Callable[..., Demo]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = start("--no-namespaces", "--dashboard", str(port))
        assert demo.status() == 1
    assert f"no dashboard at port {port}" in demo.output()


@pytest.mark.namespaces
def test_once_in_namespaces_reaches_every_node(start: Callable[..., Demo]) -> None:
    demo = start("--once")
    assert demo.status() == 0, demo.output()
    assert "in network namespaces" in demo.output()
    names = re.findall(r"[◉╌▶] ([ABC][1-4]) 10\.77\.[123]\.[1-4]:29999", demo.output())
    assert sorted(names) == [f"{segment}{number}" for segment in "ABC" for number in range(1, 5)]
    assert demo.left_behind() == []


@pytest.mark.namespaces
def test_ctrl_c_leaves_no_process_and_no_namespace(start: Callable[..., Demo]) -> None:
    demo = start("--segments", "2", "--hosts", "2")
    demo.wait_for_output("broadcasts 2")
    assert sum(entry.startswith("chatter-lab-") for entry in demo.left_behind()) == 5
    demo.process.send_signal(signal.SIGINT)
    assert demo.status() == 0, demo.output()
    assert demo.left_behind() == []


@pytest.mark.namespaces
def test_a_killed_demo_leaves_no_process_and_no_namespace(start: Callable[..., Demo]) -> None:
    demo = start("--segments", "2", "--hosts", "2")
    demo.wait_for_output("broadcasts 1")
    demo.process.kill()
    demo.process.wait()
    wait_until(lambda: demo.left_behind() == [])


def test_help_shows_how_to_use_it(start: Callable[..., Demo]) -> None:
    demo = start("--help")
    assert demo.status() == 0
    assert "--no-namespaces" in demo.output()
    assert "examples:" in demo.output()


def test_options_that_make_no_sense_start_nothing(start: Callable[..., Demo]) -> None:
    demo = start("--segments", "0")
    assert demo.status() == 2
    assert "--segments must be 1 to 26" in demo.output()
