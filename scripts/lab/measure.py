"""`scripts/measure_lab`: what a broadcast costs on three subnets, and how long it takes."""

import argparse
import contextlib
import itertools
import json
import random
import string
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from chatter.wire.aead import best as best_aead
from scripts.lab.cluster import Cluster
from scripts.lab.errors import Interrupted, LabError
from scripts.lab.figures import Figures, table
from scripts.lab.ledger import Ledger, percentile
from scripts.lab.namespaces import NamespaceLab, Traffic, why_not
from scripts.lab.programs import RECORDER, SIDECAR
from scripts.lab.signals import ignore_signals, raise_on_signals
from scripts.lab.tree import Place
from scripts.measuring.arguments import between, number
from scripts.measuring.arguments import parser as make_parser
from scripts.measuring.status import say_now

_SEGMENTS, _HOSTS = 3, 4
_ORIGINS = [Place(1, 1), Place(1, 2), Place(2, 2), Place(3, 3)]
_PAYLOAD_BYTES = 1024
# A quote and a backslash would each be two bytes of JSON.
SYMBOLS = "".join(sorted(set(string.printable[:94]) - {'"', "\\"}))
_WARM_UP = 60
_SETTLE_S = 1.0
# Each pause between two broadcasts is up to so much longer or shorter: in step with the beacons,
# all would meet one, or none would.
_JITTER = 0.25

_HELP = f"""\
Starts twelve nodes in three subnets of four network namespaces, warms them up, and sends broadcasts
from four origins in turn. The payload is a JSON string of {_PAYLOAD_BYTES:,} random characters,
drawn anew each time from {len(SYMBOLS)} symbols, every one a byte: nothing that LZ4 could shorten.

Bytes and packets are what all twelve hosts sent on eth0, Ethernet headers included; CPU time is
that of all nodes. The same is measured before over an equal time without broadcasts, and subtracted
in a line of its own.

Times are from the broadcast call to the handler, on the clock that all nodes share. Nodes keep what
they dispatched until all is over: a client that reads along would take the cores from the nodes
that have yet to dispatch. With --sidecar they are `chatter node --json`, which tells each message
at once, and that is part of the times then."""


def main(arguments: list[str] | None = None) -> int:
    """The exit status of the measurement."""
    options = _parse(arguments)
    try:
        raise_on_signals()
        if (reason := why_not()) is not None:
            raise LabError(f"{reason}; without namespaces there is nothing to count")
        with contextlib.ExitStack() as stack:
            lab = stack.enter_context(NamespaceLab(_SEGMENTS, _HOSTS))
            program = SIDECAR if options.sidecar else RECORDER
            cluster = stack.enter_context(Cluster(_SEGMENTS, _HOSTS, lab, say_now, program))
            stack.callback(ignore_signals)  # runs first: no signal may stop the clean-up half way
            cluster.wait_for_membership()
            figures = _measure(lab, cluster, options.broadcasts, options.rate, program.name)
    except LabError as error:
        print(f"measure_lab: {error}", file=sys.stderr)
        return 1
    except Interrupted as interrupt:
        return 128 + interrupt.signal_number
    print(table(_title(figures), figures))
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    return 0 if figures.missing == figures.duplicates == figures.uninvited == 0 else 1


@dataclass(frozen=True)
class _Spent:
    """What the nodes have used up since they started."""

    traffic: Traffic
    cpu_ns: int

    def __sub__(self, other: "_Spent") -> "_Spent":
        return _Spent(self.traffic - other.traffic, self.cpu_ns - other.cpu_ns)


