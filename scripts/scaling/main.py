"""How a broadcast grows with the number of nodes: `scripts/measure_scaling --help`."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from scripts.fanout.errors import BenchError
from scripts.fanout.report import read
from scripts.fanout.screen import progress, show
from scripts.fanout.tables import as_markdown
from scripts.scaling.arguments import Options, parse
from scripts.scaling.errors import ScalingError
from scripts.scaling.figures import Row
from scripts.scaling.measure import measure
from scripts.scaling.memory import available_bytes, check
from scripts.scaling.report import from_json, insert, to_json
from scripts.scaling.shapes import Shape
from scripts.scaling.tables import tables


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    options = parse(arguments)
    rows: list[Row] = []
    status = 0
    try:
        if options.source is not None:
            rows = from_json(read(options.source))
        else:
            _measure(options, rows)
    except BenchError as error:
        print(f"measure_scaling: {error}", file=sys.stderr)
        status = 1  # what was measured before is shown all the same
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    try:
        _report(options, rows)
    except (BenchError, OSError) as error:
        print(f"measure_scaling: {error}", file=sys.stderr)
        return 1
    for row in rows:
        if not row.well:
            status = status or 1
            print(
                f"measure_scaling: {row.shape}, {row.nodes:,} nodes, to {row.to}: {row.lost} lost,"
                f" {row.doubled} doubled, {row.stray} stray, {row.hops} rounds of {row.bound}",
                file=sys.stderr,
            )
    return status


def _measure(options: Options, rows: list[Row]) -> None:
    """Adds the rows of each cluster as soon as it has been measured."""
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
            raise ScalingError(
                f"the process with {nodes:,} nodes was killed: too little memory?"
            ) from None


def _rows(shape: Shape, nodes: int, body_bytes: int, runs: int, seed: int) -> list[Row]:
    return list(measure(shape, nodes, body_bytes, runs, seed))


def _report(options: Options, rows: Sequence[Row]) -> None:
    if not rows:
        return
    made = tables(rows)
    show(made)
    if options.json is not None:
        options.json.write_text(to_json(rows), encoding="utf-8")
    if options.doc is not None:
        page = insert(read(options.doc), as_markdown(made))
        options.doc.write_text(page, encoding="utf-8")
    if options.chart is not None:
        from scripts.scaling.chart import draw  # matplotlib takes a second to import

        draw(rows, options.chart)


if __name__ == "__main__":
    sys.exit(main())
