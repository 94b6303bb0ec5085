"""What `scripts/measure_lab` measured, and the table that shows it. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """What was measured; bytes, packets and CPU time are per broadcast, over all hosts."""

    broadcasts: int
    rate: float
    program: str
    aead: str
    bytes_all: float
    packets_all: float
    cpu_ms_all: float
    bytes_idle: float
    packets_idle: float
    cpu_ms_idle: float
    last_node_p50_ms: float | None
    last_node_p99_ms: float | None
    hop_1_tcp_p50_ms: float | None
    hop_1_multicast_p50_ms: float | None
    hop_2_multicast_p50_ms: float | None
    copies_per_delivery: float
    hops_max: int
    deliveries: int
    missing: int
    duplicates: int
    uninvited: int


# The original library on the same lab: 1 KiB payloads, warm. Its time was taken in its own dispatch
# functions, so what our nodes run must not add to it: see `recorder`.
_ORIGINAL = {"bytes_all": 12_700.0, "packets_all": 15.6, "last_node_p50_ms": 3.2}
_GOAL = {
    "bytes_all": 8_000.0,
    "packets_all": 10.0,
    "last_node_p50_ms": 2.5,
    "copies_per_delivery": 1.15,
}


def table(title: str, figures: Figures) -> str:
    """The figures beside the original's and the goal, ready to print."""
    rows = [
        ("bytes per broadcast, in all", "bytes_all", figures.bytes_all, ",.0f"),
        ("  of it idle background", "bytes_idle", figures.bytes_idle, ",.0f"),
        ("  without it", "", figures.bytes_all - figures.bytes_idle, ",.0f"),
        ("packets per broadcast, in all", "packets_all", figures.packets_all, ".1f"),
        ("  of it idle background", "packets_idle", figures.packets_idle, ".1f"),
        ("  without it", "", figures.packets_all - figures.packets_idle, ".1f"),
        ("ms to the last node, p50", "last_node_p50_ms", figures.last_node_p50_ms, ".2f"),
        ("ms to the last node, p99", "last_node_p99_ms", figures.last_node_p99_ms, ".2f"),
        ("  to hop 1 by TCP, p50", "hop_1_tcp_p50_ms", figures.hop_1_tcp_p50_ms, ".2f"),
        (
            "  to hop 1 by multicast, p50",
            "hop_1_multicast_p50_ms",
            figures.hop_1_multicast_p50_ms,
            ".2f",
        ),
        (
            "  to hop 2 by multicast, p50",
            "hop_2_multicast_p50_ms",
            figures.hop_2_multicast_p50_ms,
            ".2f",
        ),
        ("copies per delivery", "copies_per_delivery", figures.copies_per_delivery, ".3f"),
        ("hops, at most", "hops_max", figures.hops_max, "d"),
        ("CPU ms per broadcast, in all", "cpu_ms_all", figures.cpu_ms_all, ".2f"),
        ("  of it idle background", "cpu_ms_idle", figures.cpu_ms_idle, ".2f"),
        ("  without it", "", figures.cpu_ms_all - figures.cpu_ms_idle, ".2f"),
    ]
    lines = [title, "", f"{'':<32}{'here':>9}{'original':>11}{'goal':>11}".rstrip()]
    for label, name, value, form in rows:
        original, goal = _ORIGINAL.get(name), _GOAL.get(name)
        line = (
            f"{label:<32}{'-' if value is None else format(value, form):>9}"
            f"{'' if original is None else format(original, form):>11}"
            f"{'' if goal is None else '<= ' + format(goal, form.replace('.3', '.2')):>11}"
        )
        lines.append(line.rstrip())
    lines += [
        "",
        f"dispatched {figures.deliveries:,} times: {figures.missing} missing, "
        f"{figures.duplicates} twice, {figures.uninvited} uninvited (the original: all twice)",
    ]
    return "\n".join(lines)
