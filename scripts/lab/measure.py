"""`scripts/measure_lab`: what a broadcast costs on three subnets, and how long it takes."""

import argparse
import contextlib
import json
import random
import string
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.lab.cluster import Cluster
from scripts.lab.errors import Interrupted, LabError
from scripts.lab.ledger import Ledger, Totals, percentile
from scripts.lab.namespaces import NamespaceLab, Traffic, why_not
from scripts.lab.signals import ignore_signals, raise_on_signals
from scripts.lab.tree import Place

_SEGMENTS, _HOSTS = 3, 4
_ORIGINS = [Place(1, 1), Place(1, 2), Place(2, 2), Place(3, 3)]
_PAYLOAD_BYTES = 1024
# A quote and a backslash would each be two bytes of JSON.
SYMBOLS = "".join(sorted(set(string.printable[:94]) - {'"', "\\"}))
_WARM_UP = 60
_SETTLE_S = 1.0

_HELP = f"""\
Starts twelve nodes in three subnets of four network namespaces, warms them up, and sends broadcasts
from four origins in turn. The payload is a JSON string of {_PAYLOAD_BYTES:,} random characters,
drawn anew each time from {len(SYMBOLS)} symbols, every one a byte: nothing that LZ4 could shorten.

Bytes and packets are what all twelve hosts sent on eth0, Ethernet headers included. The same is
measured before over an equal time without broadcasts, and subtracted in a line of its own."""


@dataclass(frozen=True)
class Figures:
    """What was measured; bytes and packets are per broadcast, over all hosts."""

    broadcasts: int
    rate: float
    bytes_all: float
    packets_all: float
    bytes_idle: float
    packets_idle: float
    last_node_p50_ms: float | None
    last_node_p99_ms: float | None
    copies_per_delivery: float
    hops_max: int
    deliveries: int
    missing: int
    duplicates: int
    uninvited: int


# The original library on the same lab: 1 KiB payloads, warm.
_ORIGINAL = {"bytes_all": 12_700.0, "packets_all": 15.6, "last_node_p50_ms": 3.2}
_GOAL = {
    "bytes_all": 8_000.0,
    "packets_all": 10.0,
    "last_node_p50_ms": 2.5,
    "copies_per_delivery": 1.15,
}


def main(arguments: list[str] | None = None) -> int:
    """The exit status of the measurement."""
    options = _parse(arguments)
    try:
        raise_on_signals()
        if (reason := why_not()) is not None:
            raise LabError(f"{reason}; without namespaces there is nothing to count")
        with contextlib.ExitStack() as stack:
            lab = stack.enter_context(NamespaceLab(_SEGMENTS, _HOSTS))
            cluster = stack.enter_context(Cluster(_SEGMENTS, _HOSTS, lab, _progress))
            stack.callback(ignore_signals)  # runs first: no signal may stop the clean-up half way
            cluster.wait_for_membership()
            figures = _measure(lab, cluster, options.broadcasts, options.rate)
    except LabError as error:
        print(f"measure_lab: {error}", file=sys.stderr)
        return 1
    except Interrupted as interrupt:
        return 128 + interrupt.signal_number
    print(table(figures))
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    return 0 if figures.missing == figures.duplicates == figures.uninvited == 0 else 1


def table(figures: Figures) -> str:
    """The figures beside the original's and the goal, ready to print."""
    rows = [
        ("bytes per broadcast, in all", "bytes_all", figures.bytes_all, ",.0f"),
        ("  of it idle background", "bytes_idle", figures.bytes_idle, ",.0f"),
        ("  without it", "", figures.bytes_all - figures.bytes_idle, ",.0f"),
        ("packets per broadcast, in all", "packets_all", figures.packets_all, ".1f"),
        ("  of it idle background", "packets_idle", figures.packets_idle, ".1f"),
        ("  without it", "", figures.packets_all - figures.packets_idle, ".1f"),
        ("ms to the last node, p50", "last_node_p50_ms", figures.last_node_p50_ms, ".2f"),
        ("ms to the last node, p99", "last_node_p99_ms", figures.last_node_p99_ms, ".2f"),
        ("copies per delivery", "copies_per_delivery", figures.copies_per_delivery, ".3f"),
        ("hops, at most", "hops_max", figures.hops_max, "d"),
    ]
    lines = [
        f"{figures.broadcasts} broadcasts of {_PAYLOAD_BYTES:,} random characters ({len(SYMBOLS)}"
        f" symbols, not compressible), {figures.rate:g} a second,",
        f"from {len(_ORIGINS)} of twelve nodes in {_SEGMENTS} subnets of {_HOSTS}, warm",
        "",
        f"{'':<32}{'here':>9}{'original':>11}{'goal':>11}",
    ]
    for label, name, value, form in rows:
        original, goal = _ORIGINAL.get(name), _GOAL.get(name)
        lines.append(
            f"{label:<32}{'-' if value is None else format(value, form):>9}"
            f"{'' if original is None else format(original, form):>11}"
            f"{'' if goal is None else '<= ' + format(goal, form.replace('.3', '.2')):>11}"
        )
    lines += [
        "",
        f"dispatched {figures.deliveries:,} times: {figures.missing} missing, "
        f"{figures.duplicates} twice, {figures.uninvited} uninvited (the original: all twice)",
    ]
    return "\n".join(lines)


