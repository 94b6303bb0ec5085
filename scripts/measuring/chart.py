"""How our pictures look, and their two files. Needs matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_GRID = "#cbd5e1"
_DPI = 150


def dress(axes: Axes, grid: Literal["x", "y", "both"], without: Sequence[str]) -> None:
    """A thin grid and as little of a frame as possible.

    Args:
        grid: along which axis.
        without: sides of the frame to leave out.
    """
    axes.grid(axis=grid, color=_GRID, linewidth=0.5)
    for side in without:
        axes.spines[side].set_visible(False)


def save(figure: Figure, prefix: Path, salt: str) -> list[Path]:
    """Writes PREFIX.png and PREFIX.svg; the same figures give the same files.

    Args:
        salt: for the names within the SVG.
    """
    written = []
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        for suffix, metadata in ((".png", {}), (".svg", {"Date": None})):
            file = prefix.with_name(prefix.name + suffix)
            figure.savefig(file, dpi=_DPI, metadata=metadata)
            written.append(file)
    return written
