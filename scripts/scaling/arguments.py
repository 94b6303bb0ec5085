"""The command line of `scripts/measure_scaling`, checked."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
        source: figures of before, to be shown instead of measuring.
        chart: where to draw them, without suffix.
    """

    nodes: tuple[int, ...]
    shapes: tuple[Shape, ...]
    body_bytes: int
    runs: int
    seed: int
    source: Path | None
    json: Path | None
    chart: Path | None
    doc: Path | None


def parse(arguments: list[str] | None) -> Options:
    """The options; ends the program with usage and reason if they make no sense."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.source is not None and given.json is not None:
        parser.error("--json would write again what --from reads")
    return Options(
        given.nodes,
        tuple(SHAPES[name] for name in given.shapes),
        given.body,
        given.runs,
        given.seed,
        given.source,
        given.json,
        given.chart,
        given.doc,
    )


def _parser() -> argparse.ArgumentParser:
    shapes = "\n".join(f"  {one.name:<10} {one.about}" for one in SHAPES.values())
    parser = argparse.ArgumentParser(
        prog="scripts/measure_scaling",
        description=_ABOUT,
        epilog=f"names for --shapes:\n{shapes}\n\n"
        "Exit status: 1 if a broadcast missed somebody, came twice or took too many rounds.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def add(name: str, kind: Callable[[str], object], default: object, text: str) -> None:
        parser.add_argument(name, type=kind, default=default, metavar="X", help=text)

    add(
        "--nodes",
        _several(_number(2, _MAX_NODES)),
        (10, 100, 1000, 3000),
        "sizes of clusters; 3000 take 9 GB, and memory grows with the square"
        " (default: 10,100,1000,3000)",
    )
    add("--shapes", _several(_shape), tuple(SHAPES), "see below (default: all)")
    add("--body", _number(1, _MAX_BODY_BYTES), 128, "bytes of a broadcast (default: 128)")
    add("--runs", _number(2, _MAX_RUNS), 9, "broadcasts of each kind (default: 9)")
    add("--seed", _number(0, 2**32), 1, "of all chance in the clusters (default: 1)")
    add("--json", Path, None, "also write the figures to this file")
    add("--chart", Path, None, "also draw them: X.png and X.svg")
    add("--doc", Path, None, "also write the tables into this page, between its markers")
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="X",
        help="measure nothing, take the figures of a file that --json wrote",
    )
    return parser


def _several(one: Callable[[str], object]) -> Callable[[str], tuple[object, ...]]:
    """The parts of a list with commas, each once."""

    def several(text: str) -> tuple[object, ...]:
        found = tuple(dict.fromkeys(one(part.strip()) for part in text.split(",") if part.strip()))
        if not found:
            raise argparse.ArgumentTypeError("at least one is needed")
        return found

    return several


def _shape(name: str) -> str:
    if name not in SHAPES:
        raise argparse.ArgumentTypeError(f"no shape {name!r}; known are {', '.join(SHAPES)}")
    return name


def _number(least: int, most: int) -> Callable[[str], int]:
    def one(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(
                f"{text!r} is no whole number from {least:,} to {most:,}"
            )
        return int(text)

    return one
