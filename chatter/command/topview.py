"""A snapshot of the cluster -> the lines of `chatter top`. Pure.

A line is a list of spans, text and style; the terminal's size is kept to here, so whoever prints
them has nothing to cut. What a state means is said by its word, a colour only repeats it.
"""

from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap
from typing import Any

from chatter.command.figures import duration, milliseconds, short, sparkline
from chatter.command.readable import printable

Span = tuple[str, str]
Line = list[Span]
Snapshot = Mapping[str, Any]

_STATE_STYLES = {"alive": "green", "suspect": "yellow", "failed": "bold red", "left": "dim"}

# Lines for the last broadcasts where there is little room, and where there is much.
_FEW_BROADCASTS, _MANY_BROADCASTS = 4, 10
_TALL = 40
_SPARK_WIDTH = 16
_CELL_WIDTH = 38

_ALONE = (
    "nobody else is here yet. Do the others use the same key, the same multicast group or label?"
    " --join HOST:PORT names one of them directly"
)


def _address_key(item: tuple[str, Any]) -> tuple[Any, ...]:
    host, _, port = item[0].rpartition(":")
    parts = host.split(".")
    numbers = tuple(int(one) for one in parts) if len(parts) == 4 else ()
    return (item[1]["segment"] or "", numbers, host, int(port))


def _by(name: str) -> Callable[[tuple[str, Any]], tuple[Any, ...]]:
    def key(item: tuple[str, Any]) -> tuple[Any, ...]:
        value = item[1][name]
        return (value is None, -(value or 0), *_address_key(item))

    return key


SORTS: dict[str, Callable[[tuple[str, Any]], tuple[Any, ...]]] = {
    "segment": _address_key,
    "state": lambda item: (item[1]["state"], *_address_key(item)),
    "rtt": _by("rtt_ms"),
    "queue": _by("queue"),
    "outbox": _by("outbox"),
    "deliveries": _by("deliveries"),
    "broadcasts": _by("broadcasts"),
    "drops": _by("drops"),
}
"""What the nodes can be sorted by; figures from the highest down."""


def draw(snapshot: Snapshot, width: int, height: int, sort: str = "segment") -> list[Line]:
    """The lines, none wider than `width` and not more than `height`."""
    nodes = sorted(snapshot["nodes"].items(), key=SORTS[sort])
    told = list(reversed(snapshot["broadcasts"]))
    listed = _MANY_BROADCASTS if height >= _TALL else _FEW_BROADCASTS
    lines = [_title(snapshot), [], *_rates(snapshot, width), []]
    if len(nodes) == 1:
        lines += [[(f" {part}", "yellow")] for part in wrap(_ALONE, max(20, width - 2))]
        lines.append([])
    room = max(1, height - len(lines) - min(listed, max(1, len(told))) - 5)
    lines += _table(_NODE_COLUMNS, [_node_row(snapshot, one) for one in nodes], room, "nodes")
    lines += [[], *_broadcasts(snapshot, told, min(listed, max(1, height - len(lines) - 3)))]
    lines += [[], _sums(" tags ", snapshot["tags"]), _sums(" drops", snapshot["drops"])]
    return [_cut(line, width) for line in lines[:height]]


def _title(snapshot: Snapshot) -> Line:
    nodes = snapshot["nodes"].values()
    states: dict[str, int] = {}
    for node in nodes:
        states[node["state"]] = states.get(node["state"], 0) + 1
    segments = len({node["segment"] for node in nodes if node["state"] in ("alive", "suspect")})
    line: Line = [(" chatter top  ", "bold"), (f"{_count(len(nodes), 'node')}:", "")]
    for state, style in _STATE_STYLES.items():
        if state in states:
            line.append((f" {states[state]} {state}", style))
    line.append((f" · {_count(segments, 'segment')}", ""))
    if snapshot["label"]:
        line.append((f" · label {printable(snapshot['label'])}", ""))
    line.append((f" · this one is {snapshot['local']}", "dim"))
    return line


