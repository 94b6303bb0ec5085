"""Proof: payloads from one byte to the largest arrive intact; one byte more is refused."""

import hashlib
import random
import time
from collections import Counter
from collections.abc import Sequence

from chatter.config import DEFAULT_MESSAGE_BYTES
from scripts.lab.cluster import Cluster, Progress, silent
from scripts.lab.errors import LabError
from scripts.lab.namespaces import NamespaceLab
from scripts.lab.proof.checks import Checks, size_name
from scripts.lab.proof.watch import Watch
from scripts.lab.tree import Place

LARGEST_BYTES = DEFAULT_MESSAGE_BYTES

SIZES = (1, 1 << 10, 64 << 10, 1 << 20, LARGEST_BYTES)

_ARRIVE_S = 120.0  # 16 MiB to each node, as lines of JSON, on two cores
_QUIET_S = 1.0
_COUNTED_BYTES = 64 << 10


def prove_sizes(
    checks: Checks,
    sizes: Sequence[int] = SIZES,
    *,
    segments: int = 1,
    hosts: int = 4,
    multicast: bool = True,
    progress: Progress = silent,
) -> None:
    """Bytes that do not compress, of each size, from one node to all others; then one too large.

    Args:
        multicast: whether there is one. With it, a single segment has to be served by it alone;
            without it, everything has to go by the tree.
    """
    origin = Place(1, 1)
    rng = random.Random(29999)
    with (
        NamespaceLab(segments, hosts) as lab,
        Cluster(segments, hosts, lab, progress, multicast=multicast) as cluster,
    ):
        cluster.wait_for_membership()
        watch = Watch(cluster)
        if segments > 1:
            cluster.wait_for_segments(_ARRIVE_S)
        for size in sizes:
            progress(f"{size_name(size)} to {len(watch.addresses) - 1} nodes")
            body = rng.randbytes(size)
            wanted = hashlib.sha256(body).hexdigest()
            before = _sent_bytes(lab)
            begun = time.monotonic()
            broadcast = watch.send(origin, body).broadcast
            watch.wait_for([broadcast], _ARRIVE_S)
            seconds = time.monotonic() - begun
            copies = (_sent_bytes(lab) - before) / size
            digests = watch.digests.get((broadcast.origin, broadcast.seqno), {})
            intact = sum(digest == wanted for digest in digests.values())
            first = broadcast.first_deliveries()
            ways = Counter(delivery.via for delivery in first)
            hops = max((delivery.hops for delivery in first), default=0)
            ways_as_wanted = segments > 1 or set(ways) == {"multicast" if multicast else "tcp"}
            checks.add(
                f"{size_name(size)} arrives intact",
                intact == len(watch.addresses) - 1 and ways_as_wanted,
                f"{intact} of {len(watch.addresses) - 1}, by "
                f"{' and '.join(f'{way} {count}' for way, count in sorted(ways.items()))}, "
                f"hops at most {hops}, {seconds:.2f} s until all were read"
                # Of a small one, headers and beacons would be counted for the most part.
                + (
                    f"; its host sent {copies:.2f} times its size" if size >= _COUNTED_BYTES else ""
                ),
                seconds=seconds,
                copies=copies,
                bytes=size,
                hops=hops,
                **ways,
            )
        progress("one byte too many")
        try:
            watch.send(origin, bytes(LARGEST_BYTES + 1), timeout_s=_ARRIVE_S)
            refusal = ""
        except LabError as error:
            refusal = str(error)
        last = watch.send(origin, b"last").broadcast
        watch.wait_for([last], _ARRIVE_S, quiet_s=_QUIET_S)
    checks.add(
        f"{size_name(DEFAULT_MESSAGE_BYTES + 1)} encoded is refused, with both sizes named",
        f"{DEFAULT_MESSAGE_BYTES + 1} bytes" in refusal and f"{DEFAULT_MESSAGE_BYTES} " in refusal,
        refusal or "it was accepted",
    )
    checks.add(
        "and nothing of it was sent: the next broadcast has the next number",
        last.seqno == len(sizes) + 1 and not last.missing(),
        f"seqno {last.seqno} after {len(sizes)} broadcasts",
    )
    totals = watch.ledger.totals()
    checks.add(
        "none arrives twice, no gap and no error is told of",
        totals.duplicates == totals.uninvited == watch.gaps == 0 and not watch.complaints,
        f"{totals.duplicates} twice, {watch.gaps} in gaps, {len(watch.complaints)} errors",
        complaints=watch.complaints,
    )


def _sent_bytes(lab: NamespaceLab) -> int:
    """What the host of the origin has put on its cable since the start."""
    return lab.traffic()[lab.hosts[0]].sent_bytes
