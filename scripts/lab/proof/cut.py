"""Proof: a segment cut off for some seconds has everything in the end, or knows what it has not."""

import time

from scripts.lab.cluster import Cluster, Progress, silent
from scripts.lab.namespaces import NamespaceLab
from scripts.lab.proof.checks import Checks
from scripts.lab.proof.watch import Watch
from scripts.lab.tree import Place

_SEGMENTS = 3
_OWN_SIDE_S = 10.0
_HEAL_S = 60.0  # to meet again, and for what can't be had to become a gap after 10 s
_QUIET_S = 2.0
_ORIGINS = [Place(1, 1), Place(3, 2), Place(2, 1)]  # the second of them is in the cut segment


def prove_cut(
    checks: Checks,
    cut_s: float,
    *,
    broadcasts: int = 30,
    hosts: int = 4,
    progress: Progress = silent,
) -> None:
    """The uplink of one of three segments is down for `cut_s`; both sides go on broadcasting."""
    with NamespaceLab(_SEGMENTS, hosts) as lab, Cluster(_SEGMENTS, hosts, lab, progress) as cluster:
        cluster.wait_for_membership()
        watch = Watch(cluster)
        before = [watch.send(origin, "before").broadcast for origin in _ORIGINS]
        watch.wait_for(before, _HEAL_S)
        progress(f"segment C has no uplink for {cut_s:g} s")
        lab.set_uplink(3, up=False)
        begun = time.monotonic()
        during = []
        for number in range(broadcasts):
            during.append(watch.send(_ORIGINS[number % 3], {"number": number}).broadcast)
            until = begun + cut_s * (number + 1) / broadcasts
            while time.monotonic() < until:
                watch.collect()
                time.sleep(0.01)
        cut_off = {node for node, place in cluster.by_address.items() if place.segment == 3}
        rest = watch.addresses - cut_off
        own, others = [], 0
        for side, other_side in ((cut_off, rest), (rest, cut_off)):
            theirs = [one for one in during if one.origin in side]
            others += len(theirs) * len(other_side)
            own.append(watch.wait_for(theirs, _OWN_SIDE_S, excused=other_side))
        apart = sum(len(one.missing()) for one in during)
        unfailed = sum(
            entry["address"] in (rest if place.segment == 3 else cut_off)
            for place, entries in cluster.views().items()
            for entry in entries
        )
        lab.set_uplink(3, up=True)
        progress("the uplink is back")
        begun = time.monotonic()
        settled = watch.wait_for(during, _HEAL_S, gaps_count=True)
        seconds = time.monotonic() - begun
        after = [watch.send(origin, "after").broadcast for origin in _ORIGINS]
        cluster.wait_for_membership()
        watch.wait_for(after, _HEAL_S, quiet_s=_QUIET_S)
    checks.add(
        "during the cut each side has all of its own broadcasts, and none of the other's",
        all(own) and apart == others,
        f"{apart} arrivals are outstanding, of {others} across the cut; {unfailed} of "
        f"{2 * len(cut_off) * len(rest)} pairs across it still count as live",
        outstanding=apart,
        unfailed=unfailed,
    )
    named = sum(watch.gap_names(node, one) for one in during for node in one.missing())
    late = apart - sum(len(one.missing()) for one in during)
    checks.add(
        "afterwards everything arrives or is named by a gap",
        settled,
        f"{late} arrived late, {named} named by gaps, "
        f"{apart - late - named} neither, {seconds:.1f} s after the uplink came back",
        late=late,
        named=named,
        heal_s=seconds,
    )
    checks.add(
        "broadcasts after the cut arrive everywhere",
        not any(one.missing() for one in after),
        f"{sum(not one.missing() for one in after)} of {len(after)}",
    )
    totals = watch.ledger.totals()
    checks.add(
        "none arrives twice",
        totals.duplicates == totals.uninvited == 0,
        f"{totals.duplicates} twice, {totals.uninvited} uninvited",
    )