def _rates(snapshot: Snapshot, width: int) -> list[Line]:
    history, totals = snapshot["history"], snapshot["totals"]
    last = history[-1] if history else {}
    copies = last.get("copies", 0) / last["deliveries"] if last.get("deliveries") else None
    p50, p99 = last.get("p50_ms"), last.get("p99_ms")
    gaps, kernel_drops = totals.get("gaps", 0), totals.get("kernel_drops", 0)
    cells = [
        _rate("broadcasts", short(last.get("broadcasts"), "/s"), history, "broadcasts"),
        _rate("deliveries", short(last.get("deliveries"), "/s"), history, "deliveries"),
        _rate("bytes out", short(last.get("bytes_out"), "B/s"), history, "bytes_out"),
        _rate("bytes in", short(last.get("bytes_in"), "B/s"), history, "bytes_in"),
        _plain("copies each", short(copies)),
        _plain("last node", f"p50 {milliseconds(p50)}, p99 {milliseconds(p99)}"),
        _plain("repairs", short(totals.get("repairs", 0))),
        _plain("gaps", short(gaps), warn=gaps > 0),
        _plain("drops", short(totals.get("drops", 0))),
        _plain("kernel drops", short(kernel_drops), warn=kernel_drops > 0),
    ]
    columns = max(1, width // _CELL_WIDTH)
    lines = []
    for start in range(0, len(cells), columns):
        line: Line = []
        for cell in cells[start : start + columns]:
            filled = sum(len(text) for text, _ in cell)
            line += [*cell, (" " * max(1, _CELL_WIDTH - filled), "")]
        lines.append(line)
    return lines


def _rate(name: str, value: str, history: Sequence[Mapping[str, Any]], key: str) -> Line:
    spark = sparkline([sample[key] or 0 for sample in history], _SPARK_WIDTH)
    return [(f" {name:<10}", "dim"), (f"{value:>8} ", "bold"), (spark, "cyan")]


def _plain(name: str, value: str, warn: bool = False) -> Line:
    return [(f" {name:<13}", "dim"), (value, "bold red" if warn else "bold")]


_NODE_COLUMNS = (
    *("<node", "<state", "<segment", "<by", ">round trip", ">queue", ">outbox", ">sent"),
    *(">delivered", ">drops", ">up", "<version"),
)


def _node_row(snapshot: Snapshot, item: tuple[str, Mapping[str, Any]]) -> list[Span]:
    address, node = item
    local = address == snapshot["local"]
    way = "this one" if local else "multicast" if node["multicast"] else "tcp"
    return [
        (address, "bold" if local else ""),
        (node["state"], _STATE_STYLES.get(node["state"], "")),
        (node["segment"] or "-", ""),
        (way if node["state"] in ("alive", "suspect") else "-", "dim" if local else ""),
        (milliseconds(None if local else node["rtt_ms"]), ""),
        (short(node["queue"]), "yellow" if node["queue"] else ""),
        (short(node["outbox"], "B"), ""),
        (short(node["broadcasts"]), ""),
        (short(node["deliveries"]), ""),
        (short(node["drops"]), ""),
        (duration(node["uptime_s"]), ""),
        (printable(node["version"] or "-"), "dim"),
    ]


_BROADCAST_COLUMNS = ("<broadcast", "<tag", ">bytes", ">to", ">rounds", ">last node", "<way")


def _broadcasts(snapshot: Snapshot, told: Sequence[Mapping[str, Any]], room: int) -> list[Line]:
    if not told:
        return [[(" no broadcast seen yet", "dim")]]
    name = {node["n"]: address for address, node in snapshot["nodes"].items()}
    rows = []
    for one in told[:room]:
        origin = name.get(one["origin"], "?")
        multicast = sum(1 for edge in one["edges"] if edge[3] == "multicast")
        way = f"{multicast} by multicast, {len(one['edges']) - multicast} by tcp"
        style = ""
        if one["missing"]:
            first = name.get(one["missing"][0], "?")
            more = len(one["missing"]) - 1
            way, style = f"missing {first}" + (f" and {more} more" if more else ""), "bold red"
        elif not one["settled"]:
            way, style = "under way", "dim"
        recipients = "-" if one["recipients"] is None else str(one["recipients"])
        rows.append(
            [
                (f"{origin} #{one['seqno']}", ""),
                (printable(one["tag"]), "cyan"),
                (short(one["bytes"]), ""),
                (recipients, ""),
                (f"{one['rounds']} of {one['bound']}", ""),
                (milliseconds(one["last_ms"]), ""),
                (way, style),
            ]
        )
    return _table(_BROADCAST_COLUMNS, rows, room, "broadcasts")


def _table(names: Sequence[str], rows: Sequence[list[Span]], room: int, what: str) -> list[Line]:
    """A heading and as many rows as there is room for; the last one says how many are left out."""
    shown = rows if len(rows) <= room else rows[: max(0, room - 1)]
    widths = [
        max(len(name) - 1, *(len(row[at][0]) for row in shown), 0) for at, name in enumerate(names)
    ]
    lines: list[Line] = [
        [
            (f" {_fill(name[1:], width, name[0])} ", "dim")
            for name, width in zip(names, widths, strict=True)
        ]
    ]
    for row in shown:
        lines.append(
            [
                (f" {_fill(text, width, name[0])} ", style)
                for (text, style), name, width in zip(row, names, widths, strict=True)
            ]
        )
    if len(shown) < len(rows):
        lines.append([(f" … {len(rows) - len(shown)} {what} more", "dim")])
    return lines


def _fill(text: str, width: int, side: str) -> str:
    return text.ljust(width) if side == "<" else text.rjust(width)


def _sums(name: str, values: Mapping[str, int]) -> Line:
    line: Line = [(f"{name}  ", "dim")]
    for key, value in sorted(values.items(), key=lambda each: -each[1]):
        line.append((f"{printable(key)} {short(value)}  ", ""))
    return line if values else [*line, ("none", "dim")]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _cut(line: Line, width: int) -> Line:
    """The line, ended by … where it would be wider."""
    if sum(len(text) for text, _ in line) <= width:
        return line
    room = width - 1
    kept: Line = []
    for text, style in line:
        kept.append((text[:room], style))
        room -= len(text)
        if room <= 0:
            break
    return [*kept, ("…", "dim")]
