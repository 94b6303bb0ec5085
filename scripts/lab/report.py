"""The words around the tree: what runs, and the figures so far. Pure."""

from scripts.lab.ledger import Broadcast, Ledger, percentile
from scripts.lab.paint import Span
from scripts.lab.tree import Place, draw_tree

Line = list[Span]


def describe(segments: int, hosts: int, why_loopback: str | None) -> str:
    """What runs and where, in one line.

    Args:
        why_loopback: None in namespaces, else why they aren't used.
    """
    size = f"{_count(segments * hosts, 'node')} in {_count(segments, 'segment')} of {hosts}"
    if why_loopback is None:
        return f"{size}, in network namespaces"
    return f"{size}, on loopback with a group for each segment ({why_loopback})"


def picture(
    title: str, broadcast: Broadcast, ledger: Ledger, places: dict[str, Place]
) -> list[Line]:
    """Title, tree of `broadcast`, and the figures of all."""
    origin = places[broadcast.origin]
    return [
        [(" chatter", "bold"), (f"  {title}", "")],
        [],
        [(f" broadcast {broadcast.seqno} of {origin.name}, and how it reached the others", "")],
        *draw_tree(broadcast, places),
        [],
        *figures(ledger),
    ]


def figures(ledger: Ledger) -> list[Line]:
    """Counts and times over all broadcasts, in two lines."""
    totals = ledger.totals()
    faults = [
        ("missing", totals.missing),
        ("duplicates", totals.duplicates),
        ("uninvited", totals.uninvited),
    ]
    counts: Line = [
        (f" broadcasts {totals.broadcasts:,}   deliveries {totals.deliveries:,}", "bold"),
        *(
            (f"   {name} {count:,}", "bold red" if count else "bold green")
            for name, count in faults
        ),
    ]
    by = " · ".join(f"{count:,} {via}" for via, count in sorted(totals.via.items()))
    times = ledger.last_node_ms()
    p50, p99 = percentile(times, 50), percentile(times, 99)
    last = ""
    if p50 is not None and p99 is not None:
        last = f"last node p50 {p50:.2f} ms, p99 {p99:.2f} ms   "
    if len(times) == 1:
        last = f"last node after {times[0]:.2f} ms   "
    return [counts, [(f" {last}{by}   hops max {totals.hops_max}", "")]]


def verdict(broadcast: Broadcast) -> str:
    """One sentence: whether everybody dispatched `broadcast` exactly once, the origin never."""
    complaint = broadcast.complaint()
    if complaint is not None:
        return f"FAILED: {complaint}."
    count = len(broadcast.recipients)
    who = "The one other node" if count == 1 else f"Each of the {count} others"
    return f"{who} dispatched it exactly once, and its origin never."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
