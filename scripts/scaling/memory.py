"""How large a cluster this machine holds."""

from __future__ import annotations

from scripts.measuring.errors import MeasureError
from scripts.scaling.shapes import Shape

# What is free now may be wanted by somebody else later.
_USABLE = 0.8


def available_bytes() -> int:
    """What the system could still give."""
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    raise MeasureError("/proc/meminfo does not say how much memory is available")


def most_nodes(shape: Shape, memory_bytes: float) -> int:
    """The largest cluster that fits in so much memory."""
    low, high = 0, 1 << 20
    while low < high:
        middle = (low + high + 1) // 2
        if shape.memory_bytes(middle) <= memory_bytes:
            low = middle
        else:
            high = middle - 1
    return low


def check(shape: Shape, nodes: int, free_bytes: int) -> None:
    """Raises:
    MeasureError: a cluster of so many nodes does not fit; says how large a one would.
    """
    most = most_nodes(shape, _USABLE * free_bytes)
    if nodes > most:
        raise MeasureError(
            f"{nodes:,} nodes of the shape {shape.name} know each other in about"
            f" {shape.memory_bytes(nodes) / 1e9:.1f} GB; with {free_bytes / 1e9:.1f} GB available,"
            f" --nodes can be up to {most:,}"
        )
