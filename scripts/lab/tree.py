"""The tree of one broadcast, drawn: who served whom, by what, at which hop, and when. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scripts.lab.ledger import Broadcast, Delivery
from scripts.lab.paint import Span, segment_style, width

# Columns of the lane that shows time: three segments fit into 80 with it.
_LANE = 16


@dataclass(frozen=True)
class Place:
    """Where a node stands. Both count from 1: the third node of the second segment is B3."""

    segment: int
    number: int

    @property
    def segment_name(self) -> str:
        """A to Z, then 27, 28, …"""
        return chr(ord("A") + self.segment - 1) if self.segment <= 26 else f"{self.segment}-"

    @property
    def name(self) -> str:
        """Short enough for a tree."""
        return f"{self.segment_name}{self.number}"


@dataclass
class _Row:
    left: list[Span]
    delivery: Delivery | None = None
    note: str = ""


def draw_tree(broadcast: Broadcast, places: Mapping[str, Place]) -> list[list[Span]]:
    """The lines of the picture, each as spans for `paint`.

    Args:
        places: of every node that may appear, by address.
    """
    rows = list(_Drawing(broadcast, places).rows())
    left_width = max(width(row.left) for row in rows) + 2
    last_ms = max((broadcast.elapsed_ms(row.delivery) for row in rows if row.delivery), default=0.0)
    header: list[Span] = [(" " * left_width, ""), (_columns("by", "hop", "ms"), "faint")]
    lines = [header]
    for row in rows:
        if row.delivery is None:
            lines.append(row.left)
            continue
        delivery, elapsed_ms = row.delivery, broadcast.elapsed_ms(row.delivery)
        gap = left_width - width(row.left)
        style = segment_style(places[delivery.node].segment)
        figures = _columns(delivery.via, str(delivery.hops), f"{elapsed_ms:.2f}")
        lane = "━" * round(elapsed_ms / last_ms * (_LANE - 1) if last_ms > 0 else 0) + "●"
        lines.append(
            [
                *row.left,
                (" " + "·" * (gap - 2) + " ", "faint"),
                (figures, ""),
                ("  " + lane, style),
                (row.note, "bold red"),
            ]
        )
    return lines


def _columns(via: str, hop: str, ms: str) -> str:
    return f"{via:<9}  {hop:>3}  {ms:>8}"


class _Drawing:
    def __init__(self, broadcast: Broadcast, places: Mapping[str, Place]) -> None:
        self._broadcast = broadcast
        self._places = places
        self._served: defaultdict[str, list[Delivery]] = defaultdict(list)
        self._drawn: set[str] = set()
        for delivery in broadcast.first_deliveries():
            if delivery.node != broadcast.origin:
                self._served[delivery.sender].append(delivery)

    def rows(self) -> Iterator[_Row]:
        origin = self._broadcast.origin
        yield _Row([(" ", ""), ("◉ ", "bold"), *self._node(origin), ("  origin", "faint")])
        yield from self._below(origin, [(" ", "")])
        # What hangs on a node that did not dispatch: a relay of a broadcast to some, or one that
        # has yet to tell.
        for sender in sorted(self._served.keys() - self._drawn):
            if sender not in self._drawn:
                yield _Row([(" ", ""), ("○ ", "bold"), *self._node(sender), ("  relay", "faint")])
                yield from self._below(sender, [(" ", "")])
        for node in self._broadcast.missing():
            yield _Row(
                [(" ", ""), ("✗ ", "bold red"), *self._node(node), ("  has not got it", "red")]
            )

    def _below(self, sender: str, indent: list[Span]) -> Iterator[_Row]:
        # Each once: a circle, which only a faulty node could tell of, must not draw for ever.
        if sender in self._drawn:
            return
        self._drawn.add(sender)
        served = self._served.get(sender, [])
        heard = [delivery for delivery in served if delivery.via == "multicast"]
        sent_to = [delivery for delivery in served if delivery.via != "multicast"]
        if heard:
            more = bool(sent_to)
            segments = sorted({self._places[delivery.node].segment for delivery in heard})
            style = segment_style(segments[0])
            names = ", ".join(Place(segment, 0).segment_name for segment in segments)
            branch = ("├╌╌" if more else "╰╌╌", style)
            yield _Row([*indent, branch, (f"☁ segment {names}", style)])
            inner = [*indent, ("│   " if more else "    ", "")]
            for delivery in heard:
                last = delivery is heard[-1]
                branch = ("╰╌╌ " if last else "├╌╌ ", style)
                yield self._delivered([*inner, branch], delivery)
                yield from self._below(delivery.node, [*inner, ("    " if last else "┆   ", style)])
        for delivery in sent_to:
            last = delivery is sent_to[-1]
            yield self._delivered([*indent, ("╰──▶ " if last else "├──▶ ", "")], delivery)
            yield from self._below(delivery.node, [*indent, ("     " if last else "│    ", "")])

    def _delivered(self, left: list[Span], delivery: Delivery) -> _Row:
        times = 1 + self._broadcast.repeated().count(delivery.node)
        notes = [f"  ×{times}"] if times > 1 else []
        if delivery.node in self._broadcast.uninvited():
            notes.append("  was not asked to")
        return _Row([*left, *self._node(delivery.node)], delivery, "".join(notes))

    def _node(self, address: str) -> list[Span]:
        place = self._places[address]
        return [(place.name, "bold " + segment_style(place.segment)), (f" {address}", "")]
