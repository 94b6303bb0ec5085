"""Short runs of real processes; how fast they are is nobody's business here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.fanout.systems import PEERS

ROOT = Path(__file__).parents[2]


def bench(tmp_path: Path, *arguments: str) -> list[dict[str, Any]]:
    """The figures of a short run that ended well."""
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "scripts.fanout.main", "--json", str(figures)),
            *("--nodes", "2", "--seconds", "0.3", "--runs", "1", *arguments),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(figures.read_text())
    return rows


def check(row: dict[str, Any]) -> None:
    """Everything that the mode measures is there, and nothing else."""
    measured = {name for name, value in row.items() if name.endswith(("_s", "_ms", "_delivery"))}
    flooded = {"deliveries_per_s", "cpu_us_per_delivery"}
    present = flooded if row["mode"] == "throughput" else measured - {"deliveries_per_s"}
    for name in measured:
        assert (row[name] is not None) == (name in present), name
        assert row[name] is None or row[name] > 0, name
    assert row["duplicated"] == 0
    assert row["lost"] == 0 or row["system"] == "udp"


def test_chatter_beside_udp(tmp_path: Path) -> None:
    rows = bench(tmp_path, "--against", "udp")
    assert [(row["system"], row["mode"], row["nodes"], row["runs"]) for row in rows] == [
        (system, mode, 2, 1) for mode in ("latency", "throughput") for system in ("chatter", "udp")
    ]
    for row in rows:
        check(row)


@pytest.mark.bench
def test_all_systems_take_part(tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    peers = ["--against", ",".join(PEERS), "--chatter", "fast", "--codec", "json"]
    rows = bench(tmp_path, *peers, "--chart", str(chart))
    assert [row["system"] for row in rows] == ["chatter:fast", *PEERS] * 2
    for row in rows:
        check(row)
    assert chart.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in chart.with_suffix(".svg").read_text()


@pytest.mark.namespaces
def test_in_two_segments(tmp_path: Path) -> None:
    rows = bench(
        tmp_path,
        *("--segments", "2", "--against", "tcp"),
        *("--modes", "latency", "--chatter", "default"),
    )
    assert [row["system"] for row in rows] == ["chatter", "tcp"]
    for row in rows:
        check(row)
