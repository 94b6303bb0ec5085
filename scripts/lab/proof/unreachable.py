"""Proof: an address in `to` at which nobody answers delays none of the others."""

import random
import statistics
import time

from scripts.lab.cluster import Cluster, Progress, silent
from scripts.lab.ledger import percentile
from scripts.lab.namespaces import NamespaceLab
from scripts.lab.proof.checks import Checks
from scripts.lab.proof.watch import Watch
from scripts.lab.tree import Place

_SEGMENTS, _HOSTS = 3, 2
_ORIGIN = Place(1, 1)
_ARRIVE_S = 30.0
_PAUSE_S = 0.03
_MOST = 1.3
_NOBODY = 10  # host numbers from here on belong to nobody, in each segment
_NOBODYS = 240
_FRESH = 5


def prove_unreachable(
    checks: Checks, *, pairs: int = 5, broadcasts: int = 100, progress: Progress = silent
) -> None:
    """Broadcasts to five nodes of three segments, with and without an address of nobody's.

    Args:
        pairs: each is a run with and one without, in changing order, so that whatever else the
            machine does meets both alike.
        broadcasts: in each run. Every fifth one of a run with has an address that was never tried
            before, and could be taken for a relay; the rest have one that is the same all along.
            Were the others behind it late, that would be far more than p99 leaves out.
    """
    rng = random.Random(29999)
    with (
        NamespaceLab(_SEGMENTS, _HOSTS) as lab,
        Cluster(_SEGMENTS, _HOSTS, lab, progress) as cluster,
    ):
        cluster.wait_for_membership()
        cluster.wait_for_segments(_ARRIVE_S)
        watch = Watch(cluster)
        others = sorted(watch.addresses - {cluster.nodes[_ORIGIN].address})
        _run(watch, [others] * broadcasts)  # connections are made, and code is warm
        fresh = (
            f"10.77.{segment}.{number}:29999"
            for number in range(_NOBODY, _NOBODY + _NOBODYS)
            for segment in range(1, _SEGMENTS + 1)
        )
        same = next(fresh)
        times: dict[bool, list[list[float]]] = {True: [], False: []}
        missing = 0
        for pair in range(pairs):
            progress(f"pair {pair + 1} of {pairs}")
            for unreachable in sorted((False, True), reverse=bool(pair % 2)):
                lists = [list(others) for _ in range(broadcasts)]
                for number, to in enumerate(lists if unreachable else ()):
                    nobody = same if number % _FRESH else next(fresh)
                    to.insert(rng.randrange(len(to) + 1), nobody)
                found, lacking = _run(watch, lists)
                times[unreachable].append(found)
                missing += lacking
    with_ms, without_ms = ([_p99_ms(run) for run in times[key]] for key in (True, False))
    ratios = [one / other for one, other in zip(with_ms, without_ms, strict=True)]
    slowest, slowest_without = (max(map(max, times[key])) for key in (True, False))
    median = statistics.median(ratios)
    checks.add(
        "everything arrives at the others",
        missing == 0,
        f"{missing} missing of {2 * pairs * broadcasts * len(others):,}",
    )
    checks.add(
        f"the median ratio of p99 latencies, with and without, is below {_MOST:g}",
        median < _MOST,
        f"{median:.2f} of {', '.join(f'{ratio:.2f}' for ratio in ratios)}; "
        f"p99 without {statistics.median(without_ms):.1f} ms; the slowest of all "
        f"{slowest:.1f} ms with, {slowest_without:.1f} ms without",
        median=median,
        ratios=ratios,
        with_ms=with_ms,
        without_ms=without_ms,
        slowest_ms=slowest,
        slowest_without_ms=slowest_without,
    )


def _p99_ms(times: list[float]) -> float:
    found = percentile(times, 99)
    assert found is not None, "nothing arrived"
    return found


def _run(watch: Watch, lists: list[list[str]]) -> tuple[list[float], int]:
    """One broadcast to each list: the times of all arrivals in ms, and how many there were not."""
    posted = []
    for number, to in enumerate(lists):
        # What comes back isn't waited for: whoever wakes now takes a core from the broadcast.
        posted.append(watch.post(_ORIGIN, {"number": number}, to))
        time.sleep(_PAUSE_S)
    broadcasts = [watch.sent(one, to).broadcast for one, to in zip(posted, lists, strict=True)]
    watch.wait_for(broadcasts, _ARRIVE_S)
    times = [
        broadcast.elapsed_ms(delivery)
        for broadcast in broadcasts
        for delivery in broadcast.first_deliveries()
    ]
    return times, sum(len(broadcast.missing()) for broadcast in broadcasts)
