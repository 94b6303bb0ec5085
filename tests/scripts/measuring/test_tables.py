"""Figures as tables."""

from __future__ import annotations

from scripts.measuring.tables import NONE, Column, as_markdown, decimals, table_of


def test_a_table_has_a_line_for_each_row() -> None:
    columns: list[Column[int]] = [("name", str), ("twice", lambda row: decimals(2 * row, 1))]
    made = table_of("Numbers", columns, [1, 1000])
    assert made.header == ("name", "twice")
    assert made.lines == (("1", "2.0"), ("1000", "2,000.0"))
    assert as_markdown([made, made]).splitlines()[:6] == [
        "**Numbers**",
        "",
        "| name | twice |",
        "| --- | ---: |",
        "| 1 | 2.0 |",
        "| 1000 | 2,000.0 |",
    ]
    assert as_markdown([]) == ""


def test_where_there_is_no_figure_a_dash_stands() -> None:
    assert decimals(None, 2) == NONE
    assert decimals(1234.565, 0) == "1,235"
