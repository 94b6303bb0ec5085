"""One node process, spoken with by `chatter node --json`: one JSON object a line, both ways."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from scripts.lab.errors import LabError
from scripts.measuring.usage import cpu_ns

Event = dict[str, Any]
T = TypeVar("T")

_STDERR_LINES = 40  # of a node that died, enough for a traceback


def chatter_command(*arguments: str) -> list[str]:
    """The command `chatter` of this interpreter. -P: not a folder of that name where we stand."""
    return [sys.executable, "-P", "-m", "chatter", *arguments]


def node_environment() -> dict[str, str]:
    """Our environment without its CHATTER_ settings: a lab has its own key, groups and ports."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CHATTER_")}


class Sidecar:
    """A node process, started by the constructor.

    Events that answer a request are kept for `answer`; all others wait in order for `take`. Both
    hold them until they are asked for, so ask.

    Args:
        name: what to call it in complaints.
        command: the whole command, its prefix for a namespace included.
        news: notified at each event and at the end of the process; several sidecars may share one.
        pass_fds: descriptors that the node inherits, under the same numbers.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        news: threading.Condition,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.address = ""  # known once it is ready
        self._news = news
        self._events: list[Event] = []
        self._answers: dict[tuple[str, str], Event] = {}
        self._errors: deque[str] = deque(maxlen=_STDERR_LINES)
        self._ended = False
        self._requests = 0
        self._write_lock = threading.Lock()
        # A session of its own: Ctrl-C is ours to answer, and if we vanish its input ends.
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=node_environment(),
            start_new_session=True,
            pass_fds=pass_fds,
        )
        self._readers = [
            threading.Thread(target=self._read_events, name=f"{name} stdout", daemon=True),
            threading.Thread(target=self._read_errors, name=f"{name} stderr", daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """Of the node itself: `ip netns exec` replaces itself by it."""
        return self._process.pid

    def cpu_ns(self) -> int:
        """The CPU time of all its threads since it started, in user space and in the kernel.

        Raises:
            LabError: the node has ended.
        """
        try:
            return cpu_ns(self.pid)
        except OSError as error:
            raise LabError(self._obituary()) from error

    def raise_if_ended(self) -> None:
        """Raises a LabError with its last words if the node has ended."""
        if self._ended:
            raise LabError(self._obituary())

    def stderr_tail(self) -> str:
        """The last lines of its log."""
        return "".join(self._errors).strip()

    def post(self, request: Event) -> str:
        """The `ref` under which `request` was sent; `answer` waits for what comes back.

        Raises:
            LabError: the node has ended.
        """
        self._requests += 1
        ref = str(self._requests)
        line = json.dumps({**request, "ref": ref}).encode() + b"\n"
        stdin = self._process.stdin
        assert stdin is not None
        try:
            with self._write_lock:
                stdin.write(line)
                stdin.flush()
        except (OSError, ValueError) as error:
            raise LabError(self._obituary()) from error
        return ref

    def answer(self, ref: str, event: str, timeout_s: float = 10.0) -> Event:
        """The event of the kind asked for that carries `ref`.

        Raises:
            LabError: it was an `error` event, the node ended, or nothing came in time.
        """

        def arrived() -> Event | None:
            return self._answers.pop((ref, event), None) or self._answers.pop((ref, "error"), None)

        found = self.wait_for(arrived, timeout_s, f"{event!r} event")
        if found["event"] == "error":
            raise LabError(f"node {self.name} answered: {found['message']}")
        return found

    def request(self, request: Event, event: str, timeout_s: float = 10.0) -> Event:
        """`post` and `answer` in one."""
        return self.answer(self.post(request), event, timeout_s)

    def take(self) -> list[Event]:
        """The events since the last call that answer no request."""
        with self._news:
            events, self._events = self._events, []
        return events

    def wait_for(self, find: Callable[[], T | None], timeout_s: float, what: str) -> T:
        """What `find` returns, asked at every event, once it isn't None.

        Raises:
            LabError: the node ended first or the time was over; says that `what` was waited for.
        """
        deadline = time.monotonic() + timeout_s
        with self._news:
            while (found := find()) is None:
                remaining = deadline - time.monotonic()
                if self._ended or remaining <= 0:
                    break
                self._news.wait(remaining)
        if found is not None:
            return found
        if self._ended:
            raise LabError(self._obituary())
        raise LabError(f"node {self.name} sent no {what} within {timeout_s:g} s")

    def wait_until_ready(self, timeout_s: float) -> None:
        """Returns once the node has stated its address."""
        self.wait_for(lambda: self.address or None, timeout_s, "'ready' event")

    def leave(self) -> None:
        """Asks it to leave, by request and by the end of its input; doesn't wait or complain."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            with self._write_lock:
                stdin.write(b'{"leave":true}\n')
                stdin.close()
        except (OSError, ValueError):
            pass  # it has gone already

    def wait(self, timeout_s: float) -> int | None:
        """Its exit status, or None if it still runs after `timeout_s`."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def freeze(self) -> None:
        """Stops it by SIGSTOP: its sockets stay, and take what their buffers hold."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets a frozen one go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it by SIGKILL: it leaves nobody a word."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Frees the pipes of a process that has ended."""
        for reader in self._readers:
            reader.join(1.0)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                # A line that was never flushed, to a process that is gone.
                with contextlib.suppress(OSError):
                    pipe.close()

    def _obituary(self) -> str:
        # Its output ends a moment before it does, and its last words may still be on their way.
        status = self.wait(2.0)
        self._readers[1].join(1.0)
        words = self.stderr_tail() or "it said nothing"
        return f"node {self.name} ended with status {status}: {words}"

    def _read_events(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            for line in stdout:
                self._keep(json.loads(line))
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._errors.append(f"its output could not be read: {error!r}\n")
        finally:
            with self._news:
                self._ended = True
                self._news.notify_all()

    def _keep(self, event: Event) -> None:
        with self._news:
            if event["event"] == "ready":
                self.address = event["address"]
            elif "ref" in event:
                self._answers[event["ref"], event["event"]] = event
            else:
                self._events.append(event)
            self._news.notify_all()

    def _read_errors(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        try:
            for line in stderr:
                self._errors.append(line.decode(errors="replace"))
        except (OSError, ValueError):
            pass  # closed under us: there is nothing more to learn
