"""What a publisher in a tight loop does to its subscribers: `scripts/measure_flood --help`."""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from scripts.flood.run import Outcome, flood
from scripts.measuring.arguments import number
from scripts.measuring.arguments import parser as make_parser
from scripts.measuring.errors import MeasureError
from scripts.measuring.program import complain

COUNT = 1_000_000

# The bounded wait is `slow_after_s`, 1 s; the others' rate is taken from a little later on, to just
# before the stopped one runs again.
AFTER_WAIT_S = 1.5
STOPPED_S = 10.0
STOP_AFTER_S = 2.0

# A flood in a pair lasts until the stopped one has been running again for a second, however fast
# the machine and the code are: with a count of its own a fast one was over while it was stopped,
# and the rate beside it was that of nothing. Each process keeps a byte for each message there can
# be, so there is a bound too: ten times what two cores send in that time.
PAIR_S = STOP_AFTER_S + STOPPED_S + 1.0
PAIR_COUNT = 20_000_000

ABOUT_COUNT = f"messages (default: {COUNT}; with --pairs what 13 s take)"

ABOUT = """\
One publisher broadcasts as fast as `broadcast` accepts, to several subscribers on loopback; all are
processes of their own that use chatter as its users do. Shows whether anything was lost or came
twice, and the memory of each process at a third of the time and at the end. With --pairs, floods
alternate with ones in which a subscriber is stopped for 10 s, and the others' rate after the
bounded wait is compared; then each lasts 13 s, or until --count are sent.
"""


def main() -> int:
    """The exit status: 0 if nothing was lost and nothing came twice."""
    parser = make_parser(
        "scripts/measure_flood",
        ABOUT,
        "Exit status: 1 if a message was lost or came twice, or a ratio is below 0.8.",
    )
    for name, least, most, default, text in (
        ("--count", 1, 1_000_000_000, None, ABOUT_COUNT),
        ("--size", 4, 40_000, 128, "bytes of each (default: 128)"),
        ("--processes", 1, 200, 8, "subscribers (default: 8)"),
        ("--pairs", 0, 1_000, 0, "pairs without and with one stopped"),
    ):
        parser.add_argument(name, type=number(least, most), default=default, help=text)
    parser.add_argument("--no-multicast", action="store_true", help="TCP alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args()
    figures: dict[str, Any] = {"count": options.count or COUNT, "size": options.size}
    try:
        well = run_pairs(options, figures) if options.pairs else run_one(options, figures)
    except MeasureError as error:
        complain("measure_flood", error)
        return 1
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0 if well else 1


def run_one(options: argparse.Namespace, figures: dict[str, Any]) -> bool:
    """One flood."""
    outcome = flood(
        figures["count"], options.size, options.processes, multicast=not options.no_multicast
    )
    show(outcome)
    figures["floods"] = [as_figures(outcome)]
    return outcome.is_complete()


def run_pairs(options: argparse.Namespace, figures: dict[str, Any]) -> bool:
    """Floods without and with a stopped subscriber, in turn."""
    ratios: list[float] = []
    floods = []
    well = True
    first_s, last_s = STOP_AFTER_S + AFTER_WAIT_S, STOP_AFTER_S + STOPPED_S - 0.2
    for pair in range(options.pairs):
        rates = []
        for stop_s in (0.0, STOPPED_S):
            outcome = flood(
                options.count or PAIR_COUNT,
                options.size,
                options.processes,
                seconds=PAIR_S,
                multicast=not options.no_multicast,
                stop_one_s=stop_s,
                stop_after_s=STOP_AFTER_S,
            )
            rates.append(outcome.rate(first_s, last_s, skip=1))
            floods.append(as_figures(outcome))
            well = outcome.is_complete(behind=1 if stop_s else 0) and well
            lost = outcome.subscribers[0]["lost"]
            named = f"; the stopped one: {lost:,} named by gaps" if stop_s else ""
            print(
                f"pair {pair + 1}, {'one stopped' if stop_s else 'all running'}:"
                f" {rates[-1]:,.0f} messages/s at each of the others, of {outcome.count:,}{named};"
                f" others took {outcome.others:.0%} of the machine",
                flush=True,
            )
        ratios.append(rates[1] / rates[0] if rates[0] else 0.0)
    ratio = statistics.median(ratios)
    print(f"ratios {', '.join(f'{one:.2f}' for one in ratios)}; median {ratio:.2f} (aim: 0.8)")
    figures |= {"count": options.count, "floods": floods, "ratios": ratios, "median_ratio": ratio}
    return well and ratio >= 0.8


def show(outcome: Outcome) -> None:
    """What one flood came to, for people."""
    count = outcome.count
    seconds = max(one["last_at"] for one in outcome.subscribers) - outcome.began_at
    subscribers = outcome.subscribers
    print(
        f"{count:,} messages to {len(subscribers)} subscribers in {seconds:.1f} s:"
        f" {count / seconds:,.0f}/s, {count * len(subscribers) / seconds:,.0f} deliveries/s"
    )
    print(
        f"missing {sum(count - one['got'] for one in subscribers):,}"
        f" ({sum(one['lost'] for one in subscribers):,} named by gaps),"
        f" twice {sum(one['twice'] for one in subscribers):,},"
        f" QueueFull raised {outcome.sent['refused']:,} times;"
        f" others took {outcome.others:.0%} of the machine"
    )
    print(
        f"CPU µs per message: publisher {outcome.sent['cpu_s'] / count * 1e6:.1f},"
        f" a subscriber {statistics.mean(one['cpu_s'] for one in subscribers) / count * 1e6:.1f}"
    )
    print("resident MiB        at a third   at the end      most")
    print(memory_line("publisher", outcome.publisher["kib"]))
    for which, one in enumerate(subscribers, 1):
        print(memory_line(f"subscriber {which}", one["kib"]))


def memory_line(name: str, kib: list[int]) -> str:
    """The memory of one process."""
    third, end, most = (value / 1024 for value in (kib[len(kib) // 3], kib[-1], max(kib)))
    return f"{name:<18} {third:>10.1f} {end:>12.1f} {most:>9.1f}"


def as_figures(outcome: Outcome) -> dict[str, Any]:
    """The same for programs, without the samples."""
    return {
        "sent": outcome.sent,
        "others": outcome.others,
        "publisher": outcome.publisher,
        "subscribers": [
            {name: value for name, value in one.items() if name != "samples"}
            for one in outcome.subscribers
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
