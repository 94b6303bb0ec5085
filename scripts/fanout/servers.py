"""The servers of systems that have one between publisher and subscribers: started, used, ended."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.lab.signals import signals_held
from scripts.measuring.errors import MeasureError

_STARTED_WITHIN_S = 15.0
_ENDED_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.02

# Where Debian puts nats-server, which is not on everybody's PATH.
_PLACES = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Server:
    """One that runs."""

    address: str
    pid: int


@dataclass(frozen=True)
class _Program:
    ready: str
    arguments: Callable[[str, int, Path], list[str]]


_PROGRAMS = {
    "redis-server": _Program(
        "Ready to accept connections",
        lambda ip, port, directory: [
            *["--bind", ip, "--port", str(port), "--dir", str(directory)],
            *["--save", "", "--appendonly", "no", "--protected-mode", "no"],
            # By default a subscriber that is 32 MB behind is disconnected and loses it all.
            *["--client-output-buffer-limit", "pubsub", "0", "0", "0"],
        ],
    ),
    "nats-server": _Program(
        "Server is ready", lambda ip, port, directory: ["--addr", ip, "--port", str(port)]
    ),
}


def find_program(name: str) -> str | None:
    """Its path, if it is installed."""
    return shutil.which(name) or shutil.which(name, path=_PLACES)


@contextlib.contextmanager
def running_server(name: str, ip: str, prefix: list[str], directory: Path) -> Iterator[Server]:
    """A server of this name that keeps nothing, for as long as the block takes.

    Args:
        ip: where it listens, and nowhere else.
        prefix: what to put before the command, to run it on another host of the lab.
        directory: of this run, for its log.

    Raises:
        MeasureError: it isn't installed, or did not start; says what it logged.
    """
    program = find_program(name)
    if program is None:
        raise MeasureError(f"there is no {name} here: apt-get install {name}")
    port = _free_port()
    log = directory / f"{name}.log"
    command = [*prefix, program, *_PROGRAMS[name].arguments(ip, port, directory)]
    with contextlib.ExitStack() as stack:
        with log.open("wb") as out, signals_held():
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=directory
            )
            stack.callback(_end, process)
        deadline = time.monotonic() + _STARTED_WITHIN_S
        while _PROGRAMS[name].ready not in log.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace").strip()
                raise MeasureError(f"{name} did not start on {ip}:{port}:\n{said}")
            time.sleep(_LOOK_EVERY_S)
        yield Server(f"{ip}:{port}", process.pid)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_ENDED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
