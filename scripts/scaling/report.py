"""The figures in files: as JSON, and in a page between two markers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields

from scripts.fanout import report
from scripts.scaling.errors import ScalingError
from scripts.scaling.figures import Row

BEGIN = "<!-- measure_scaling -->"
END = "<!-- /measure_scaling -->"


def to_json(rows: Sequence[Row]) -> str:
    """A list of objects; null where a figure does not exist, as of lists where there are none."""
    return json.dumps([asdict(row) for row in rows], indent=1) + "\n"


def from_json(text: str) -> list[Row]:
    """What `to_json` was given.

    Raises:
        ScalingError: it is something else; says what.
    """
    names = {field.name for field in fields(Row)}
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise ScalingError(f"this is no JSON: {error}") from None
    if not isinstance(entries, list):
        raise ScalingError("this is no list of figures, as --json writes it")
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != names:
            raise ScalingError(f"an entry has not exactly the names that --json writes: {entry!r}")
    return [Row(**entry) for entry in entries]


def insert(page: str, between: str) -> str:
    """The page with this between its markers, instead of what was there.

    Raises:
        BenchError: it has not exactly one pair of them.
    """
    return report.insert(page, between, BEGIN, END)
