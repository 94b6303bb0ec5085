"""Figures in files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.measuring.errors import MeasureError
from scripts.measuring.rows import from_json, read, to_json


@dataclass(frozen=True)
class Row:
    colour: str
    ms: float | None


ROWS = [Row("red", 1.5), Row("blue", None)]
CHOICES = {"colour": ("red", "blue")}


def test_what_is_written_is_read_again() -> None:
    assert json.loads(to_json(ROWS)) == [
        {"colour": "red", "ms": 1.5},
        {"colour": "blue", "ms": None},
    ]
    assert from_json(to_json(ROWS), Row, CHOICES) == ROWS
    assert from_json(to_json([]), Row, CHOICES) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("{}", "no list"),
        ("[1]", "not exactly the names"),
        ('["colour"]', "not exactly the names"),
        ('[{"colour": "red"}]', "not exactly the names"),
        ('[{"colour": "red", "ms": 1, "more": 2}]', "not exactly the names"),
        ('[{"colour": "green", "ms": 1}]', "no colour 'green'; known are red, blue"),
        ('[{"colour": ["red"], "ms": 1}]', "no colour"),
    ],
)
def test_what_is_something_else_is_refused(text: str, said: str) -> None:
    with pytest.raises(MeasureError, match=said):
        from_json(text, Row, CHOICES)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff")
    for file in (tmp_path / "none", tmp_path, binary):
        with pytest.raises(MeasureError, match="can't read"):
            read(file)
