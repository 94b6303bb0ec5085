"""The command line of `scripts/measure_scaling`, checked."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from scripts.measuring import arguments, reports
from scripts.measuring.arguments import number, one_of, several
from scripts.scaling.shapes import SHAPES, Shape

_MAX_NODES = 50_000
_MAX_BODY_BYTES = 1_000  # with its list it fits in a datagram: above, there is the tree alone
_MAX_RUNS = 1_000

_ABOUT = """\
How a broadcast grows with the number of nodes: clusters of real cores on the fake network, whose
frames are read from the wire. Bytes, rounds, copies and virtual times depend on the seed alone;
the CPU time of the origin's core is that of this machine. What the columns mean is said in
docs/performance.md."""


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Args:
        body_bytes: of each broadcast.
    """

    nodes: tuple[int, ...]
    shapes: tuple[Shape, ...]
    body_bytes: int
    runs: int
    seed: int
    reports: reports.Reports


def parse(command_line: list[str] | None) -> Options:
    """The options; ends the program with usage and reason if they make no sense."""
    parser = _parser()
    given = parser.parse_args(command_line)
    return Options(
        given.nodes,
        tuple(SHAPES[name] for name in given.shapes),
        given.body,
        given.runs,
        given.seed,
        reports.asked_for(parser, given),
    )


def _parser() -> argparse.ArgumentParser:
    shapes = "\n".join(f"  {one.name:<10} {one.about}" for one in SHAPES.values())
    parser = arguments.parser(
        "scripts/measure_scaling",
        _ABOUT,
        f"names for --shapes:\n{shapes}\n\n"
        "Exit status: 1 if a broadcast missed somebody, came twice or took too many rounds.",
    )

    def add(name: str, kind: Callable[[str], object], default: object, text: str) -> None:
        parser.add_argument(name, type=kind, default=default, metavar="X", help=text)

    add(
        "--nodes",
        several(number(2, _MAX_NODES)),
        (10, 100, 1000, 3000),
        "sizes of clusters; 3000 take 9 GB, and memory grows with the square"
        " (default: 10,100,1000,3000)",
    )
    add("--shapes", several(one_of("shape", SHAPES)), tuple(SHAPES), "see below (default: all)")
    add("--body", number(1, _MAX_BODY_BYTES), 128, "bytes of a broadcast (default: 128)")
    add("--runs", number(2, _MAX_RUNS), 9, "broadcasts of each kind (default: 9)")
    add("--seed", number(0, 2**32), 1, "of all chance in the clusters (default: 1)")
    reports.add_options(parser)
    return parser
