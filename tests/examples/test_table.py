"""The table of examples has each of them, with the command that its own README gives."""

from __future__ import annotations

from tests.examples.running import EXAMPLES, ROWS


def test_each_example_is_in_the_table_with_its_command() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir() and any(path.iterdir())}
    assert folders <= ROWS.keys()
    for name in folders:
        assert f"$ {ROWS[name]}\n" in (EXAMPLES / name / "README.md").read_text(encoding="utf-8")


def test_each_example_is_tested() -> None:
    tests = {path.stem for path in (EXAMPLES.parent / "tests" / "examples").glob("test_*.py")}
    for path in EXAMPLES.iterdir():
        if path.is_dir() and any(path.iterdir()):
            assert f"test_{path.name}" in tests
