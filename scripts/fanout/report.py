"""The figures in files: as JSON, and in a page between two markers."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from scripts.fanout.errors import BenchError
from scripts.fanout.figures import Row
from scripts.fanout.plan import MODES

BEGIN = "<!-- bench_fanout -->"
END = "<!-- /bench_fanout -->"
SEGMENTS_BEGIN = "<!-- bench_fanout --segments -->"
SEGMENTS_END = "<!-- /bench_fanout --segments -->"


def to_json(rows: Sequence[Row]) -> str:
    """A list of objects, one a case; null where its mode does not measure something."""
    return json.dumps([asdict(row) for row in rows], indent=1) + "\n"


def from_json(text: str) -> list[Row]:
    """What `to_json` was given.

    Raises:
        BenchError: it is something else; says what.
    """
    names = {field.name for field in fields(Row)}
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise BenchError(f"this is no JSON: {error}") from None
    if not isinstance(entries, list):
        raise BenchError("this is no list of figures, as --json writes it")
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != names or entry["mode"] not in MODES:
            raise BenchError(f"an entry has not exactly the names that --json writes: {entry!r}")
    return [Row(**entry) for entry in entries]


def insert(page: str, between: str, begin: str = BEGIN, end: str = END) -> str:
    """The page with this between its markers, instead of what was there.

    Raises:
        BenchError: it has not exactly one pair of them.
    """
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise BenchError(f"the page needs one line {begin} and after it one line {end}")
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{between}\n{end}{after}"


def read(file: Path) -> str:
    """Its text.

    Raises:
        BenchError: it can't be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"can't read {file}: {error}") from None
