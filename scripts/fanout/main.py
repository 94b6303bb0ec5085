"""chatter beside what else one would use: `scripts/bench_fanout --help`."""

import contextlib
import sys
from collections.abc import Sequence

from scripts.fanout.arguments import Options, parse
from scripts.fanout.errors import BenchError
from scripts.fanout.figures import Case, Round, Row, figures_of
from scripts.fanout.places import open_places
from scripts.fanout.plan import complaints
from scripts.fanout.report import (
    BEGIN,
    END,
    SEGMENTS_BEGIN,
    SEGMENTS_END,
    from_json,
    insert,
    read,
    to_json,
)
from scripts.fanout.run import measure
from scripts.fanout.screen import Told, progress, show
from scripts.fanout.systems import SYSTEMS
from scripts.fanout.tables import as_markdown, tables
from scripts.lab.errors import Interrupted
from scripts.lab.signals import ignore_signals, raise_on_signals


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    options = parse(arguments)
    rows: list[Row] = []
    status = 0
    try:
        if options.sources:
            rows = [row for source in options.sources for row in from_json(read(source))]
        else:
            _measure(options, rows)
    except BenchError as error:
        print(f"bench_fanout: {error}", file=sys.stderr)
        status = 1  # what was measured before is shown all the same
    except Interrupted as interrupt:
        status = 128 + interrupt.signal_number
    try:
        _report(options, rows)
    except (BenchError, OSError) as error:
        print(f"bench_fanout: {error}", file=sys.stderr)
        return 1
    return status or (0 if is_well(rows) else 1)


def is_well(rows: Sequence[Row]) -> bool:
    """Whether everything came once, where that is promised."""
    return not any(row.lost or row.duplicated for row in rows if SYSTEMS[row.system].lossless)


def _measure(options: Options, rows: list[Row]) -> None:
    """Adds a row for each case, as soon as it has had all of its runs."""
    plan = options.plan
    if not plan.total:
        raise BenchError("nothing to measure: name a mode and a system")
    if missing := complaints(plan, options.segments):
        raise BenchError("; ".join(missing))
    raise_on_signals()
    with contextlib.ExitStack() as stack:
        places = stack.enter_context(open_places(options.segments, max(plan.nodes) + 1))
        told: Told = stack.enter_context(progress(plan.total))
        stack.callback(ignore_signals)  # runs first: no signal may stop the clean-up half way
        for cases in plan.work():
            rounds: dict[Case, list[Round]] = {case: [] for case in cases}
            for run, case in plan.interleaved(cases):
                work = f"{case.nodes} subscribers, {case.size:,} B, run {run} of {plan.runs}"
                told(f"{case.system}, {case.mode}, {work}")
                rounds[case].append(measure(case, options.work, places))
            rows += [figures_of(case, rounds[case]) for case in cases]


def _report(options: Options, rows: list[Row]) -> None:
    if not rows:
        return
    made = tables(rows)
    show(made)
    if options.json is not None:
        options.json.write_text(to_json(rows), encoding="utf-8")
    if options.doc is not None:
        begin, end = (SEGMENTS_BEGIN, SEGMENTS_END) if options.segments else (BEGIN, END)
        page = insert(read(options.doc), as_markdown(made), begin, end)
        options.doc.write_text(page, encoding="utf-8")
    if options.chart is not None:
        from scripts.fanout.chart import draw  # matplotlib takes a second to import

        draw(rows, options.chart)


if __name__ == "__main__":
    sys.exit(main())
