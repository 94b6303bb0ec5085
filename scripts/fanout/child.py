"""A process of a run, as the one that started it sees it: orders, what it tells, its CPU time."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Any, Self

from scripts.fanout.errors import BenchError
from scripts.fanout.task import Task

_TAIL_LINES = 12
_READ_BYTES = 65_536


def cpu_ns(pid: int) -> int:
    """The CPU time that a process has used, user and system, of all its threads."""
    # What clock_getcpuclockid gives on Linux (CPUCLOCK_SCHED): exact, where /proc counts in ticks.
    return time.clock_gettime_ns((~pid << 3) | 2)


class Child:
    """One process; it ends with the `with` block.

    Args:
        prefix: what to put before the command, to run it on another host of the lab.
    """

    def __init__(self, task: Task, prefix: list[str]) -> None:
        self.name = f"{task.system} {'publisher' if task.publisher else 'subscriber'}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed by __exit__)
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-P", "-m", "scripts.fanout.process", task.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._told = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._log.close()

    @property
    def cpu_ns(self) -> int:
        """The CPU time it has used."""
        return cpu_ns(self._process.pid)

    def order(self, do: str, **what: Any) -> None:
        """Tell it what to do next."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **what}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise BenchError(
                f"a {self.name} ended before it was told {do!r}{self._tail()}"
            ) from None

    def hear(self, event: str, within_s: float) -> dict[str, Any]:
        """What it tells next, which has to be this.

        Raises:
            BenchError: it ended, or took longer; says what it logged.
        """
        deadline = time.monotonic() + within_s
        assert self._process.stdout is not None
        while b"\n" not in self._told:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise BenchError(
                    f"a {self.name} told no {event!r} within {within_s:.0f} s{self._tail()}"
                )
            more = os.read(self._process.stdout.fileno(), _READ_BYTES)
            if not more:
                raise BenchError(f"a {self.name} ended before it told {event!r}{self._tail()}")
            self._told += more
        line, _, self._told = self._told.partition(b"\n")
        told: dict[str, Any] = json.loads(line)
        if told["event"] != event:
            raise BenchError(f"a {self.name} told {told['event']!r} instead of {event!r}")
        return told

    def _tail(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
        return ":\n" + "\n".join(lines) if lines else ""
