"""The command line of `scripts/bench_fanout`, checked."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from scripts.fanout.payload import MAX_BYTES, MIN_BYTES
from scripts.fanout.plan import MODES, Plan
from scripts.fanout.run import Work
from scripts.fanout.systems import CHATTER, PEERS, System

_MAX_NODES = 200
_MAX_RATE = 5_000.0
_MAX_SECONDS = 600.0
_MAX_RUNS = 100
_MAX_SEGMENTS = 50

_ABOUT = """\
One publisher process and several subscriber processes, on chatter and on what else one would use:
how long a message takes to the last of them, how many a second arrive when they are sent as fast as
they are accepted, what that costs in CPU time, and what is lost or comes twice. All systems do the
same work, in turn. What each of them does is said in docs/performance.md."""

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Args:
        segments: behind a router; 0 for loopback.
        sources: figures of before, to be shown instead of measuring.
    """

    plan: Plan
    work: Work
    segments: int
    sources: tuple[Path, ...]
    json: Path | None
    chart: Path | None
    doc: Path | None


def parse(arguments: list[str] | None) -> Options:
    """The options; ends the program with usage and reason if they make no sense."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.sources and given.json is not None:
        parser.error("--json would write again what --from reads")
    ours = ["chatter" if name == "default" else f"chatter:{name}" for name in given.chatter]
    return Options(
        plan=Plan((*ours, *given.against), given.modes, given.nodes, given.sizes, given.runs),
        work=Work(given.rate, given.seconds, given.codec),
        segments=given.segments,
        sources=tuple(given.sources),
        json=given.json,
        chart=given.chart,
        doc=given.doc,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench_fanout",
        description=_ABOUT,
        epilog=_systems("chatter", CHATTER)
        + _systems("against", PEERS)
        + "\nExit status: 1 if chatter lost or doubled a message, or it can't be measured here.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def add(name: str, kind: Callable[[str], object], default: object, text: str) -> None:
        parser.add_argument(name, type=kind, default=default, metavar="X", help=text)

    add("--modes", _names("mode", MODES), MODES, "of latency,throughput (default: both)")
    add("--nodes", _numbers(1, _MAX_NODES), (8,), "numbers of subscribers (default: 8)")
    add("--sizes", _numbers(MIN_BYTES, MAX_BYTES), (128,), "bytes of a message (default: 128)")
    add("--rate", _between(0.1, _MAX_RATE), 50.0, "messages a second for latency (default: 50)")
    add("--seconds", _between(0.1, _MAX_SECONDS), 2.0, "length of a run (default: 2)")
    add("--runs", _number(1, _MAX_RUNS), 3, "runs, of which medians are taken (default: 3)")
    add("--chatter", _names("variant", CHATTER), ("default",), "see below (default: default)")
    add(
        "--against",
        _names("system", PEERS),
        ("zmq", "tcp", "udp"),
        'see below; "" for none (default: zmq,tcp,udp, which need no server)',
    )
    add("--segments", _number(0, _MAX_SEGMENTS), 0, "so many subnets instead of loopback; root")
    parser.add_argument(
        "--codec", choices=("bytes", "json"), default="bytes", help="of chatter (default: bytes)"
    )
    add("--json", Path, None, "also write the figures to this file")
    add("--chart", Path, None, "also draw them: X.png and X.svg")
    add(
        "--doc",
        Path,
        None,
        "also write the tables into this page, between its markers; with --segments, others",
    )
    parser.add_argument(
        "--from",
        dest="sources",
        type=Path,
        action="append",
        default=[],
        metavar="X",
        help="measure nothing, take the figures of a file that --json wrote; may be repeated",
    )
    return parser


def _systems(option: str, known: Mapping[str, System]) -> str:
    lines = [f"  {name:<10} {system.about}" for name, system in known.items()]
    return "\n".join([f"names for --{option}:", *lines, ""])


def _several(text: str, kind: Callable[[str], T]) -> tuple[T, ...]:
    """The parts of a list with commas, each once."""
    return tuple(dict.fromkeys(kind(part.strip()) for part in text.split(",") if part.strip()))


def _names(what: str, known: Mapping[str, object] | tuple[str, ...]) -> Callable[[str], object]:
    def one(name: str) -> str:
        if name not in known:
            raise argparse.ArgumentTypeError(f"no {what} {name!r}; known are {', '.join(known)}")
        return name

    return lambda text: _several(text, one)


def _numbers(least: int, most: int) -> Callable[[str], object]:
    def several(text: str) -> tuple[int, ...]:
        if not (numbers := _several(text, _number(least, most))):
            raise argparse.ArgumentTypeError("at least one number is needed")
        return numbers

    return several


def _number(least: int, most: int) -> Callable[[str], int]:
    def one(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(
                f"{text!r} is no whole number from {least:,} to {most:,}"
            )
        return int(text)

    return one


def _between(least: float, most: float) -> Callable[[str], float]:
    def one(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least:g} to {most:,g}")
        return value

    return one
