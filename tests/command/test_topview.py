"""What `chatter top` shows, without a network and without a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from chatter.command.topview import SORTS, draw
from chatter.dashboard.stats import Board
from tests.dashboard.samples import EPOCH, came, edge, figures, netid, sent, settled, summary


def snapshot(nodes: int = 3, *events: object) -> dict[str, Any]:
    """What node 1 sees of so many nodes."""
    board = Board(netid(1), {"label": "", "chatter": "1.0"}, lambda at: int(at * 1000))
    others = [summary(number, segment=1 + number % 2) for number in range(2, nodes + 1)]
    board.tell_nodes(others, netid(1), EPOCH)
    board.tick(0.0)
    for event in events:
        board.fold(event, 1.0)
    board.tick(1.0)
    board.tick(9.0)
    return board.snapshot()


def shown(seen: dict[str, Any], width: int = 120, height: int = 60, sort: str = "segment") -> str:
    """The lines as text."""
    return "\n".join("".join(text for text, _ in line) for line in draw(seen, width, height, sort))


def test_nodes_and_their_figures_stand_in_a_table() -> None:
    told = {"broadcasts": 1234, "handler_queue": 7, "dropped_replay": 2, "bytes_sent": 1}
    text = shown(snapshot(3, figures(2, told, {"hello": 56_000}), figures(3, {})))
    row = next(line for line in text.splitlines() if line.startswith(" 10.0.0.2"))

    assert "3 nodes: 3 alive · 2 segments · this one is 10.0.0.1:29999" in text
    assert row.split() == [
        *("10.0.0.2:29999", "alive", "10.0.0.1:29999", "multicast", "1.00", "ms", "7", "0B"),
        *("1.2k", "56.0k", "2", "1", "min", "1.0"),
    ]
    assert "tags   hello 56.0k" in text
    assert "drops  replay 2" in text
    assert "this one" in next(line for line in text.splitlines() if line.startswith(" 10.0.0.1"))


def test_a_broadcast_is_told_in_a_line() -> None:
    text = shown(snapshot(3, sent(at=0.9), came(2, 0.9031), came(3, 0.95, multicast=False)))
    line = next(line for line in text.splitlines() if "#1" in line)

    assert line.split() == [
        *("10.0.0.1:29999", "#1", "hello", "9", "2", "1", "of", "2", "50.0", "ms"),
        *("1", "by", "multicast,", "1", "by", "tcp"),
    ]


def test_who_is_missing_is_named() -> None:
    seen = snapshot(4, settled(edge(2), missing=(3, 4), recipients=3))

    assert "missing 10.0.0.3:29999 and 1 more" in shown(seen)


def test_alone_it_says_what_to_check() -> None:
    text = shown(snapshot(1), width=60)

    assert "1 node: 1 alive" in text
    assert "--join HOST:PORT names one of them directly" in " ".join(text.split())
    assert "no broadcast seen yet" in text


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("height", [12, 24, 50])
@pytest.mark.parametrize("nodes", [1, 4, 200])
def test_it_fits_the_terminal_and_says_what_it_leaves_out(
    width: int, height: int, nodes: int
) -> None:
    lines = draw(snapshot(nodes, sent(), *(figures(n + 1) for n in range(nodes))), width, height)

    assert len(lines) <= height
    assert max(sum(len(text) for text, _ in line) for line in lines) <= width
    if nodes == 200 and height > 12:
        assert any("nodes more" in text for line in lines for text, _ in line)


@pytest.mark.parametrize("sort", SORTS)
def test_each_order_takes_nodes_that_told_nothing_yet(sort: str) -> None:
    seen = snapshot(3, figures(2, {"broadcasts": 5, "handler_queue": 5, "dropped_x": 5}))
    rows = [line for line in shown(seen, sort=sort).splitlines() if line.startswith(" 10.0")]

    assert len(rows) == 3
    if sort in ("queue", "broadcasts", "drops", "rtt"):
        assert rows[0].startswith(" 10.0.0.2")


def test_segments_are_sorted_by_number_not_by_letter() -> None:
    text = shown(snapshot(12))
    order = [line.split()[0] for line in text.splitlines() if line.startswith(" 10.0.0.")]

    assert order.index("10.0.0.4:29999") < order.index("10.0.0.10:29999")


def test_what_rewrites_the_screen_is_spelt_out() -> None:
    nasty = sent()._replace(tag="\x1b[2Jboo")
    text = shown(snapshot(2, nasty, figures(2, {}, {"\x1b[2Jboo": 1})))

    assert "\x1b" not in text
    assert "\\u001b[2Jboo" in text
