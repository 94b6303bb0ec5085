"""One browser, on a channel and a feed that do what the test says."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, cast

import gevent
import pytest
from gevent.event import Event
from gevent.queue import Queue

from chatter.dashboard import conversation as module
from chatter.dashboard.channel import NO_BINARY, Channel, Gone, Malformed
from chatter.dashboard.conversation import Conversation, encode
from chatter.dashboard.feed import Feed
from chatter.dashboard.orders import Order
from tests.dashboard.browser import Log
from tests.dashboard.feeds import FakeFeed
from tests.net.nodes import DEADLINE_S, wait_until

ORDER = json.dumps({"type": "send", "ref": 1, "tag": "x", "body": 1})


class FakeChannel:
    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.incoming: Queue[str | Exception] = Queue()
        self.pings = 0
        self.closed_with: int | None = None
        self.broken = False

    def receive(self) -> str:
        got: str | Exception = self.incoming.get()
        if isinstance(got, Exception):
            raise got
        return got

    def send(self, text: str) -> None:
        if self.broken:
            raise Gone("takes nothing")
        self.sent.append(json.loads(text))

    def ping(self) -> None:
        self.pings += 1

    def close(self, code: int) -> None:
        self.closed_with = code


class FakeOrders:
    def __init__(self) -> None:
        self.taken: list[Order] = []

    def take(self, order: Order, tell: Callable[[dict[str, Any]], None]) -> None:
        self.taken.append(order)
        tell({"type": "sent", "ref": order.ref})


class Setting:
    def __init__(self, orders: FakeOrders | None = None) -> None:
        self.channel, self.feed, self.log = FakeChannel(), FakeFeed(), Log()
        conversation = Conversation(
            cast(Channel, self.channel), cast(Feed, self.feed), orders, self.log.logger
        )
        self.greenlet = gevent.spawn(conversation.run)

    def ended(self) -> int | None:
        """Wait for its end; the code it closed with."""
        self.greenlet.get(timeout=DEADLINE_S)
        wait_until(lambda: not self.feed.followers, "the end of the following")
        return self.channel.closed_with


def test_the_snapshot_then_the_changes() -> None:
    setting = Setting()
    for board in (2, 3):
        setting.feed.changes.put({"type": "changes", "board": board})
    wait_until(lambda: len(setting.channel.sent) == 3, "all three")
    assert [one["board"] for one in setting.channel.sent] == [1, 2, 3]
    setting.channel.incoming.put(Gone("closed"))
    assert setting.ended() == 1001


def test_the_end_of_the_feed_is_told() -> None:
    setting = Setting()
    wait_until(lambda: setting.channel.sent, "the snapshot")
    setting.feed.stop()
    assert setting.ended() == 1001
    assert not setting.log.records


def test_a_browser_that_takes_nothing() -> None:
    setting = Setting()
    wait_until(lambda: setting.channel.sent, "the snapshot")
    setting.channel.broken = True
    setting.feed.changes.put({"type": "changes", "board": 2})
    setting.ended()


def test_what_breaks_the_rules_is_told_by_its_code() -> None:
    setting = Setting()
    setting.channel.incoming.put(Malformed(NO_BINARY, "binary"))
    assert setting.ended() == NO_BINARY


def test_orders_are_taken_where_they_may_be_given() -> None:
    orders = FakeOrders()
    setting = Setting(orders)
    setting.channel.incoming.put(ORDER)
    wait_until(lambda: {"type": "sent", "ref": 1} in setting.channel.sent, "the answer")
    assert [order.tag for order in orders.taken] == ["x"]
    setting.channel.incoming.put("nonsense")
    assert setting.ended() == 1007
    assert len(orders.taken) == 1


def test_orders_end_the_connection_where_they_may_not() -> None:
    setting = Setting()
    setting.channel.incoming.put(ORDER)
    assert setting.ended() == 1008


def test_an_answer_to_who_is_gone_is_dropped() -> None:
    orders = FakeOrders()
    setting = Setting(orders)
    wait_until(lambda: setting.channel.sent, "the snapshot")
    setting.channel.broken = True
    setting.channel.incoming.put(ORDER)
    setting.channel.incoming.put(Gone("closed"))
    assert setting.ended() == 1001
    assert len(orders.taken) == 1


def test_pings_while_nothing_else_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PING_S", 0.001)
    setting = Setting()
    wait_until(lambda: setting.channel.pings > 2, "pings")
    setting.greenlet.kill()
    assert setting.channel.closed_with == 1001


def test_a_bug_is_logged_and_ends_this_one_alone() -> None:
    setting = Setting()
    setting.feed.changes.put({"type": object()})
    setting.ended()
    assert setting.log.at(logging.ERROR)
    assert "TypeError" in setting.log.text


def test_a_killed_one_leaves_no_greenlet() -> None:
    setting = Setting()
    ended = Event()
    setting.greenlet.link(lambda _: ended.set())
    wait_until(lambda: setting.feed.followers, "the browser")
    setting.greenlet.kill()
    assert ended.wait(DEADLINE_S)
    wait_until(lambda: not setting.feed.followers, "the end of the following")


def test_what_json_does_not_have_is_no_text() -> None:
    assert encode({"tag": "\ud800 €"}) == '{"tag":"\\ud800 \\u20ac"}'
    with pytest.raises(ValueError, match="JSON"):
        encode({"ms": float("inf")})
