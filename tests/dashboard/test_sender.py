"""Test broadcasts for browsers: on a service that says what the test wants."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import gevent
import pytest
from gevent.event import Event

from chatter import NetID
from chatter.dashboard.orders import Order
from chatter.dashboard.sender import MAX_OPEN, MAX_PER_SECOND, Sender
from chatter.errors import QueueFull
from chatter.ids import BroadcastID
from chatter.net.service import Service
from tests.dashboard.browser import Log
from tests.net.nodes import wait_until

HERE, THERE = NetID("127.0.0.1", 1), NetID("127.0.0.1", 2)
ORDER = Order(7, "hello", [1], None, 0.5)


class FakeReceipt:
    id = BroadcastID(HERE, 255, 3)
    recipients = 2
    delivered = (THERE,)
    missing = (NetID("::1", 3),)
    elapsed_s = 0.01234

    def __init__(self, settled: Event) -> None:
        self._settled = settled

    def wait(self) -> None:
        self._settled.wait()


class FakeService:
    def __init__(self) -> None:
        self.settled = Event()
        self.calls: list[Any] = []
        self.failure: Exception | None = None

    def broadcast(self, *args: Any, **fields: Any) -> FakeReceipt:
        self.calls.append((args, fields))
        if self.failure is not None:
            raise self.failure
        return FakeReceipt(self.settled)


def stop_clock(monkeypatch: pytest.MonkeyPatch, now: Callable[[], float]) -> None:
    """What the sender takes for the time, and nobody else."""
    monkeypatch.setattr("chatter.dashboard.sender.time", SimpleNamespace(monotonic=now))


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def sender(service: FakeService, log: Log) -> Sender:
    return Sender(cast(Service, service), log.logger)


def test_sent_then_the_receipt(sender: Sender, service: FakeService) -> None:
    told: list[Any] = []
    sender.take(ORDER, told.append)
    wait_until(lambda: told, "the answer")
    assert told == [{"type": "sent", "ref": 7, "id": "127.0.0.1:1/ff/3", "recipients": 2}]
    service.settled.set()
    wait_until(lambda: len(told) == 2, "the receipt")
    assert told[1] == {
        "type": "receipt",
        "ref": 7,
        "id": "127.0.0.1:1/ff/3",
        "delivered": ["127.0.0.1:2"],
        "missing": ["[::1]:3"],
        "elapsed_ms": 12.3,
    }
    assert service.calls == [(("hello", [1], None), {"confirm": True, "timeout": 0.5})]


def test_to_some(sender: Sender, service: FakeService) -> None:
    sender.take(Order(1, "x", 1, ("127.0.0.1:2", "[::1]:3"), 1), lambda _: None)
    wait_until(lambda: service.calls, "the broadcast")
    assert service.calls[0][0][2] == [THERE, NetID("::1", 3)]
    sender.stop()


@pytest.mark.parametrize(
    ("order", "failure", "message"),
    [
        (ORDER, QueueFull("the queue is full"), "the queue is full"),
        (
            Order(7, "x", 1, ("nonsense",), 1),
            None,
            "to: 'nonsense' is not of the form address:port",
        ),
    ],
)
def test_what_a_person_may_get_wrong_is_answered(
    sender: Sender,
    service: FakeService,
    log: Log,
    order: Order,
    failure: Exception | None,
    message: str,
) -> None:
    service.failure = failure
    told: list[Any] = []
    sender.take(order, told.append)
    wait_until(lambda: told, "the answer")
    assert told == [{"type": "error", "ref": 7, "message": message}]
    assert not log.records


def test_a_bug_is_answered_and_logged(sender: Sender, service: FakeService, log: Log) -> None:
    service.failure = RuntimeError("a bug")
    told: list[Any] = []
    sender.take(ORDER, told.append)
    wait_until(lambda: told, "the answer")
    assert told[0]["type"] == "error"
    assert log.at(logging.ERROR)
    assert "RuntimeError: a bug" in log.text


def test_so_many_a_second(
    sender: Sender, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_clock(monkeypatch, lambda: 5.0)
    told: list[Any] = []
    for _ in range(MAX_PER_SECOND + 1):
        sender.take(ORDER, told.append)
    assert [one["type"] for one in told] == ["error"]
    assert "10 broadcasts a second" in told[0]["message"]
    sender.stop()


def test_so_many_receipts_at_a_time(
    sender: Sender, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1000))
    stop_clock(monkeypatch, lambda: float(next(clock)))
    told: list[Any] = []
    for _ in range(MAX_OPEN + 1):
        sender.take(ORDER, told.append)
    assert [one["type"] for one in told] == ["error"]
    service.settled.set()
    wait_until(lambda: len(told) == 1 + 2 * MAX_OPEN, "all receipts")


def test_after_the_stop_nothing_is_told(sender: Sender, service: FakeService) -> None:
    told: list[Any] = []
    sender.take(ORDER, told.append)
    wait_until(lambda: told, "the answer")
    sender.stop()
    gevent.sleep(0)
    service.settled.set()
    for _ in range(10):
        gevent.sleep(0)
    assert len(told) == 1
