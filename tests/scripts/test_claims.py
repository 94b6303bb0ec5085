"""docs/claims.md: each claim names a command that there is, with the options and tests it names."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def rows() -> list[list[str]]:
    """The cells of each claim."""
    lines = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[2:]]


def commands() -> list[list[str]]:
    """Each command, taken apart; what is left out of a second one is that of the one before."""
    found: list[list[str]] = []
    for _, shown_by, _ in rows():
        for text in re.findall(r"`([^`]+)`", shown_by):
            for part in text.split(" && "):
                words = shlex.split(part)
                if words[0] == "...":
                    words[0] = found[-1][0]
                found.append(words)
    return list({tuple(words): words for words in found}.values())


@cache
def help_of(script: str) -> str:
    """What a script that runs a module says of its options."""
    text = (ROOT / script).read_text(encoding="utf-8")
    module = re.search(r"-m (scripts\.[\w.]+)", text)
    assert module is not None, f"{script} runs no module"
    shown = subprocess.run(
        [sys.executable, "-P", "-m", module[1], "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return shown.stdout


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_a_claim_has_a_command_and_what_it_printed(row: list[str]) -> None:
    claim, shown_by, figure = row
    assert claim
    assert "`scripts/" in shown_by
    assert figure


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_command_is_there_with_all_that_it_names(words: list[str]) -> None:
    script, *arguments = words
    assert os.access(ROOT / script, os.X_OK), f"{script} is no program"
    if script == "scripts/test":
        selected = arguments.index("-k") if "-k" in arguments else len(arguments)
        places = arguments[:selected]
        assert all((ROOT / place).exists() for place in places)
        for word in arguments[selected + 1 :]:
            assert any(
                re.search(rf"def test_\w*{word}", (ROOT / place).read_text(encoding="utf-8"))
                for place in places
            ), f"no test of {places} has {word} in its name"
        return
    for option in arguments:
        if option.startswith("--"):
            assert re.search(rf"^ +(-\w, )?{option}\b", help_of(script), re.MULTILINE)
