"""Where figures come from and go to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.measuring.arguments import parser
from scripts.measuring.errors import MeasureError
from scripts.measuring.page import markers
from scripts.measuring.reports import Reports, add_options, asked_for
from scripts.measuring.tables import table_of


@dataclass(frozen=True)
class Row:
    name: str


ROWS = [Row("a"), Row("b")]
MADE = [table_of("Names", [("name", lambda row: row.name)], ROWS)]


def parsed(*arguments: str) -> Reports:
    one = parser("scripts/x", "")
    add_options(one)
    return asked_for(one, one.parse_args(arguments))


def test_options_are_paths_and_sources_may_be_several() -> None:
    assert parsed() == Reports()
    assert parsed("--from", "a", "--from", "b", "--doc", "d", "--chart", "c") == Reports(
        (Path("a"), Path("b")), None, Path("c"), Path("d")
    )


def test_figures_are_not_written_again_where_they_are_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parsed("--from", "a", "--json", "b")
    assert "--json would write again what --from reads" in capsys.readouterr().err


def test_all_that_was_asked_for_is_written_and_can_be_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json, doc = tmp_path / "figures.json", tmp_path / "page.md"
    begin, end = markers("me")
    doc.write_text(f"{begin}\n{end}\n")
    drawn: list[tuple[Sequence[Row], Path]] = []

    def draw(rows: Sequence[Row], prefix: Path) -> None:
        drawn.append((rows, prefix))

    Reports((), json, tmp_path / "chart", doc).write(ROWS, MADE, "me", draw)
    table = "**Names**\n\n| name |\n| --- |\n| a |\n| b |\n"
    assert capsys.readouterr().out == f"{table}\n"
    assert doc.read_text() == f"{begin}\n\n{table}\n{end}\n"
    assert drawn == [(ROWS, tmp_path / "chart")]
    assert Reports((json, json)).rows(Row, {}) == ROWS * 2

    Reports((), json, tmp_path / "chart", doc).write([], [], "me", draw)
    assert len(drawn) == 1
    assert capsys.readouterr().out == ""
    with pytest.raises(MeasureError):
        Reports(doc=json).write(ROWS, MADE, "me", draw)
