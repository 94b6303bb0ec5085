"""Figures as tables: for a terminal, and in Markdown for everything else. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

R = TypeVar("R")

Column = tuple[str, Callable[[R], str]]
"""A heading, and the cell of a row below it."""

NONE = "–"
"""Stands where there is no figure."""


@dataclass(frozen=True)
class Table:
    """The first column is text, the others are figures."""

    title: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def table_of(title: str, columns: Sequence[Column[R]], rows: Iterable[R]) -> Table:
    """One line for each row."""
    return Table(
        title,
        tuple(name for name, _ in columns),
        tuple(tuple(cell(row) for _, cell in columns) for row in rows),
    )


def decimals(value: float | None, places: int) -> str:
    """A cell with so many digits behind the point."""
    return NONE if value is None else f"{value:,.{places}f}"


def as_markdown(made: Sequence[Table]) -> str:
    """The same for a page; ends with a line break, unless there are none."""
    return "\n".join(_one_as_markdown(table) for table in made)


def _one_as_markdown(table: Table) -> str:
    rule = ("---", *["---:"] * (len(table.header) - 1))
    lines = ["| " + " | ".join(cells) + " |" for cells in (table.header, rule, *table.lines)]
    return "\n".join([f"**{table.title}**", "", *lines, ""])
