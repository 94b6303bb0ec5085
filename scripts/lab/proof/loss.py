"""Proof: UDP lost at random at every host, and all of it delivered."""

import time

from scripts.lab.cluster import Cluster, Progress, silent
from scripts.lab.loss import drop_udp, dropped_udp
from scripts.lab.namespaces import NamespaceLab
from scripts.lab.proof.checks import Checks
from scripts.lab.proof.watch import Watch
from scripts.lab.tree import Place

_SEGMENTS = 3
_ARRIVE_S = 60.0
_QUIET_S = 2.0  # for second dispatches
_CONFIRM_S = 2.0  # the default
_PAUSE_S = 0.02  # sent in one go, most would share few frames, and few could be lost


def prove_loss(
    checks: Checks,
    per_mille: int,
    *,
    broadcasts: int = 200,
    confirmed: int = 20,
    hosts: int = 4,
    progress: Progress = silent,
) -> None:
    """Three segments lose so many of 1,000 datagrams; broadcasts come from three origins.

    Args:
        hosts: nodes in each segment, at least 2.
        confirmed: broadcasts with a receipt, after the others, from one origin in turn.
    """
    origins = [Place(1, 1), Place(2, 2), Place(3, hosts)]
    with NamespaceLab(_SEGMENTS, hosts) as lab, Cluster(_SEGMENTS, hosts, lab, progress) as cluster:
        cluster.wait_for_membership()
        for host in lab.hosts:
            drop_udp(host, per_mille)
        watch = Watch(cluster)
        progress(f"{broadcasts} broadcasts while {per_mille / 10:g} % of UDP is lost")
        sent = []
        for number in range(broadcasts):
            sent.append(watch.send(origins[number % 3], {"number": number}).broadcast)
            watch.collect()
            time.sleep(_PAUSE_S)
        begun = time.monotonic()
        watch.wait_for(sent, _ARRIVE_S)
        seconds = time.monotonic() - begun
        full, receipts_ms = 0, []
        for number in range(confirmed):
            progress(f"confirmed broadcast {number + 1} of {confirmed}")
            one = watch.send(origins[number % 3], {"number": number}, confirm_s=_CONFIRM_S)
            sent.append(one.broadcast)
            receipt = one.receipt(_CONFIRM_S + 30.0)
            everybody = watch.addresses - {one.node.address}
            full += set(receipt["delivered"]) == everybody and not receipt["missing"]
            receipts_ms.append(receipt["elapsed_ms"])
        watch.wait_for(sent, _ARRIVE_S, quiet_s=_QUIET_S)
        lost = sum(dropped_udp(host) for host in lab.hosts)
    totals = watch.ledger.totals()
    pairs = len(sent) * (_SEGMENTS * hosts - 1)
    checks.add(
        "datagrams are lost",
        lost > 0,
        f"{lost:,} of them",
        lost=lost,
    )
    checks.add(
        "every broadcast arrives at every other node",
        totals.missing == 0 and totals.deliveries == pairs,
        f"{totals.deliveries:,} of {pairs:,} pairs, the last {seconds:.2f} s after the last call",
        delivered=totals.deliveries,
        pairs=pairs,
        last_s=seconds,
    )
    checks.add(
        "none arrives twice, nor where it should not",
        totals.duplicates == totals.uninvited == 0,
        f"{totals.duplicates} twice, {totals.uninvited} uninvited",
        duplicates=totals.duplicates,
    )
    checks.add(
        f"confirmed ones have full receipts within {_CONFIRM_S:g} s",
        full == confirmed,
        f"{full} of {confirmed} full, the slowest after {max(receipts_ms):.0f} ms",
        full=full,
        confirmed=confirmed,
        receipts_ms=receipts_ms,
    )
    checks.add(
        "no gap and no error is told of",
        watch.gaps == 0 and not watch.complaints,
        f"{watch.gaps} broadcasts in gaps, {len(watch.complaints)} errors",
        complaints=watch.complaints,
    )
