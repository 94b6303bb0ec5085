"""How a broadcast grows with the number of nodes: `scripts/measure_scaling --help`."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from scripts.measuring.errors import MeasureError
from scripts.measuring.program import carry_out, complain
from scripts.measuring.screen import progress
from scripts.scaling.arguments import Options, parse
from scripts.scaling.figures import EVERYONE, NEIGHBOURS, Row
from scripts.scaling.measure import measure
from scripts.scaling.memory import available_bytes, check
from scripts.scaling.shapes import SHAPES, Shape
from scripts.scaling.tables import tables

CHOICES = {"shape": SHAPES, "to": (EVERYONE, NEIGHBOURS)}
"""What can stand in a file of figures."""

MARKER = "measure_scaling"


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    options = parse(arguments)
    rows: list[Row] = []
    status = carry_out(
        "measure_scaling", lambda: _measure(options, rows), lambda: _report(options, rows)
    )
    for row in rows:
        if not row.well:
            status = status or 1
            complain(
                "measure_scaling",
                f"{row.shape}, {row.nodes:,} nodes, to {row.to}: {row.lost} lost,"
                f" {row.doubled} doubled, {row.stray} stray, {row.hops} rounds of {row.bound}",
            )
    return status


def _measure(options: Options, rows: list[Row]) -> None:
    """Adds the rows of each cluster as soon as it has been measured."""
    if options.reports.sources:
        rows += options.reports.rows(Row, CHOICES)
        return
    with progress(len(options.nodes) * len(options.shapes)) as told:
        for shape in options.shapes:
            for nodes in options.nodes:
                check(shape, nodes, available_bytes())
                told(f"{shape.name}, {nodes:,} nodes, {options.runs} broadcasts of each kind")
                rows += _in_own_process(shape, nodes, options)


def _in_own_process(shape: Shape, nodes: int, options: Options) -> list[Row]:
    """Memory of one cluster is then not counted with the next, and given back at once."""
    with ProcessPoolExecutor(
        1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_DFL),
    ) as pool:
        try:
            return pool.submit(
                _rows, shape, nodes, options.body_bytes, options.runs, options.seed
            ).result()
        except BrokenProcessPool:
            raise MeasureError(
                f"the process with {nodes:,} nodes was killed: too little memory?"
            ) from None


def _rows(shape: Shape, nodes: int, body_bytes: int, runs: int, seed: int) -> list[Row]:
    return list(measure(shape, nodes, body_bytes, runs, seed))


def _report(options: Options, rows: Sequence[Row]) -> None:
    options.reports.write(rows, tables(rows), MARKER, _draw)


def _draw(rows: Sequence[Row], prefix: Path) -> None:
    from scripts.scaling.chart import draw  # matplotlib takes a second to import

    draw(rows, prefix)


if __name__ == "__main__":
    sys.exit(main())
