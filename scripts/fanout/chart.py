"""The figures as a picture: a point for each system, on scales that make twice as much one step."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from scripts.fanout.figures import Row
from scripts.measuring.chart import dress, save

_OURS, _OTHERS = "#c2410c", "#334155"
_FEW_DECADES = 30  # below, powers of ten alone would leave an axis with one number or none
_COLUMN_INCHES, _LINE_INCHES, _FRAME_INCHES = 4.0, 0.3, 1.0


@dataclass(frozen=True)
class _Measure:
    """One kind of figure; `worse` is a second one, drawn as the end of a line."""

    mode: str
    title: str
    field: str
    worse: str | None = None


_MEASURES = (
    _Measure("latency", "ms to the last subscriber, p50 to p99", "last_p50_ms", "last_p99_ms"),
    _Measure("latency", "CPU µs per delivery at that rate", "cpu_us_per_delivery"),
    _Measure("throughput", "deliveries a second, of all together", "deliveries_per_s"),
    _Measure("throughput", "CPU µs per delivery, of all together", "cpu_us_per_delivery"),
)


def draw(rows: Sequence[Row], prefix: Path) -> list[Path]:
    """Writes PREFIX.png and PREFIX.svg: a column of panels for each kind of figure."""
    measures = [one for one in _MEASURES if any(row.mode == one.mode for row in rows)]
    works = list(dict.fromkeys((row.nodes, row.size) for row in rows))
    systems = list(dict.fromkeys(row.system for row in rows))
    height = len(works) * (len(systems) * _LINE_INCHES + _FRAME_INCHES)
    figure = Figure(figsize=(_COLUMN_INCHES * len(measures), height), layout="constrained")
    panels = figure.subplots(len(works), len(measures), squeeze=False, sharey=True)
    for (nodes, size), across in zip(works, panels, strict=True):
        for measure, panel in zip(measures, across, strict=True):
            of_work = {
                row.system: row
                for row in rows
                if (row.mode, row.nodes, row.size) == (measure.mode, nodes, size)
            }
            _fill(panel, measure, systems, of_work)
            panel.set_title(f"{measure.title}\n{nodes} subscribers, {size:,} B", fontsize=9)
    if any(row.lost for row in rows):
        figure.supxlabel("hollow: lost some", fontsize=8)
    return save(figure, prefix, "fanout")


def _fill(panel: Axes, measure: _Measure, systems: Sequence[str], rows: dict[str, Row]) -> None:
    panel.set_xscale("log")
    for line, system in enumerate(systems):
        row = rows.get(system)
        value = None if row is None else getattr(row, measure.field)
        if row is None or value is None:
            continue
        colour = _OURS if system.startswith("chatter") else _OTHERS
        if measure.worse is not None:
            panel.plot([value, getattr(row, measure.worse)], [line, line], color=colour)
        inside = "white" if row.lost else colour
        panel.plot([value], [line], "o", color=colour, markerfacecolor=inside)
        panel.annotate(
            _label(value),
            (value, line),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
    low, high = panel.get_xlim()
    steps = (1.0, 2.0, 5.0) if high / low < _FEW_DECADES else (1.0,)
    panel.xaxis.set_major_locator(LogLocator(subs=steps))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _label(value)))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_yticks(range(len(systems)), systems, fontsize=8)
    panel.set_ylim(len(systems) - 0.5, -0.7)
    panel.margins(x=0.15)
    panel.tick_params(axis="x", labelsize=7)
    dress(panel, "x", without=("top", "right", "left"))


def _label(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
