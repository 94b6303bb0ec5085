"""The table of examples has each of them, with a command that is there, and a test."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.examples.running import EXAMPLES, ROOT, ROWS

FOLDERS = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir() and any(path.iterdir()))


def test_the_table_was_read() -> None:
    assert len(ROWS) == 6
    assert set(FOLDERS) <= ROWS.keys()


@pytest.mark.parametrize("name", FOLDERS)
def test_an_example_has_its_command_and_says_what_it_does(name: str) -> None:
    files = [Path(word) for word in shlex.split(ROWS[name]) if word.startswith("examples/")]
    assert [file.parts[1] for file in files] == [name]
    assert (ROOT / files[0]).is_file()
    if shlex.split(ROWS[name])[0] == str(files[0]):
        assert os.access(ROOT / files[0], os.X_OK)
    readme = EXAMPLES / name / "README.md"
    if readme.exists():
        assert f"$ {ROWS[name]}\n" in readme.read_text(encoding="utf-8")
    else:
        assert "\n# " in (ROOT / files[0]).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FOLDERS)
def test_an_example_is_tested(name: str) -> None:
    assert list((ROOT / "tests").rglob(f"test_{name}.py"))
