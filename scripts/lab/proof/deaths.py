"""Proof: nodes are killed and frozen, and all others have everything, with receipts that say so."""

import statistics
import time
from collections.abc import Sequence

from scripts.lab.cluster import Cluster, Progress, silent
from scripts.lab.errors import LabError
from scripts.lab.namespaces import NamespaceLab
from scripts.lab.proof.checks import Checks
from scripts.lab.proof.watch import Sent, Watch
from scripts.lab.sidecar import Event
from scripts.lab.tree import Place

_SEGMENTS, _HOSTS = 3, 4
_ORIGINS = [Place(1, 1), Place(2, 1)]
_KILLED = [Place(1, 3), Place(2, 2)]
_KILLED_LATER = Place(3, 4)
_FROZEN = Place(3, 2)
_WARM_UP = 10
_TEN = 10
_ARRIVE_S = 30.0
_KNOWN_S = 60.0
_THAWED_S = 60.0
_QUIET_S = 1.0
# Fewer nodes answer afterwards, so this is generous; without knowing, each would take the timeout.
_AS_FAST = 1.5


def prove_deaths(
    checks: Checks,
    *,
    confirmed: int = 20,
    timeout_s: float = 2.0,
    progress: Progress = silent,
) -> None:
    """Of 12 nodes two are killed, one frozen, and one killed between the broadcasts.

    Args:
        confirmed: so many receipts before the deaths, and after they are known, for their times.
    """
    with (
        NamespaceLab(_SEGMENTS, _HOSTS) as lab,
        Cluster(_SEGMENTS, _HOSTS, lab, progress) as cluster,
    ):
        cluster.wait_for_membership()
        watch = Watch(cluster)
        # The first ones make the connections, and their times are of that.
        _receipts(watch, _WARM_UP, timeout_s)
        before = _receipts(watch, confirmed, timeout_s)
        watch.wait_for([sent.broadcast for sent, _ in before], _ARRIVE_S)
        frozen = cluster.nodes[_FROZEN].address
        killed = {cluster.nodes[place].address for place in _KILLED}
        killed_later = cluster.nodes[_KILLED_LATER].address
        dead = {frozen, killed_later, *killed}
        progress("two are killed, one is frozen, one is killed in mid-traffic")
        for place in _KILLED:
            cluster.give_up(place).kill()
        sleeper = cluster.give_up(_FROZEN)
        sleeper.freeze()
        posted = []
        for number in range(_TEN):
            if number == _TEN // 2:
                cluster.give_up(_KILLED_LATER).kill()
            posted.append(watch.post(_ORIGINS[number % 2], {"ten": number}, confirm_s=timeout_s))
        ten = [watch.sent(one) for one in posted]
        receipts = [one.receipt(timeout_s + _ARRIVE_S) for one in ten]
        arrived = watch.wait_for([one.broadcast for one in ten], _ARRIVE_S, excused=dead)
        progress("waiting until all know who is gone")
        known_s = _wait_until_known(cluster, dead)
        after = _receipts(watch, confirmed, timeout_s)
        progress("the frozen one goes on")
        sleeper.thaw()
        cluster.nodes[_FROZEN] = sleeper
        ours = [one.broadcast for one in ten] + [sent.broadcast for sent, _ in after]
        gone = {killed_later, *killed}
        served = watch.wait_for(ours, _THAWED_S, excused=gone, gaps_count=True, quiet_s=_QUIET_S)
    live = watch.addresses - dead
    _check_full(checks, "before, receipts are full", before, watch.addresses)
    lacking = sum(len(watch.lacking(one.broadcast, dead)) for one in ten)
    pairs = _TEN * (len(live) - 1)  # the origins are alive
    checks.add(
        "every live node has all ten broadcasts",
        arrived,
        f"{pairs - lacking} of {pairs} pairs",
    )
    exact = sum(
        set(receipt["missing"]) | set(receipt["delivered"])
        == watch.addresses - {one.broadcast.origin}
        # Who died in between may have answered the first five.
        and set(receipt["missing"]) in ([dead, dead - {killed_later}] if number < 5 else [dead])
        for number, (one, receipt) in enumerate(zip(ten, receipts, strict=True))
    )
    checks.add(
        "each receipt names exactly the dead and the frozen as missing",
        exact == _TEN,
        f"{exact} of {_TEN}",
        missing=[receipt["missing"] for receipt in receipts],
    )
    longest_ms = max(receipt["elapsed_ms"] for receipt in receipts)
    checks.add(
        f"none takes longer than its {timeout_s:g} s",
        longest_ms <= timeout_s * 1000,
        f"the longest took {longest_ms:.0f} ms",
        elapsed_ms=[receipt["elapsed_ms"] for receipt in receipts],
    )
    _check_full(checks, f"once known ({known_s:.1f} s), receipts are full", after, live)
    before_ms, after_ms = _median_ms(before), _median_ms(after)
    checks.add(
        f"and as fast as before (median at most {_AS_FAST:g} times)",
        after_ms <= _AS_FAST * before_ms,
        f"{after_ms:.1f} ms, before {before_ms:.1f} ms",
        before_ms=before_ms,
        after_ms=after_ms,
        known_s=known_s,
    )
    named = sum(watch.gap_names(frozen, one) for one in ours)
    checks.add(
        "the frozen one, going on, has all of it or is told of gaps",
        served,
        f"{sum(frozen not in one.missing() for one in ours)} of {len(ours)} arrived, "
        f"{named} named by gaps",
        named=named,
    )
    totals = watch.ledger.totals()
    checks.add(
        "none arrives twice",
        totals.duplicates == totals.uninvited == 0,
        f"{totals.duplicates} twice, {totals.uninvited} uninvited",
    )


def _receipts(watch: Watch, count: int, timeout_s: float) -> list[tuple[Sent, Event]]:
    """So many confirmed broadcasts, each after the receipt of the one before."""
    made = []
    for number in range(count):
        sent = watch.send(_ORIGINS[number % 2], {"number": number}, confirm_s=timeout_s)
        made.append((sent, sent.receipt(timeout_s + _ARRIVE_S)))
        watch.collect()
    return made


def _check_full(
    checks: Checks, wanted: str, made: Sequence[tuple[Sent, Event]], nodes: frozenset[str]
) -> None:
    full = sum(
        set(receipt["delivered"]) == nodes - {sent.broadcast.origin} and not receipt["missing"]
        for sent, receipt in made
    )
    checks.add(wanted, full == len(made), f"{full} of {len(made)}")


def _median_ms(made: Sequence[tuple[Sent, Event]]) -> float:
    return float(statistics.median(receipt["elapsed_ms"] for _, receipt in made))


def _wait_until_known(cluster: Cluster, dead: set[str]) -> float:
    """The seconds until no node that is asked takes one of the dead for a live peer."""
    begun = time.monotonic()
    while any(
        entry["address"] in dead for entries in cluster.views().values() for entry in entries
    ):
        if time.monotonic() - begun > _KNOWN_S:
            raise LabError(f"the dead are still counted as peers after {_KNOWN_S:g} s")
        time.sleep(0.05)
    return time.monotonic() - begun
