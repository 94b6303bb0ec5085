"""chatter beside what else one would use: `scripts/bench_fanout --help`."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.fanout.arguments import Options, parse
from scripts.fanout.figures import Case, Round, Row, figures_of
from scripts.fanout.places import open_places
from scripts.fanout.plan import MODES, complaints
from scripts.fanout.run import measure
from scripts.fanout.systems import SYSTEMS
from scripts.fanout.tables import tables
from scripts.lab.signals import ignore_signals, raise_on_signals
from scripts.measuring.errors import MeasureError
from scripts.measuring.program import carry_out
from scripts.measuring.screen import progress

CHOICES = {"mode": MODES, "system": SYSTEMS}
"""What can stand in a file of figures."""

MARKER, SEGMENTS_MARKER = "bench_fanout", "bench_fanout --segments"


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    options = parse(arguments)
    rows: list[Row] = []
    status = carry_out(
        "bench_fanout", lambda: _measure(options, rows), lambda: _report(options, rows)
    )
    return status or (0 if is_well(rows) else 1)


def is_well(rows: Sequence[Row]) -> bool:
    """Whether everything came once, where that is promised."""
    return not any(row.lost or row.duplicated for row in rows if SYSTEMS[row.system].lossless)


def _measure(options: Options, rows: list[Row]) -> None:
    """Adds a row for each case, as soon as it has had all of its runs."""
    if options.reports.sources:
        rows += options.reports.rows(Row, CHOICES)
        return
    plan = options.plan
    if not plan.total:
        raise MeasureError("nothing to measure: name a mode and a system")
    if missing := complaints(plan, options.segments):
        raise MeasureError("; ".join(missing))
    raise_on_signals()
    with contextlib.ExitStack() as stack:
        places = stack.enter_context(open_places(options.segments, max(plan.nodes) + 1))
        told = stack.enter_context(progress(plan.total))
        stack.callback(ignore_signals)  # runs first: no signal may stop the clean-up half way
        for cases in plan.work():
            rounds: dict[Case, list[Round]] = {case: [] for case in cases}
            for run, case in plan.interleaved(cases):
                work = f"{case.nodes} subscribers, {case.size:,} B, run {run} of {plan.runs}"
                told(f"{case.system}, {case.mode}, {work}")
                rounds[case].append(measure(case, options.work, places))
            rows += [figures_of(case, rounds[case]) for case in cases]


def _report(options: Options, rows: Sequence[Row]) -> None:
    marker = SEGMENTS_MARKER if options.segments else MARKER
    options.reports.write(rows, tables(rows), marker, _draw)


def _draw(rows: Sequence[Row], prefix: Path) -> None:
    from scripts.fanout.chart import draw  # matplotlib takes a second to import

    draw(rows, prefix)


if __name__ == "__main__":
    sys.exit(main())
