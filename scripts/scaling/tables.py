"""The figures as tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.measuring.tables import NONE, Column, Table, table_of
from scripts.scaling.figures import EVERYONE, NEIGHBOURS, Row
from scripts.scaling.shapes import MOST_TARGETS

_TITLES = {
    EVERYONE: "To everyone",
    NEIGHBOURS: f"To neighbours of one subnet, {MOST_TARGETS} at most",
}


def _bytes(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"


_COLUMNS: tuple[Column[Row], ...] = (
    ("shape", lambda row: row.shape),
    ("nodes", lambda row: f"{row.nodes:,}"),
    ("recipients", lambda row: f"{row.recipients:,}"),
    ("rounds, of at most", lambda row: f"{row.hops} of {row.bound}"),
    ("copies per delivery", lambda row: f"{row.copies_per_delivery:.3f}"),
    ("frames", lambda row: f"{row.frames:,.0f}"),
    ("header B per recipient", lambda row: _bytes(row.header_bytes_per_recipient)),
    ("of it other records", lambda row: _bytes(row.other_bytes_per_recipient)),
    ("of it lists", lambda row: _bytes(row.list_bytes_per_recipient)),
    ("list B per listed", lambda row: _bytes(row.list_bytes_per_listed)),
    ("origin's CPU to send, ms", lambda row: f"{row.sending_us / 1e3:,.2f}"),
    ("with answers, ms", lambda row: f"{row.total_us / 1e3:,.2f}"),
    ("virtual ms to the last", lambda row: f"{row.last_ms:,.2f}"),
    ("the first time", lambda row: f"{row.first_ms:,.2f}"),
    ("memory, MiB", lambda row: f"{row.memory_mib:,.0f}"),
)


def tables(rows: Sequence[Row]) -> list[Table]:
    """One for those to everyone, one for those to some."""
    return [
        table_of(title, _COLUMNS, [row for row in rows if row.to == to])
        for to, title in _TITLES.items()
        if any(row.to == to for row in rows)
    ]
