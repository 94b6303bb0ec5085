"""The figures as tables, as JSON and in a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.fanout.main import MARKER as OTHER
from scripts.measuring.page import markers
from scripts.measuring.rows import from_json, to_json
from scripts.measuring.tables import as_markdown
from scripts.scaling import main
from scripts.scaling.figures import EVERYONE, NEIGHBOURS, Row, row_of
from scripts.scaling.tables import tables
from tests.scaling.test_figures import SENT

ALL = row_of("tcp", 1000, EVERYONE, 999, [SENT, SENT], memory_mib=1234.5, seconds=3)
SOME = row_of("subnet", 1000, NEIGHBOURS, 1, [replace(SENT, listed=0)] * 2)


def test_figures_come_back_from_json() -> None:
    assert from_json(to_json([ALL, SOME]), Row, main.CHOICES) == [ALL, SOME]


def test_there_is_a_table_for_each_kind_of_broadcast() -> None:
    made = tables([SOME, ALL])
    assert [table.title for table in made] == [
        "To everyone",
        "To neighbours of one subnet, 50 at most",
    ]
    assert [line[:4] for line in made[0].lines] == [("tcp", "1,000", "10", "2 of 11")]
    assert [line[:4] for line in made[1].lines] == [("subnet", "1,000", "10", "2 of 2")]
    assert "–" in made[1].lines[0]
    assert tables([ALL]) == made[:1]


def test_a_page_is_made_from_a_file_of_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, page = tmp_path / "figures.json", tmp_path / "page.md"
    figures.write_text(to_json([ALL, SOME]))
    others = "\nothers\n".join(markers(OTHER)) + "\n"
    begin, end = markers(main.MARKER)
    page.write_text(f"{others}before\n\n{begin}\nold\n{end}\n\nafter\n")

    for _ in range(2):  # the second finds what the first wrote
        assert main.main(["--from", str(figures), "--doc", str(page)]) == 0
        assert page.read_text() == (
            f"{others}before\n\n{begin}\n\n{as_markdown(tables([ALL, SOME]))}\n{end}\n\nafter\n"
        )
    assert "| tcp |" in capsys.readouterr().out


@pytest.mark.parametrize("bad", [{"lost": 1}, {"doubled": 1}, {"stray": 1}, {"hops": 12}], ids=str)
def test_what_is_not_well_ends_with_1_and_says_so(
    bad: dict[str, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    row: Row = replace(ALL, **bad)  # type: ignore[arg-type]
    figures.write_text(to_json([row]))
    assert main.main(["--from", str(figures)]) == 1
    assert "tcp, 1,000 nodes" in capsys.readouterr().err


def test_a_chart_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from scripts.scaling.chart import draw

    written = draw([ALL, replace(ALL, nodes=10), SOME], tmp_path / "scaling")
    assert [file.name for file in written] == ["scaling.png", "scaling.svg"]
    assert all(file.stat().st_size > 1000 for file in written)
