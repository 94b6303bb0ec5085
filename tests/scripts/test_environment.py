"""scripts/_env.sh: when it installs again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "_env.sh"


@pytest.mark.parametrize(
    ("extra", "installed", "has"),
    [
        ("", [], True),
        ("dashboard", ["test"], True),
        ("test", ["dev"], True),
        ("dev", ["test"], False),
        ("bench", ["dev"], False),
        ("dev", ["bench"], False),
        ("test", ["bench", "dev"], True),
        ("bench", ["dashboard", "bench"], True),
        ("dashboard", [], False),
    ],
)
def test_an_extra_is_installed_by_itself_or_as_part_of_another(
    extra: str, installed: list[str], has: bool
) -> None:
    ask = 'source "$1"; shift; has_extra "$@"'
    done = subprocess.run(["bash", "-uc", ask, "bash", SCRIPT, extra, *installed], check=False)
    assert (done.returncode == 0) == has
