"""What is kept for a stdout that isn't read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, cast

import gevent
import pytest

from chatter import Chatter, Gap, NetID, PeerEvent
from chatter.command.narrator import JSON_LINES, READABLE, Backlog, Narrator
from chatter.command.outlet import Outlet
from tests.command.descriptors import close, read_some
from tests.command.samples import HERE, THERE, make_event, make_gap, make_message


def test_all_is_told_in_order_below_the_limit() -> None:
    backlog = Backlog(limit=10)
    told: list[PeerEvent | Gap] = [
        make_event(HERE, "alive"),
        make_gap(),
        make_event(THERE, "alive"),
        make_gap(10, 11),
    ]
    for event in told:
        backlog.add(event)
    assert [backlog.take() for _ in told] == told
    with pytest.raises(IndexError):
        backlog.take()


def test_above_the_limit_the_last_word_of_each_peer_stays() -> None:
    backlog = Backlog(limit=10)
    addresses = [NetID("127.0.0.1", 5000 + number) for number in range(30)]
    for state in ("alive", "suspect", "failed") * 100:
        for address in addresses:
            backlog.add(make_event(address, state))
            assert len(backlog) <= 10 + len(addresses)
    events = [backlog.take() for _ in range(len(backlog))]
    last = {event.address: event.state for event in events if isinstance(event, PeerEvent)}
    assert last == dict.fromkeys(addresses, "failed")


def test_above_the_limit_no_gap_is_left_out() -> None:
    backlog = Backlog(limit=10)
    for number in range(1, 1000, 2):
        for tag in (None, "*"):
            backlog.add(make_gap(number, number, tag))
        backlog.add(make_gap(number, number, origin=THERE))
        assert len(backlog) <= 10 + 3
    covered: dict[tuple[NetID, str | None], set[int]] = {}
    while backlog:
        gap = backlog.take()
        assert isinstance(gap, Gap)
        covered.setdefault((gap.origin, gap.tag), set()).update(range(gap.first, gap.last + 1))
    assert covered.keys() == {(HERE, None), (HERE, "*"), (THERE, None)}
    assert all(numbers >= set(range(1, 1000, 2)) for numbers in covered.values())


class RegisteringNode:
    """The part of a node that the narrator uses; keeps what it registers."""

    def __init__(self) -> None:
        self.on_message: Callable[..., Any] | None = None
        self.tell_peer: Callable[..., Any] | None = None
        self.tell_gap: Callable[..., Any] | None = None

    def on(self, tag: str) -> Callable[[Callable[..., Any]], None]:
        assert tag == "*"

        def register(function: Callable[..., Any]) -> None:
            self.on_message = function

        return register

    def on_peer(self, callback: Callable[..., Any]) -> None:
        self.tell_peer = callback

    def on_gap(self, callback: Callable[..., Any]) -> None:
        self.tell_gap = callback


def test_ready_is_first_whatever_came_before_it() -> None:
    reader, writer = os.pipe()
    node = RegisteringNode()
    narrator = Narrator(cast(Chatter, node), Outlet(writer), JSON_LINES)
    assert node.on_message is not None
    assert node.tell_peer is not None
    assert node.tell_gap is not None
    helpers = [
        gevent.spawn(narrator.run),
        gevent.spawn(node.on_message, 1, make_message()),
        gevent.spawn(node.tell_peer, make_event()),
        gevent.spawn(node.tell_gap, make_gap()),
    ]
    gevent.sleep(0)
    gevent.sleep(0)
    narrator.tell_ready(THERE)
    data = b""
    while data.count(b"\n") < 4:
        data += read_some(reader)
    kinds = [json.loads(line)["event"] for line in data.splitlines()]
    assert kinds[0] == "ready"
    assert sorted(kinds[1:]) == ["gap", "message", "peer"]
    gevent.killall(helpers)
    close(reader)
    close(writer)


def test_a_person_reads_gaps_too() -> None:
    assert READABLE.event(make_gap()).endswith(b"lost: broadcasts 5 to 9 of 127.0.0.1:4001\n")
    assert READABLE.event(make_event(state="left")).endswith(b"left\n")
