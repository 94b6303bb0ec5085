"""One run of one system: starts its processes, has them meet, and measures a round."""

import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from scripts.fanout.child import start as start_child
from scripts.fanout.figures import Case, Round, Took
from scripts.fanout.places import Places
from scripts.fanout.servers import running_server
from scripts.fanout.systems import SYSTEMS
from scripts.fanout.task import Task
from scripts.lab.signals import signals_held
from scripts.measuring.child import Child
from scripts.measuring.usage import cpu_ns

_STARTED_WITHIN_S = 120.0

# A flood is as long as it has to be for its duration: shorter ones before it show how fast it goes,
# and fill caches and windows.
_TRY_COUNT = 200
_TRY_GROWTH = 5
_TRY_S = 0.3
_TRY_MAX = 100_000

# A round may be slower than those before it, on a machine that others use too.
_SLOWER = 20


@dataclass(frozen=True)
class Work:
    """How to measure, whatever is measured.

    Args:
        rate: messages a second where times are measured.
        seconds: how long a measured round is to take.
        codec: of chatter's messages, "bytes" or "json".
        warm_up_s: how long messages are sent before times are measured.
    """

    rate: float
    seconds: float
    codec: str
    warm_up_s: float = 0.5


def measure(case: Case, work: Work, places: Places) -> Round:
    """The measured round of one run.

    Raises:
        MeasureError: a process or a server ended, or did not do its part in time.
    """
    with contextlib.ExitStack() as stack:
        cast = _assemble(case, work, places, stack)
        if case.mode == "latency":
            cast.play(round(max(2, work.rate * work.warm_up_s)), work.warm_up_s, work.rate)
            return cast.play(max(1, round(work.rate * work.seconds)), work.seconds, work.rate)
        count = _TRY_COUNT
        while (tried := cast.play(count, work.seconds)).seconds < _TRY_S and count < _TRY_MAX:
            count *= _TRY_GROWTH
        # Nothing came of it at all: as many again will show the same.
        speed = count / tried.seconds if tried.seconds else count / work.seconds
        return cast.play(max(1, round(speed * work.seconds)), work.seconds)


@dataclass
class _Cast:
    """The processes of a run, met."""

    case: Case
    publisher: Child
    subscribers: list[Child]
    server_pid: int | None
    _next: int = field(default=0)

    def play(self, count: int, seconds: float, rate: float = 0.0) -> Round:
        """So many messages, and what came of them.

        Args:
            seconds: about how long that takes.
            rate: so many a second; 0 as fast as they are accepted.
        """
        numbers = {"first": self._next, "count": count}
        self._next += count
        quiet_s = SYSTEMS[self.case.system].quiet_s + (1 / rate if rate else 0.0)
        for one in self.subscribers:
            latencies = self.case.mode == "latency"
            one.order("expect", **numbers, quiet_s=quiet_s, latencies=latencies)
        for one in self.subscribers:
            one.hear("expecting", _STARTED_WITHIN_S)
        before_ns = self._cpu_ns()
        within_s = seconds * _SLOWER + quiet_s + _STARTED_WITHIN_S
        self.publisher.order("publish", **numbers, rate=rate)
        sent = self.publisher.hear("sent", within_s)
        told = [one.hear("took", within_s) for one in self.subscribers]
        spent_ns = self._cpu_ns() - before_ns
        took = [Took(**{name: it for name, it in one.items() if name != "event"}) for one in told]
        return Round(count, sent["began_ns"], spent_ns, took)

    def _cpu_ns(self) -> int:
        spent = sum(one.cpu_ns for one in (self.publisher, *self.subscribers))
        return spent + (cpu_ns(self.server_pid) if self.server_pid is not None else 0)


def _assemble(case: Case, work: Work, places: Places, stack: contextlib.ExitStack) -> _Cast:
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="chatter-fanout-"))
    server = None
    if (program := SYSTEMS[case.system].server) is not None:
        server = stack.enter_context(
            running_server(program, places.server.ip, list(places.server.prefix), Path(directory))
        )

    def start(number: int, meeting: dict[str, object]) -> Child:
        place = places.host(number)
        task = Task(
            system=case.system,
            publisher=number == 0,
            nodes=case.nodes,
            size=case.size,
            mode=case.mode,
            codec=work.codec if SYSTEMS[case.system].module == "chatter" else "bytes",
            ip=place.ip,
            server=server.address if server is not None else "",
            directory=directory,
            meeting=meeting,
        )
        with signals_held():
            return stack.enter_context(start_child(task, place.prefix))

    publisher = start(0, {})
    meeting = publisher.hear("started", _STARTED_WITHIN_S)["meeting"]
    subscribers = [start(number, meeting) for number in range(1, case.nodes + 1)]
    for one in subscribers:
        one.hear("started", _STARTED_WITHIN_S)
    for one in (publisher, *subscribers):
        one.hear("met", _STARTED_WITHIN_S)
    # Whatever the system: only when the way to everybody is open it is measured.
    publisher.order("probe")
    for one in subscribers:
        one.order("hear")
    for one in subscribers:
        one.hear("heard", _STARTED_WITHIN_S)
    return _Cast(case, publisher, subscribers, server.pid if server is not None else None)
