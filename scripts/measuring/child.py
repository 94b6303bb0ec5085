"""A process of a measurement, as the one that started it sees it: orders, what it tells, its end.

It hears JSON lines on its standard input and tells JSON lines on its standard output; what it logs
is shown when it fails.
"""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from scripts.measuring.errors import MeasureError
from scripts.measuring.usage import cpu_ns

_TAIL_LINES = 12
_READ_BYTES = 65_536


def python(*arguments: str) -> list[str]:
    """This interpreter; its modules come from the checkout, not from where we were called."""
    return [sys.executable, "-P", *arguments]


class Child:
    """One process; it ends with the `with` block, whatever state it is in.

    Args:
        name: of its part, for what is said of it.
        command: what to run.
        environment: of its own; None for ours.
        shows_log: whether what it logs goes to our stderr, rather than into what is said if it
            fails.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        shows_log: bool = False,
    ) -> None:
        self.name = name
        self._log = None if shows_log else tempfile.TemporaryFile()  # noqa: SIM115  (see __exit__)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            bufsize=0,  # or what could not be written would be tried again at the end
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
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()

    @property
    def cpu_ns(self) -> int:
        """The CPU time it has used."""
        return cpu_ns(self._process.pid)

    def order(self, do: str, **what: Any) -> None:
        """Tell it what to do next.

        Raises:
            MeasureError: it ended; says what it logged.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **what}).encode() + b"\n")
        except BrokenPipeError:
            raise MeasureError(
                f"a {self.name} ended before it was told {do!r}{self._tail()}"
            ) from None

    def hear(self, event: str, within_s: float) -> dict[str, Any]:
        """What it tells next, which has to be this.

        Raises:
            MeasureError: it ended, or took longer; says what it logged.
        """
        deadline = time.monotonic() + within_s
        assert self._process.stdout is not None
        while b"\n" not in self._told:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise MeasureError(
                    f"a {self.name} told no {event!r} within {within_s:.0f} s{self._tail()}"
                )
            more = os.read(self._process.stdout.fileno(), _READ_BYTES)
            if not more:
                raise MeasureError(f"a {self.name} ended before it told {event!r}{self._tail()}")
            self._told += more
        line, _, self._told = self._told.partition(b"\n")
        told: dict[str, Any] = json.loads(line)
        if told["event"] != event:
            raise MeasureError(f"a {self.name} told {told['event']!r} instead of {event!r}")
        return told

    def signal(self, number: int) -> None:
        """Stop it, or let it run again; nothing if it has ended."""
        self._process.send_signal(number)

    def _tail(self) -> str:
        if self._log is None:
            return "; its log is above"
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
        return ":\n" + "\n".join(lines) if lines else ""
