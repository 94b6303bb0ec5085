"""How early the last one has a broadcast, by which tree: `scripts/measure_tree --help`."""

import sys
from functools import partial
from typing import NamedTuple

from chatter.core.postal import TICKS, completion, halving, star
from chatter.testing import Cluster, Delay
from chatter.testing.network import WITHIN_SEGMENT_S
from scripts.lab.errors import LabError
from scripts.lab.namespaces import why_not
from scripts.measuring.arguments import parser as make_parser
from scripts.measuring.status import say_now
from scripts.tree.lab import last_one_ms

ABOUT = """\
Times from a broadcast until the last of the others has it, each in milliseconds: by the tree that
is planned from what was measured, by halving, which is planned while nothing is, and by a star.
With --model as the postal model has them; else as they come out on the fake network, with whole
nodes that have long met and whose connections are up, all by TCP. The two columns behind are how
many times later halving and the star are.

With --lab they are processes in network namespaces, each in a segment of its own, behind a router
that takes its time: the median of some broadcasts, once all have measured by themselves. Their
sends cost what they do. Three clusters one after the other, which takes minutes.
"""

NODES = (8, 16, 32, 64, 128, 256, 512)
ROUND_TRIPS_MS = (0.1, 0.3, 1.0, 3.0, 10.0, 50.0, 100.0)

# How many times too high nodes estimate what a send costs, so that their trees are these.
PLANNED, HALVED, STARRED = 1.0, 1e9, 0.0


class Times(NamedTuple):
    """Until the last one has it, in seconds."""

    planned: float
    halved: float
    starred: float


def main() -> int:
    """The exit status: 1 if the planned tree was later than another."""
    parser = make_parser(
        "scripts/measure_tree",
        ABOUT,
        "Exit status: 1 if the planned tree is later than another by more than 2 %,"
        " with --lab 10 %.",
    )
    parser.add_argument("--model", action="store_true", help="the model alone, at once")
    parser.add_argument("--lab", action="store_true", help="in namespaces; needs root")
    parser.add_argument("--broadcasts", type=int, default=20, help="with --lab (default: 20)")
    parser.add_argument("--send-us", type=float, default=50.0, help="cost of a send (default: 50)")
    parser.add_argument("--nodes", type=int, nargs="+", help="cluster sizes; default: some, or 16")
    parser.add_argument("--rtt-ms", type=float, nargs="+", help="round trips; default: some, or 50")
    options = parser.parse_args()
    send_s = options.send_us / 1e6
    sizes = options.nodes or ((16,) if options.lab else NODES)
    round_trips_ms = options.rtt_ms or ((50.0,) if options.lab else ROUND_TRIPS_MS)
    if min(sizes) < 2 or min(round_trips_ms) / 2000 < WITHIN_SEGMENT_S / 2 or send_s <= 0:
        parser.error("at least 2 nodes, a round trip of 0.1 ms, and some cost of a send")
    measure = modelled if options.model else simulated
    if options.lab:
        if (reason := why_not()) is not None:
            print(f"measure_tree: {reason}", file=sys.stderr)
            return 1
        measure = partial(in_namespaces, options.broadcasts)
    print(f"{'nodes':>6} {'rtt':>6}   {'planned':>9} {'halving':>9} {'star':>9}", end="")
    print(f"   {'halving':>9} {'star':>9}")
    well = True
    for nodes in sizes:
        for round_trip_ms in round_trips_ms:
            try:
                times = measure(nodes, round_trip_ms / 2000, send_s)
            except LabError as error:
                print(f"measure_tree: {error}", file=sys.stderr)
                return 1
            show(nodes, round_trip_ms, times)
            # On a real machine two equal trees differ by chance.
            slack = 1.1 if options.lab else 1.02
            well = well and times.planned <= min(times.halved, times.starred) * slack
    return 0 if well else 1


def show(nodes: int, round_trip_ms: float, times: Times) -> None:
    """One row."""
    shown = " ".join(f"{seconds * 1000:>9.2f}" for seconds in times)
    ratios = " ".join(f"{other / times.planned:>9.2f}" for other in times[1:])
    print(f"{nodes:>6} {round_trip_ms:>6g}   {shown}   {ratios}", flush=True)


def modelled(nodes: int, one_way_s: float, send_s: float) -> Times:
    """What the model says; a message takes its own sending and the way."""
    latency = max(TICKS, round(TICKS * (send_s + one_way_s) / send_s))
    ticks = (of(nodes - 1, latency) for of in (completion, halving, star))
    return Times(*(each / TICKS * send_s for each in ticks))


def simulated(nodes: int, one_way_s: float, send_s: float) -> Times:
    """What comes out on the fake network."""
    return Times(*(last_one_s(nodes, one_way_s, send_s, as_) for as_ in (PLANNED, HALVED, STARRED)))


def in_namespaces(broadcasts: int, nodes: int, one_way_s: float, send_s: float) -> Times:
    """What comes out with real processes."""
    del send_s  # there it costs what it does
    trees = ("planned", "halving", "star")
    return Times(*(last_one_ms(nodes, one_way_s, one, broadcasts, say_now) / 1e3 for one in trees))


def last_one_s(nodes: int, one_way_s: float, send_s: float, misjudged: float) -> float:
    """When the last one has the third broadcast, if all make such trees."""
    cluster = Cluster(1)
    cluster.network.send_s = send_s
    cluster.network.add(Delay(one_way_s - WITHIN_SEGMENT_S))
    members = cluster.add(nodes, groups=())
    for member in members:
        member.send_misjudged = misjudged
    cluster.start()
    cluster.acquaint()
    for _ in range(3):
        cluster.run_for(2)
        began = cluster.now
        # Empty: in a star, whose sends cost nothing, those of its bytes must not count either.
        sent = cluster.broadcast(members[0], body=b"", codec="bytes")
    cluster.run_for(2)
    deliveries = cluster.deliveries(sent)
    if len(deliveries) != nodes - 1:
        raise AssertionError(f"{len(deliveries)} of {nodes - 1} have it")
    return deliveries[-1][1].at - began


if __name__ == "__main__":
    sys.exit(main())
