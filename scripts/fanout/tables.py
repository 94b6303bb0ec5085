"""The figures as tables: for a terminal, and in Markdown for everything else. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scripts.fanout.figures import Row


@dataclass(frozen=True)
class Table:
    """One: all systems on the same work. The first column is text, the others are figures."""

    title: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _tenths(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def _hundredths(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"


@dataclass(frozen=True)
class _Layout:
    title: str
    columns: tuple[tuple[str, Callable[[Row], str]], ...]


_ENDS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("lost", lambda row: _whole(row.lost)),
    ("doubled", lambda row: _whole(row.duplicated)),
    ("runs", lambda row: str(row.runs)),
)

_LAYOUTS = {
    "latency": _Layout(
        "Time to the handlers",
        (
            ("last subscriber p50, ms", lambda row: _hundredths(row.last_p50_ms)),
            ("p99", lambda row: _hundredths(row.last_p99_ms)),
            ("each delivery p50, ms", lambda row: _hundredths(row.p50_ms)),
            ("p99", lambda row: _hundredths(row.p99_ms)),
            *_ENDS,
        ),
    ),
    "throughput": _Layout(
        "As fast as it is accepted",
        (
            ("deliveries/s", lambda row: _whole(row.deliveries_per_s)),
            ("CPU µs per delivery", lambda row: _tenths(row.cpu_us_per_delivery)),
            *_ENDS,
        ),
    ),
}


def tables(rows: Sequence[Row]) -> list[Table]:
    """A table for each kind of work, in the order in which they were measured."""
    kinds = dict.fromkeys((row.mode, row.nodes, row.size) for row in rows)
    made = []
    for mode, nodes, size in kinds:
        layout = _LAYOUTS[mode]
        made.append(
            Table(
                f"{layout.title}: {nodes} subscribers, {size:,} B",
                ("system", *(name for name, _ in layout.columns)),
                tuple(
                    (row.system, *(cell(row) for _, cell in layout.columns))
                    for row in rows
                    if (row.mode, row.nodes, row.size) == (mode, nodes, size)
                ),
            )
        )
    return made


def as_markdown(made: Sequence[Table]) -> str:
    """The same for a page; ends with a line break, unless there are none."""
    return "\n".join(_one_as_markdown(table) for table in made)


def _one_as_markdown(table: Table) -> str:
    rule = ("---", *["---:"] * (len(table.header) - 1))
    lines = ["| " + " | ".join(cells) + " |" for cells in (table.header, rule, *table.lines)]
    return "\n".join([f"**{table.title}**", "", *lines, ""])
