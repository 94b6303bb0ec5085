"""What the person who started it sees: how far it is, and the tables."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as RichTable

from scripts.measuring.tables import Table, as_markdown

Told = Callable[[str], None]


@contextlib.contextmanager
def progress(total: int) -> Iterator[Told]:
    """Something to call at the beginning of each of so many runs, with what it is."""
    if sys.stderr.isatty():
        with _bar(total) as told:
            yield told
        return
    done = 0

    def tell(what: str) -> None:
        nonlocal done
        done += 1
        print(f"{done}/{total} {what}", file=sys.stderr, flush=True)

    yield tell


@contextlib.contextmanager
def _bar(total: int) -> Iterator[Told]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=total)
        begun = False

        def tell(what: str) -> None:
            nonlocal begun
            bar.update(task, description=what, advance=1 if begun else 0)
            begun = True

        yield tell


def show(tables: Sequence[Table]) -> None:
    """On a terminal drawn by rich, else in Markdown."""
    if not sys.stdout.isatty():
        print(as_markdown(tables))
        return
    console = Console()
    for table in tables:
        drawn = RichTable(title=table.title, title_justify="left")
        for number, name in enumerate(table.header):
            drawn.add_column(name, justify="right" if number else "left")
        for line in table.lines:
            drawn.add_row(*line)
        console.print(drawn)
