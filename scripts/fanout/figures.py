"""What runs came to: the figures of one, and the medians of several. Pure."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scripts.lab.ledger import percentile


@dataclass(frozen=True)
class Case:
    """What is measured of a system; `nodes` are the subscribers, `size` is in bytes."""

    system: str
    mode: str
    nodes: int
    size: int


@dataclass(frozen=True)
class Took:
    """What one subscriber took of one round.

    Args:
        last_ns: when the last came; 0 if none did.
        latencies_ns: of each message, by its place in the round; negative where it did not come.
            Empty where times are not measured.
    """

    got: int
    duplicated: int
    last_ns: int
    latencies_ns: Sequence[int] = ()


@dataclass(frozen=True)
class Round:
    """So many messages to all subscribers."""

    count: int
    began_ns: int
    cpu_ns: int
    took: Sequence[Took]

    @property
    def deliveries(self) -> int:
        """Messages taken, by all together."""
        return sum(one.got for one in self.took)

    @property
    def seconds(self) -> float:
        """From the first sending until the last message at the last subscriber."""
        return max(0, max(one.last_ns for one in self.took) - self.began_ns) / 1e9

    @property
    def lost(self) -> int:
        """Messages that did not come, at all subscribers together."""
        return self.count * len(self.took) - self.deliveries

    @property
    def duplicated(self) -> int:
        """Messages that came again."""
        return sum(one.duplicated for one in self.took)


@dataclass(frozen=True)
class Row:
    """The figures of a case; None where its mode does not measure it, or nothing came.

    Times and rates are medians over the runs. What was lost or doubled is the sum over the runs, or
    a median would hide it.
    """

    system: str
    mode: str
    nodes: int
    size: int
    deliveries_per_s: float | None
    cpu_us_per_delivery: float | None
    last_p50_ms: float | None
    last_p99_ms: float | None
    p50_ms: float | None
    p99_ms: float | None
    lost: int
    duplicated: int
    runs: int


def figures_of(case: Case, rounds: Sequence[Round]) -> Row:
    """The row of a case.

    Args:
        rounds: the measured one of each run.
    """
    arrived = [one for one in rounds if one.deliveries]
    flood = arrived if case.mode == "throughput" else []
    paced = arrived if case.mode == "latency" else []
    last = [last_ms(one.took) for one in paced]
    each = [each_ms(one.took) for one in paced]
    return Row(
        case.system,
        case.mode,
        case.nodes,
        case.size,
        deliveries_per_s=_median(one.deliveries / one.seconds for one in flood),
        cpu_us_per_delivery=_median(one.cpu_ns / 1e3 / one.deliveries for one in arrived),
        last_p50_ms=_median(percentile(times, 50) for times in last),
        last_p99_ms=_median(percentile(times, 99) for times in last),
        p50_ms=_median(percentile(times, 50) for times in each),
        p99_ms=_median(percentile(times, 99) for times in each),
        lost=sum(one.lost for one in rounds),
        duplicated=sum(one.duplicated for one in rounds),
        runs=len(rounds),
    )


def each_ms(took: Iterable[Took]) -> list[float]:
    """How long each delivery took."""
    return [ns / 1e6 for one in took for ns in one.latencies_ns if ns >= 0]


def last_ms(took: Iterable[Took]) -> list[float]:
    """How long each message took to the last of those it came to."""
    latest = (max(of_all) for of_all in zip(*(one.latencies_ns for one in took), strict=True))
    return [ns / 1e6 for ns in latest if ns >= 0]


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
