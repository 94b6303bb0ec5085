"""Proof: a relay passes a large payload on before it has all of it."""

import random

from scripts.lab.cluster import Cluster, Progress, silent
from scripts.lab.namespaces import NamespaceLab
from scripts.lab.proof.checks import Checks, size_name
from scripts.lab.proof.sizes import LARGEST_BYTES
from scripts.lab.proof.tap import Overlap, Tap, overlap
from scripts.lab.proof.watch import Watch
from scripts.lab.tree import Place

_SEGMENTS, _HOSTS = 3, 2
_ORIGIN = Place(1, 1)
_CONFIRM_S = 30.0
_FIRST_CHUNK_BYTES = 64 << 10  # no frame is larger: after so many bytes a whole chunk is out


def prove_overlap(
    checks: Checks, size: int = LARGEST_BYTES, *, progress: Progress = silent
) -> None:
    """Five nodes of three segments are served by the tree alone; a tap at the router sees it.

    Args:
        size: well above what a kernel buffers for a connection (6 MiB, as Linux comes), or a relay
            that has to wait for a core has all of it on its side of the cable before it runs.
    """
    with (
        NamespaceLab(_SEGMENTS, _HOSTS) as lab,
        Cluster(_SEGMENTS, _HOSTS, lab, progress, multicast=False) as cluster,
    ):
        cluster.wait_for_membership()
        watch = Watch(cluster)
        hosts = {f"{host.ip}:29999": host for host in lab.hosts}
        # A first one makes the connections; what follows is about the chunks alone.
        watch.send(_ORIGIN, "warm", confirm_s=_CONFIRM_S).receipt(2 * _CONFIRM_S)
        progress(f"{size_name(size)} through the tree, with a tap at the router")
        with Tap(lab) as tap:
            body = random.Random(29999).randbytes(size)
            sent = watch.send(_ORIGIN, body, confirm_s=_CONFIRM_S)
            receipt = sent.receipt(2 * _CONFIRM_S)
            segments = tap.finish()
    origin = hosts[sent.broadcast.origin]
    found: list[tuple[str, Overlap]] = []
    for edge in receipt["edges"]:
        if edge["hop"] != 2:
            continue
        relay, last = hosts[edge["server"]], hosts[edge["recipient"]]
        name = f"{relay.ip} to {last.ip}"
        found.append((name, overlap(segments, relay, origin.ip, last.ip, _FIRST_CHUNK_BYTES)))
    checks.add(
        f"{size_name(size)} reaches everybody, some in the second hop",
        not receipt["missing"] and bool(found),
        f"{len(receipt['delivered'])} delivered, {len(found)} of them by a relay",
    )
    checks.add(
        f"each relay sends its first {size_name(_FIRST_CHUNK_BYTES)} before it has the last byte",
        all(one.overlaps for _, one in found),
        "; ".join(
            f"{name}: with {100 * one.received / max(1, one.received_in_all):.0f} % received"
            for name, one in found
        ),
        relays={name: one._asdict() for name, one in found},
    )