def _measure(lab: NamespaceLab, cluster: Cluster, count: int, rate: float, program: str) -> Figures:
    rng = random.SystemRandom()
    say_now("warming up")
    warm_up = Ledger(cluster.by_address, keep=_WARM_UP)
    _send(cluster, warm_up, rng, _WARM_UP, rate)
    cluster.collect(warm_up)

    seconds = count / rate + _SETTLE_S
    say_now(f"listening to the idle background for {seconds:.0f} s")
    before = _spent(lab, cluster)
    time.sleep(seconds)
    idle = _spent(lab, cluster) - before

    say_now(f"sending {count} broadcasts in {seconds:.0f} s")
    ledger = Ledger(cluster.by_address, keep=count)
    counters_before = cluster.counters()
    before = _spent(lab, cluster)
    _send(cluster, ledger, rng, count, rate)
    busy = _spent(lab, cluster) - before
    cluster.collect(ledger)
    counters = cluster.counters()
    say_now("")

    received = counters["gossip_received"] - counters_before["gossip_received"]
    dispatched = counters["dispatched"] - counters_before["dispatched"]
    times, totals = ledger.last_node_ms(), ledger.totals()
    return Figures(
        broadcasts=count,
        rate=rate,
        program=program,
        aead=best_aead.__name__,
        bytes_all=busy.traffic.sent_bytes / count,
        packets_all=busy.traffic.sent_packets / count,
        cpu_ms_all=busy.cpu_ns / 1e6 / count,
        bytes_idle=idle.traffic.sent_bytes / count,
        packets_idle=idle.traffic.sent_packets / count,
        cpu_ms_idle=idle.cpu_ns / 1e6 / count,
        last_node_p50_ms=percentile(times, 50),
        last_node_p99_ms=percentile(times, 99),
        hop_1_tcp_p50_ms=percentile(elapsed_ms(ledger, 1, "tcp"), 50),
        hop_1_multicast_p50_ms=percentile(elapsed_ms(ledger, 1, "multicast"), 50),
        hop_2_multicast_p50_ms=percentile(elapsed_ms(ledger, 2, "multicast"), 50),
        copies_per_delivery=received / max(1, dispatched),
        hops_max=totals.hops_max,
        deliveries=totals.deliveries,
        missing=totals.missing,
        duplicates=totals.duplicates,
        uninvited=totals.uninvited,
    )


def elapsed_ms(ledger: Ledger, hops: int, via: str) -> list[float]:
    """The time to each first dispatch that took so many hops, the last of them by `via`."""
    return [
        broadcast.elapsed_ms(delivery)
        for broadcast in ledger.broadcasts()
        for delivery in broadcast.first_deliveries()
        # Not that of a straggler from the warm-up, which the totals report.
        if broadcast.sent_ns is not None and (delivery.hops, delivery.via) == (hops, via)
    ]


def send_times_s(rng: random.Random, count: int, rate: float) -> list[float]:
    """When to send each, in seconds from the start: all within count / rate, and not in step."""
    pauses = [1 + rng.uniform(-_JITTER, _JITTER) for _ in range(count)]
    scale = count / rate / sum(pauses)
    return [moment * scale for moment in itertools.accumulate(pauses)]


def _send(cluster: Cluster, ledger: Ledger, rng: random.Random, count: int, rate: float) -> None:
    """Sends `count` broadcasts in count / rate seconds, and returns when they have settled."""
    begun = time.monotonic()
    posted = []
    for turn, send_s in enumerate(send_times_s(rng, count, rate)):
        body = "".join(rng.choices(SYMBOLS, k=_PAYLOAD_BYTES))
        node = cluster.nodes[_ORIGINS[turn % len(_ORIGINS)]]
        time.sleep(max(0.0, begun + send_s - time.monotonic()))
        # What comes back isn't waited for: whoever wakes now takes a core from the broadcast.
        request = {"broadcast": {"tag": "measure", "body": body, "to": None}}
        posted.append((node, node.post(request)))
    time.sleep(max(0.0, begun + count / rate + _SETTLE_S - time.monotonic()))
    for node, ref in posted:
        ledger.add_sent(node.address, node.answer(ref, "sent"))


def _spent(lab: NamespaceLab, cluster: Cluster) -> _Spent:
    return _Spent(sum(lab.traffic().values(), Traffic()), cluster.cpu_ns())


def _title(figures: Figures) -> str:
    return (
        f"{figures.broadcasts} broadcasts of {_PAYLOAD_BYTES:,} random characters ({len(SYMBOLS)}"
        f" symbols, not compressible), {figures.rate:g} a second,\n"
        f"from {len(_ORIGINS)} of twelve nodes in {_SEGMENTS} subnets of {_HOSTS}, warm; "
        f"nodes: {figures.program}, sealed by {figures.aead}"
    )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = make_parser(
        "scripts/measure_lab",
        _HELP,
        "Needs root and iproute2. Exit status: 1 if it can't measure or a delivery failed.",
    )

    def add(name: str, kind: Callable[[str], object], default: object, text: str) -> None:
        parser.add_argument(name, type=kind, default=default, metavar="N", help=text)

    add("--broadcasts", number(1, 100_000), 200, "how many (default: 200)")
    add("--rate", between(0.1, 200), 20.0, "so many a second (default: 20)")
    parser.add_argument(
        "--sidecar", action="store_true", help="let the nodes be `chatter node --json`"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
