"""Where figures come from and go to, beside the screen: files of them, a page, a picture."""

import argparse
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from scripts.measuring.page import insert
from scripts.measuring.rows import from_json, read, to_json
from scripts.measuring.screen import show
from scripts.measuring.tables import Table, as_markdown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")


@dataclass(frozen=True)
class Reports:
    """What was asked for.

    Args:
        sources: figures of before, to be shown instead of measuring.
        json: a file for the figures.
        chart: where to draw them, without suffix.
        doc: the page with markers for the tables.
    """

    sources: tuple[Path, ...] = ()
    json: Path | None = None
    chart: Path | None = None
    doc: Path | None = None

    def rows(self, kind: type[R], choices: Mapping[str, Collection[str]]) -> list[R]:
        """What is in the sources.

        Args:
            choices: the values that there are, for the fields that have few.

        Raises:
            MeasureError: one can't be read, or is something else.
        """
        return [row for source in self.sources for row in from_json(read(source), kind, choices)]

    def write(
        self,
        rows: Sequence[R],
        made: Sequence[Table],
        marker: str,
        draw: Callable[[Sequence[R], Path], object],
    ) -> None:
        """Shows the tables, and writes what was asked for; nothing if there are no rows.

        Args:
            marker: the name of those around the tables on the page.
            draw: called where there is a picture to make, which takes a second to import.

        Raises:
            MeasureError: the page has no such markers.
            OSError: a file can't be written.
        """
        if not rows:
            return
        show(made)
        if self.json is not None:
            self.json.write_text(to_json(rows), encoding="utf-8")
        if self.doc is not None:
            page = insert(read(self.doc), as_markdown(made), marker)
            self.doc.write_text(page, encoding="utf-8")
        if self.chart is not None:
            draw(rows, self.chart)


def add_options(parser: argparse.ArgumentParser, doc_note: str = "") -> None:
    """--json, --chart, --doc and --from.

    Args:
        doc_note: what else there is to say of --doc.
    """

    def add(name: str, text: str) -> None:
        parser.add_argument(name, type=Path, metavar="X", help=text)

    add("--json", "also write the figures to this file")
    add("--chart", "also draw them: X.png and X.svg")
    add("--doc", f"also write the tables into this page, between its markers{doc_note}")
    parser.add_argument(
        "--from",
        dest="sources",
        type=Path,
        action="append",
        default=[],
        metavar="X",
        help="measure nothing, take the figures of a file that --json wrote; may be repeated",
    )


def asked_for(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Reports:
    """What these options say; ends the program if that makes no sense."""
    if given.sources and given.json is not None:
        parser.error("--json would write again what --from reads")
    return Reports(tuple(given.sources), given.json, given.chart, given.doc)