def _measure(lab: NamespaceLab, cluster: Cluster, count: int, rate: float) -> Figures:
    rng = random.SystemRandom()
    warm_up = Ledger(cluster.by_address, keep=_WARM_UP)
    _progress("warming up")
    _send(cluster, warm_up, rng, _WARM_UP, rate)

    seconds = count / rate + _SETTLE_S
    _progress(f"listening to the idle background for {seconds:.0f} s")
    before = _sent(lab)
    time.sleep(seconds)
    idle = _sent(lab) - before

    _progress(f"sending {count} broadcasts in {seconds:.0f} s")
    ledger = Ledger(cluster.by_address, keep=count)
    counters_before = cluster.counters()
    before, begun = _sent(lab), time.monotonic()
    _send(cluster, ledger, rng, count, rate)
    time.sleep(max(0.0, begun + seconds - time.monotonic()))
    busy = _sent(lab) - before
    cluster.collect(ledger)
    counters = cluster.counters()
    _progress("")

    received = counters["gossip_received"] - counters_before["gossip_received"]
    dispatched = counters["dispatched"] - counters_before["dispatched"]
    times, totals = ledger.last_node_ms(), ledger.totals()
    return _figures(count, rate, busy, idle, times, totals, received / max(1, dispatched))


def _figures(
    count: int,
    rate: float,
    busy: Traffic,
    idle: Traffic,
    last_node_ms: list[float],
    totals: Totals,
    copies_per_delivery: float,
) -> Figures:
    return Figures(
        broadcasts=count,
        rate=rate,
        bytes_all=busy.sent_bytes / count,
        packets_all=busy.sent_packets / count,
        bytes_idle=idle.sent_bytes / count,
        packets_idle=idle.sent_packets / count,
        last_node_p50_ms=percentile(last_node_ms, 50),
        last_node_p99_ms=percentile(last_node_ms, 99),
        copies_per_delivery=copies_per_delivery,
        hops_max=totals.hops_max,
        deliveries=totals.deliveries,
        missing=totals.missing,
        duplicates=totals.duplicates,
        uninvited=totals.uninvited,
    )


def _send(cluster: Cluster, ledger: Ledger, rng: random.Random, count: int, rate: float) -> None:
    begun = time.monotonic()
    broadcasts = []
    for number in range(count):
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        body = "".join(rng.choices(SYMBOLS, k=_PAYLOAD_BYTES))
        origin = _ORIGINS[number % len(_ORIGINS)]
        broadcasts.append(cluster.broadcast(origin, "measure", body, ledger))
    cluster.settle(ledger, broadcasts, timeout_s=_SETTLE_S / 2, quiet_s=_SETTLE_S / 4)


def _sent(lab: NamespaceLab) -> Traffic:
    return sum(lab.traffic().values(), Traffic())


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/measure_lab",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Needs root and iproute2. Exit status: 1 if it can't measure or a delivery failed.",
    )
    parser.add_argument(
        "--broadcasts", type=int, default=200, metavar="N", help="how many (default: 200)"
    )
    parser.add_argument(
        "--rate", type=float, default=20.0, metavar="N", help="so many a second (default: 20)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args(arguments)
    if not 1 <= options.broadcasts <= 100_000:
        parser.error("--broadcasts must be 1 to 100,000")
    if not 0.1 <= options.rate <= 200:
        parser.error("--rate must be 0.1 to 200 a second")
    return options


if __name__ == "__main__":
    sys.exit(main())
