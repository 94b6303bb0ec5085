"""The figures as tables. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.fanout.figures import Row
from scripts.measuring.tables import Column, Table, decimals, table_of


@dataclass(frozen=True)
class _Layout:
    title: str
    columns: tuple[Column[Row], ...]


_SYSTEM: Column[Row] = ("system", lambda row: row.system)

_ENDS: tuple[Column[Row], ...] = (
    ("lost", lambda row: decimals(row.lost, 0)),
    ("doubled", lambda row: decimals(row.duplicated, 0)),
    ("runs", lambda row: str(row.runs)),
)

_LAYOUTS = {
    "latency": _Layout(
        "Time to the handlers",
        (
            ("last subscriber p50, ms", lambda row: decimals(row.last_p50_ms, 2)),
            ("p99", lambda row: decimals(row.last_p99_ms, 2)),
            ("each delivery p50, ms", lambda row: decimals(row.p50_ms, 2)),
            ("p99", lambda row: decimals(row.p99_ms, 2)),
            ("CPU µs per delivery", lambda row: decimals(row.cpu_us_per_delivery, 1)),
            *_ENDS,
        ),
    ),
    "throughput": _Layout(
        "As fast as it is accepted",
        (
            ("deliveries/s", lambda row: decimals(row.deliveries_per_s, 0)),
            ("CPU µs per delivery", lambda row: decimals(row.cpu_us_per_delivery, 1)),
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
            table_of(
                f"{layout.title}: {nodes} subscribers, {size:,} B",
                (_SYSTEM, *layout.columns),
                [row for row in rows if (row.mode, row.nodes, row.size) == (mode, nodes, size)],
            )
        )
    return made
