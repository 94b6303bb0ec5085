"""The arithmetic of scripts/bench_socketio, and its page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.measuring.page import insert
from scripts.socketio_lab.figures import (
    MARKER,
    Case,
    Run,
    percentile,
    row_of,
    to_json,
    to_markdown,
)

CASE = Case(on_each=1, emits=4, rate=10, size=64)
PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "socketio.md"


def run(latencies_us: list[float], workers_cpu_s: float, broker_cpu_s: float) -> Run:
    return Run("redis", CASE, 10, latencies_us, workers_cpu_s, broker_cpu_s)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([3.0], 50, 3.0), ([4.0, 1.0, 3.0, 2.0], 50, 2.0), (list(range(1, 101)), 99, 99)],
)
def test_a_percentile_is_one_of_the_values(
    values: list[float], percent: int, expected: float
) -> None:
    assert percentile(values, percent) == expected


def test_a_row_has_medians_of_the_runs_and_the_broker_counts() -> None:
    row = row_of(
        [
            run([100.0, 200.0, 900.0], 0.001, 0.0002),
            run([100.0, 300.0, 700.0], 0.002, 0.0001),
            run([100.0, 400.0, 800.0], 0.003, 0.0001),
        ]
    )
    assert (row.p50_us, row.p99_us, row.p99_spread_us) == (300.0, 800.0, (700.0, 900.0))
    assert row.workers_cpu_us == pytest.approx(200.0)
    assert row.cpu_us == pytest.approx(210.0)
    assert row.cpu_spread_us == pytest.approx((120.0, 310.0))
    assert (row.runs, row.delivered) == (3, 30)
    (read,) = json.loads(to_json([row]))
    assert read["manager"] == "redis"
    assert "| 1 | 64 B | 10 | redis | 0.30 ms | 0.80 ms (0.70, 0.90) |" in to_markdown([row])


def test_the_page_takes_the_table() -> None:
    assert "| a table |" in insert(PAGE.read_text(encoding="utf-8"), "| a table |\n", MARKER)
