"""Figures in a file: a list of objects, one for each row of a table."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from scripts.measuring.errors import MeasureError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")


def to_json(rows: Sequence["DataclassInstance"]) -> str:
    """Objects with the names of the fields; null where a figure does not exist."""
    return json.dumps([asdict(row) for row in rows], indent=1) + "\n"


def from_json(text: str, kind: type[R], choices: Mapping[str, Collection[str]]) -> list[R]:
    """What `to_json` was given.

    Args:
        choices: the values that there are, for the fields that have few.

    Raises:
        MeasureError: it is something else; says what.
    """
    names = {field.name for field in fields(kind)}
    try:
        entries: Any = json.loads(text)
    except ValueError as error:
        raise MeasureError(f"this is no JSON: {error}") from None
    if not isinstance(entries, list):
        raise MeasureError("this is no list of figures, as --json writes it")
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != names:
            raise MeasureError(f"an entry has not exactly the names that --json writes: {entry!r}")
        for name, known in choices.items():
            if entry[name] not in known:
                raise MeasureError(f"no {name} {entry[name]!r}; known are {', '.join(known)}")
    return [kind(**entry) for entry in entries]


def read(file: Path) -> str:
    """Its text.

    Raises:
        MeasureError: it can't be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MeasureError(f"can't read {file}: {error}") from None
