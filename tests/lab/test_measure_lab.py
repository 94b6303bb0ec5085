"""`scripts/measure_lab` as a person starts it: a short run, with either kind of node."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lab.figures import Figures

pytestmark = pytest.mark.namespaces

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 120.0  # a deadline, for a machine busy with other things
BROADCASTS = 8


@pytest.mark.parametrize("program", ["recorder", "sidecar"])
def test_a_run_ends_with_all_figures(program: str, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-P", "-m", "scripts.lab.measure", "--json", str(file)]
    options = ["--broadcasts", str(BROADCASTS), *(["--sidecar"] * (program == "sidecar"))]
    done = subprocess.run(
        [*command, *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert done.stderr == ""
    figures = json.loads(file.read_text())
    assert set(figures) == {field.name for field in dataclasses.fields(Figures)}
    assert (figures["program"], figures["broadcasts"]) == (program, BROADCASTS)
    # On a machine that is very busy some may be late: then that is what it has to say.
    assert figures["deliveries"] + figures["missing"] == BROADCASTS * 11
    flawless = figures["missing"] == figures["duplicates"] == figures["uninvited"] == 0
    assert done.returncode == (0 if flawless else 1)
    assert figures["cpu_ms_all"] > 0
    assert figures["bytes_all"] > figures["bytes_idle"] > 0
    for name in ("hop_1_tcp_p50_ms", "hop_1_multicast_p50_ms", "hop_2_multicast_p50_ms"):
        assert figures[name] > 0
    assert f"nodes: {program}, sealed by {figures['aead']}" in done.stdout
