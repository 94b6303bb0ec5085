"""The command line of `scripts/bench_fanout`, checked."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scripts.fanout.payload import MAX_BYTES, MIN_BYTES
from scripts.fanout.plan import MODES, Plan
from scripts.fanout.run import Work
from scripts.fanout.systems import CHATTER, PEERS, System
from scripts.measuring import arguments, reports
from scripts.measuring.arguments import between, number, one_of, several

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


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Args:
        segments: behind a router; 0 for loopback.
    """

    plan: Plan
    work: Work
    segments: int
    reports: reports.Reports


def parse(command_line: list[str] | None) -> Options:
    """The options; ends the program with usage and reason if they make no sense."""
    parser = _parser()
    given = parser.parse_args(command_line)
    ours = ["chatter" if name == "default" else f"chatter:{name}" for name in given.chatter]
    return Options(
        plan=Plan((*ours, *given.against), given.modes, given.nodes, given.sizes, given.runs),
        work=Work(given.rate, given.seconds, given.codec, given.warm_up),
        segments=given.segments,
        reports=reports.asked_for(parser, given),
    )


def _parser() -> argparse.ArgumentParser:
    parser = arguments.parser(
        "scripts/bench_fanout",
        _ABOUT,
        _systems("chatter", CHATTER)
        + _systems("against", PEERS)
        + "\nExit status: 1 if chatter lost or doubled a message, or it can't be measured here.",
    )

    def add(name: str, kind: Callable[[str], object], default: object, text: str) -> None:
        parser.add_argument(name, type=kind, default=default, metavar="X", help=text)

    add(
        "--modes", several(one_of("mode", MODES), 0), MODES, "of latency,throughput (default: both)"
    )
    add("--nodes", several(number(1, _MAX_NODES)), (8,), "numbers of subscribers (default: 8)")
    add(
        "--sizes",
        several(number(MIN_BYTES, MAX_BYTES)),
        (128,),
        "bytes of a message (default: 128)",
    )
    add("--rate", between(0.1, _MAX_RATE), 50.0, "messages a second for latency (default: 50)")
    add("--seconds", between(0.1, _MAX_SECONDS), 2.0, "length of a run (default: 2)")
    add(
        "--warm-up",
        between(0.1, _MAX_SECONDS),
        0.5,
        "seconds before times are measured: a tree knows how far 8 nodes are away after 3 s, 32"
        " after 15 s (default: 0.5)",
    )
    add("--runs", number(1, _MAX_RUNS), 3, "runs, of which medians are taken (default: 3)")
    add(
        "--chatter",
        several(one_of("variant", CHATTER), 0),
        ("default",),
        "see below (default: default)",
    )
    add(
        "--against",
        several(one_of("system", PEERS), 0),
        ("zmq", "tcp", "udp"),
        'see below; "" for none (default: zmq,tcp,udp, which need no server)',
    )
    add("--segments", number(0, _MAX_SEGMENTS), 0, "so many subnets instead of loopback; root")
    parser.add_argument(
        "--codec", choices=("bytes", "json"), default="bytes", help="of chatter (default: bytes)"
    )
    reports.add_options(parser, "; with --segments, others")
    return parser


def _systems(option: str, known: Mapping[str, System]) -> str:
    lines = [f"  {name:<10} {system.about}" for name, system in known.items()]
    return "\n".join([f"names for --{option}:", *lines, ""])
