"""The figures as tables, as JSON and in a page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.fanout import main
from scripts.fanout.figures import Row
from scripts.fanout.tables import tables
from scripts.measuring.page import markers
from scripts.measuring.rows import from_json, to_json
from scripts.measuring.tables import as_markdown

FLOOD = Row("chatter", "throughput", 8, 1024, 12345.6, 17.25, None, None, None, None, 0, 0, 3)
PACED = Row("udp", "latency", 8, 1024, None, 250.0, 0.5, 1.25, 0.25, 1, 2, 0, 3)


def test_the_json_has_exactly_these_names() -> None:
    assert [list(entry) for entry in json.loads(to_json([FLOOD]))] == [
        [
            *("system", "mode", "nodes", "size", "deliveries_per_s", "cpu_us_per_delivery"),
            *("last_p50_ms", "last_p99_ms", "p50_ms", "p99_ms", "lost", "duplicated", "runs"),
        ]
    ]
    assert from_json(to_json([FLOOD, PACED]), Row, main.CHOICES) == [FLOOD, PACED]


def test_each_kind_of_work_has_a_table() -> None:
    other = replace(FLOOD, system="redis", deliveries_per_s=None, cpu_us_per_delivery=None)
    made = tables([PACED, FLOOD, other])

    assert [table.title for table in made] == [
        "Time to the handlers: 8 subscribers, 1,024 B",
        "As fast as it is accepted: 8 subscribers, 1,024 B",
    ]
    assert made[0].lines == (("udp", "0.50", "1.25", "0.25", "1.00", "250.0", "2", "0", "3"),)
    assert made[1].lines == (
        ("chatter", "12,346", "17.2", "0", "0", "3"),
        ("redis", "–", "–", "0", "0", "3"),
    )
    lines = as_markdown(made).splitlines()
    assert lines[2].startswith("| system | last subscriber p50, ms |")
    assert lines[3] == "| --- | " + " | ".join(["---:"] * 8) + " |"
    assert "| chatter | 12,346 | 17.2 | 0 | 0 | 3 |" in lines


def test_a_page_is_made_from_a_file_of_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, page = tmp_path / "figures.json", tmp_path / "page.md"
    figures.write_text(to_json([FLOOD, PACED]))
    begin, end = markers(main.MARKER)
    page.write_text(f"before\n\n{begin}\nold\n{end}\n\nafter\n")

    for _ in range(2):  # the second finds what the first wrote
        assert main.main(["--from", str(figures), "--doc", str(page)]) == 0
        assert page.read_text() == (
            f"before\n\n{begin}\n\n{as_markdown(tables([FLOOD, PACED]))}\n{end}\n\nafter\n"
        )
    assert "| chatter |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "well"),
    [
        (FLOOD, True),
        (replace(FLOOD, lost=1), False),
        (replace(FLOOD, duplicated=1), False),
        (replace(FLOOD, system="chatter:tree", lost=1), False),
        (replace(FLOOD, system="udp", lost=1), True),
    ],
)
def test_only_chatter_has_to_deliver_everything_once(row: Row, well: bool) -> None:
    assert main.is_well([PACED, row]) == well


def test_figures_of_several_files_and_of_segments_have_their_own_place(tmp_path: Path) -> None:
    one, other, page = tmp_path / "one.json", tmp_path / "other.json", tmp_path / "page.md"
    one.write_text(to_json([FLOOD]))
    other.write_text(to_json([PACED]))
    begin, end = markers(main.MARKER)
    segments = "\n".join(markers(main.SEGMENTS_MARKER))
    page.write_text(f"a\n{begin}\n{end}\nb\n{segments}\nc\n")

    assert main.main(["--from", str(one), "--from", str(other), "--doc", str(page)]) == 0
    written = page.read_text()
    assert written.index("Time to the handlers") < written.index(end)
    assert written.index("As fast as it is accepted") < written.index(end)
    assert main.main(["--from", str(other), "--doc", str(page), "--segments", "2"]) == 0
    assert page.read_text().count("Time to the handlers") == 2
