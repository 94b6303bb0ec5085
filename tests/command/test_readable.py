"""Lines for people, and nothing that could take over their terminal."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.command import readable
from tests.command.samples import (
    FAR,
    HERE,
    THERE,
    make_event,
    make_gap,
    make_message,
    make_peer,
)


def test_where_a_node_and_its_dashboard_are() -> None:
    assert readable.ready_line(HERE, "12:00:00") == "12:00:00  ready at 127.0.0.1:4001"
    line = readable.ready_line(HERE, "12:00:00", "http://localhost:8000/")
    assert line == "12:00:00  ready at 127.0.0.1:4001, dashboard at http://localhost:8000/"


def test_a_message_straight_from_its_origin() -> None:
    line = readable.message_line(make_message({"text": "wörld"}), "12:00:00")
    assert line == '12:00:00  hello from 127.0.0.1:4001 #3 (tcp): {"text": "wörld"}'


def test_a_message_over_another_node_names_it() -> None:
    line = readable.message_line(make_message(sender=THERE, via="multicast", hops=2), "12:00:00")
    assert "(multicast, hop 2 from 127.0.0.1:4002)" in line


def test_bytes_are_counted_and_shown_as_digits() -> None:
    assert readable.body_text(b"\x00\xff") == "2 bytes 00ff"


def test_long_bodies_are_cut() -> None:
    for body in ("x" * 100_000, b"x" * 100_000):
        text = readable.body_text(body)
        assert len(text) < readable.LONGEST_BODY + 40
        assert text.endswith("…")
    assert not readable.body_text(b"x" * (readable.LONGEST_BODY // 2)).endswith("…")


@pytest.mark.parametrize("body", [object(), {1j: 1}])
def test_a_body_that_cannot_be_shown_is_said_to_be_so(body: object) -> None:
    assert "can't be shown" in readable.body_text(body)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü", "plain ü"),
        ("\x1b[2J", "\\u001b[2J"),
        ("a\nb", "a\\nb"),
        ("\x7f\x9b", "\\u007f\\u009b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
    ],
)
def test_what_is_not_printable_is_spelt_out(text: str, shown: str) -> None:
    assert readable.printable(text) == shown


@given(st.text(), st.text())
def test_nothing_from_the_network_reaches_the_terminal_raw(tag: str, body: str) -> None:
    assert readable.message_line(make_message(body, tag=tag), "12:00:00").isprintable()


def test_peers_come_and_go_in_words() -> None:
    lines = [readable.peer_line(make_event(state=state), "t") for state in readable.PEER_WORDS]
    assert lines[0] == "t  127.0.0.1:4001 joined"
    assert len(set(lines)) == 4


def test_gaps_in_words() -> None:
    assert readable.gap_line(make_gap(), "t") == "t  lost: broadcasts 5 to 9 of 127.0.0.1:4001"
    assert readable.gap_line(make_gap(5, 5), "t") == "t  lost: broadcast 5 of 127.0.0.1:4001"
    assert readable.gap_line(make_gap(tag="a\x1b"), "t").endswith("handler of a\\u001b is behind")


def test_the_table_is_aligned_and_ordered_by_segment() -> None:
    table = readable.peer_table(
        [
            make_peer(THERE, segment=THERE, multicast=False),
            make_peer(FAR, segment=None, heard_s_ago=math.inf),
            make_peer(HERE),
        ]
    )
    assert [line.split()[0] for line in table] == [
        "ADDRESS",
        "[2001:db8::1]:4003",
        "127.0.0.1:4001",
        "127.0.0.1:4002",
    ]
    assert table[2].split()[:4] == ["127.0.0.1:4001", "alive", "127.0.0.1:4001", "yes"]
    assert table[0].index("STATE") == table[1].index("alive") == table[3].index("alive")
