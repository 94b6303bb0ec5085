"""The figures as a picture: a panel for each kind of figure, a line for each shape of cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from scripts.measuring.chart import dress, save
from scripts.scaling.figures import EVERYONE, NEIGHBOURS, Row

_COLOURS = {"subnet": "#c2410c", "segments": "#0f766e", "tcp": "#334155"}
_MARKERS = {"subnet": "o", "segments": "s", "tcp": "^"}
_STYLES = {EVERYONE: "-", NEIGHBOURS: "--"}
_INCHES = (11.0, 7.0)


@dataclass(frozen=True)
class _Panel:
    """One kind of figure; those without logarithm are too few for it."""

    title: str
    of: Callable[[Row], float | None]
    logarithmic: bool = True
    aim: float | None = None
    bound: Callable[[Row], float] | None = None


_PANELS = (
    _Panel(
        "header bytes per recipient,\nwithout other records in the same frames",
        lambda row: row.header_bytes_per_recipient - row.other_bytes_per_recipient,
    ),
    _Panel(
        "bytes of lists per NetID in them\n(dotted: the aim)",
        lambda row: row.list_bytes_per_listed,
        aim=2.0,
    ),
    _Panel(
        "rounds\n(dotted: the bound, to everyone)",
        lambda row: row.hops,
        logarithmic=False,
        bound=lambda row: row.bound,
    ),
    _Panel("copies per delivery\n", lambda row: row.copies_per_delivery),
    _Panel(
        "CPU ms of the origin's core,\nto send and take the answers", lambda row: row.total_us / 1e3
    ),
    _Panel("virtual ms to the last recipient\n", lambda row: row.last_ms),
)


def draw(rows: Sequence[Row], prefix: Path) -> list[Path]:
    """Writes PREFIX.png and PREFIX.svg."""
    figure = Figure(figsize=_INCHES, layout="constrained")
    panels = figure.subplots(2, 3)
    for panel, axes in zip(_PANELS, panels.flat, strict=True):
        _fill(axes, panel, rows)
    for axes in panels[-1]:
        axes.set_xlabel("nodes", fontsize=8)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return save(figure, prefix, "scaling")


def _fill(axes: Axes, panel: _Panel, rows: Sequence[Row]) -> None:
    axes.set_xscale("log")
    if panel.logarithmic:
        axes.set_yscale("log")
    drawn: list[float] = []
    for shape, to in dict.fromkeys((row.shape, row.to) for row in rows):
        of_line = sorted(
            (row for row in rows if (row.shape, row.to) == (shape, to)), key=lambda row: row.nodes
        )
        points = [(row.nodes, value) for row in of_line if (value := panel.of(row)) is not None]
        axes.plot(
            [nodes for nodes, _ in points],
            [value for _, value in points],
            linestyle=_STYLES[to],
            marker=_MARKERS[shape],
            markersize=4,
            color=_COLOURS[shape],
            label=f"{shape}, to {to}",
        )
        drawn += [value for _, value in points]
        if panel.bound is not None and to == EVERYONE:
            axes.plot(
                [row.nodes for row in of_line],
                [panel.bound(row) for row in of_line],
                linestyle=":",
                color=_COLOURS[shape],
            )
    if panel.aim is not None:
        axes.axhline(panel.aim, linestyle=":", color="black", linewidth=0.8)
        drawn.append(panel.aim)
    if not panel.logarithmic:
        axes.set_ylim(bottom=0)
    elif drawn and max(drawn) < 4 * min(drawn):  # a straight line needs no decade to be one
        axes.set_ylim(min(drawn) / 2, max(drawn) * 2)
        axes.set_yticks([tick for tick in (0.25, 0.5, 1, 2, 4) if min(drawn) / 2 <= tick])
        axes.set_ylim(min(drawn) / 2, max(drawn) * 2)
    axes.set_title(panel.title, fontsize=9)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=7)
    dress(axes, "both", without=("top", "right"))
