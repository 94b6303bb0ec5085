"""What was measured, as values, as a table and as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

MARKER = "bench_socketio"


@dataclass(frozen=True)
class Case:
    """One kind of work, the same for both managers."""

    on_each: int
    """Clients in the room, on each worker."""
    emits: int
    rate: int
    """Emits a second."""
    size: int
    """Characters beside a number and a time."""


@dataclass(frozen=True)
class Run:
    """One case, once."""

    manager: str
    case: Case
    delivered: int
    """Events that clients got, all of them."""
    latencies_us: Sequence[float]
    """From before the emit to the handler of clients on other workers, in µs."""
    workers_cpu_s: float
    """User and system time of all workers meanwhile."""
    broker_cpu_s: float
    """That of the Redis server; 0 without one."""


@dataclass(frozen=True)
class Row:
    """A case of one manager over all its runs: medians, and the worst and best run in `spread`."""

    manager: str
    on_each: int
    size: int
    rate: int
    runs: int
    delivered: int
    p50_us: float
    p99_us: float
    p99_spread_us: tuple[float, float]
    workers_cpu_us: float
    """For each delivered event."""
    cpu_us: float
    """With the broker's."""
    cpu_spread_us: tuple[float, float]


def row_of(runs: Sequence[Run]) -> Row:
    """The runs of one case and manager as one."""
    case = runs[0].case
    p99s = [percentile(run.latencies_us, 99) for run in runs]
    cpus = [(run.workers_cpu_s + run.broker_cpu_s) * 1e6 / run.delivered for run in runs]
    return Row(
        manager=runs[0].manager,
        on_each=case.on_each,
        size=case.size,
        rate=case.rate,
        runs=len(runs),
        delivered=sum(run.delivered for run in runs),
        p50_us=statistics.median(percentile(run.latencies_us, 50) for run in runs),
        p99_us=statistics.median(p99s),
        p99_spread_us=(min(p99s), max(p99s)),
        workers_cpu_us=statistics.median(run.workers_cpu_s * 1e6 / run.delivered for run in runs),
        cpu_us=statistics.median(cpus),
        cpu_spread_us=(min(cpus), max(cpus)),
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent are not above."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def to_json(rows: Sequence[Row]) -> str:
    """A list of objects, one for each row."""
    return json.dumps([asdict(row) for row in rows], indent=1) + "\n"


def to_markdown(rows: Sequence[Row]) -> str:
    """A table, for people and for the page."""
    lines = [
        "| clients a worker | text | emits/s | manager | p50 | p99 (best, worst run) |"
        " CPU per event (best, worst run) | of it the workers' |",
        "| --: | --: | --: | --- | --: | --: | --: | --: |",
    ]
    for row in rows:
        lines.append(
            f"| {row.on_each} | {row.size} B | {row.rate} | {row.manager} |"
            f" {_ms(row.p50_us)} ms |"
            f" {_ms(row.p99_us)} ms ({_ms(row.p99_spread_us[0])}, {_ms(row.p99_spread_us[1])}) |"
            f" {row.cpu_us:.0f} µs ({row.cpu_spread_us[0]:.0f}, {row.cpu_spread_us[1]:.0f}) |"
            f" {row.workers_cpu_us:.0f} µs |"
        )
    return "\n".join(lines) + "\n"


def _ms(us: float) -> str:
    return f"{us / 1000:.2f}"
