"""Trees of broadcasts, put together from what nodes tell in any order."""

from __future__ import annotations

from typing import Any

import pytest

from chatter.dashboard import stories as stories_module
from chatter.dashboard.stories import MAX_STORIES, QUIET_S, RECENT_S, SHOW_EVERY_S, Stories
from chatter.ids import BroadcastID, NetID
from tests.dashboard.samples import EPOCH, ONE, came, edge, netid, sent, settled


def number_of(one: NetID) -> int:
    return int(one.ip.rsplit(".", 1)[1])


def make_stories() -> Stories:
    """Nodes below 10 are one segment, below 20 another, and so on."""
    return Stories(
        number_of, lambda one: f"segment {number_of(one) // 10}", lambda at: int(at * 1000)
    )


def shown(stories: Stories, now: float = 2.0) -> dict[str, Any]:
    """The only story, as it is at a time."""
    stories.tick(now, 1)
    (story,) = stories.since(0)
    return story


def test_traces_make_a_tree_in_whatever_order_they_come() -> None:
    events = [
        sent(at=1.0, recipients=3),
        came(2, 1.001),
        came(11, 1.004, multicast=False),
        came(12, 1.0065, by=11, hop=2),
    ]
    for order in (events, events[::-1], events[2:] + events[:2], events + events):
        stories = make_stories()
        for event in order:
            stories.passed(event, 1.5)
        story = shown(stories)
        assert story == {
            "id": str(ONE),
            "origin": 1,
            "tag": "hello",
            "seqno": 1,
            "bytes": 9,
            "t": 1000,
            "recipients": 3,
            "confirmed": False,
            "settled": True,
            "edges": story["edges"],
            "missing": [],
            "rounds": 2,
            "bound": 2,
            "last_ms": 6.5,
        }
        assert sorted(story["edges"]) == [
            [1, 2, 1, "multicast", 1.0],
            [1, 11, 1, "tcp", 4.0],
            [11, 12, 2, "multicast", 6.5],
        ]


def test_clocks_that_are_a_little_off_show_nothing_before_it_was_sent() -> None:
    stories = make_stories()
    stories.passed(sent(at=1.0, recipients=1), 1.5)
    stories.passed(came(2, 0.9995), 1.5)

    assert shown(stories)["edges"] == [[1, 2, 1, "multicast", 0.0]]


def test_a_receipt_says_who_served_whom_and_who_is_missing() -> None:
    stories = make_stories()
    stories.passed(came(2, 1.002, multicast=True), 1.5)
    stories.settled(settled(edge(2, multicast=False), missing=(3,)), 1.6)
    story = shown(stories)

    assert (story["confirmed"], story["settled"], story["missing"]) == (True, True, [3])
    assert story["edges"] == [[1, 2, 1, "tcp", 2.0]], "the way of the receipt, the time of a trace"
    assert story["last_ms"] is None, "nobody knows when the last one has it"


def test_a_receipt_alone_adds_up_the_hops() -> None:
    stories = make_stories()
    stories.settled(settled(edge(2, ms=3), edge(3, by=2, hop=2, ms=4)), 1.6)
    story = shown(stories, now=1.6 + QUIET_S)

    assert [one[4] for one in story["edges"]] == [3, 7]
    assert story["last_ms"] == 7


def test_a_receipt_in_parts_is_one_receipt() -> None:
    stories = make_stories()
    stories.settled(settled(edge(2), recipients=3), 1.6)
    assert not shown(stories, 1.6)["settled"]
    stories.settled(settled(edge(3), missing=(4,), recipients=3), 1.7)
    story = shown(stories, 1.7 + QUIET_S)

    assert story["settled"]
    assert {one[1] for one in story["edges"]} == {2, 3}
    assert story["missing"] == [4]


def test_one_of_which_nothing_more_is_heard_is_settled() -> None:
    stories = make_stories()
    stories.passed(sent(recipients=2), 1.5)
    stories.passed(came(2, 1.001), 1.5)
    assert not shown(stories, 1.5)["settled"]
    story = shown(stories, 1.5 + QUIET_S)

    assert (story["settled"], story["last_ms"]) == (True, None)
    assert stories.latencies_ms(1.5 + QUIET_S) == []


def test_one_that_grows_is_shown_again_once_a_second() -> None:
    stories = make_stories()
    stories.passed(sent(recipients=99), 1.0)
    stories.tick(1.0, 1)
    stories.passed(came(2, 1.001), 1.1)
    stories.tick(1.1, 2)
    assert stories.since(1) == []

    stories.tick(1.1 + SHOW_EVERY_S, 3)
    (story,) = stories.since(1)
    assert len(story["edges"]) == 1


def test_the_latency_of_the_last_node_counts_for_a_while() -> None:
    stories = make_stories()
    for seqno, ms in ((1, 5), (2, 2)):
        one = BroadcastID(netid(1), EPOCH, seqno)
        stories.passed(sent(at=1.0, recipients=1, broadcast=one), 1.5)
        stories.passed(came(2, 1.0 + ms / 1000, broadcast=one), 1.5)
    stories.tick(2.0, 1)

    assert stories.latencies_ms(2.0) == [2.0, 5.0]
    assert stories.latencies_ms(2.1 + RECENT_S) == []


def test_as_many_are_kept_as_fit_a_list_and_a_late_word_brings_none_back() -> None:
    stories = make_stories()
    ids = [BroadcastID(netid(1), EPOCH, seqno) for seqno in range(1, MAX_STORIES + 3)]
    for number, one in enumerate(ids):
        stories.passed(sent(at=1.0 + number, broadcast=one), 1.0 + number)
    stories.passed(came(2, 1.0, broadcast=ids[0]), 200.0)
    stories.tick(200.0, 1)

    assert [story["seqno"] for story in stories.since(0)] == list(range(3, MAX_STORIES + 3))


def test_a_receipt_that_makes_up_nodes_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stories_module, "MAX_NAMED", 4)
    stories = make_stories()
    for part in range(10):
        named = range(10 * part + 2, 10 * part + 5)
        stories.settled(settled(*(edge(node) for node in named), recipients=99), 1.5)

    assert len(shown(stories, 1.5 + QUIET_S)["edges"]) == 6
