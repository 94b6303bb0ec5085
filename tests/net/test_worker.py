"""Workers of handlers, and what a strained one does to the node, around a node that only counts."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import gevent
import pytest
from gevent.event import Event
from gevent.pool import Group

from chatter import BroadcastID, Gap
from chatter.core.handlers import SerializerDB, codec_handler
from chatter.net.dispatch import Dispatch
from chatter.net.inbox import SOFT_MESSAGES
from chatter.net.shell import Shell
from tests.net.deliveries import EPOCH, ONE, burst, delivery
from tests.net.nodes import wait_until


class CountingNode:
    """What dispatching asks of a core; keeps what it is told."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = defaultdict(int)
        self.full: list[bool] = []
        self.transforms: list[tuple[int, bytes | None]] = []

    def note_handlers(self, full: bool, now: float) -> None:
        self.full.append(full)

    def transformed(self, broadcast: BroadcastID, payload: bytes | None, now: float) -> None:
        self.transforms.append((broadcast.seqno, payload))


class Bench:
    """Workers without a network."""

    def __init__(self, slow_handler_s: float) -> None:
        self.node = CountingNode()
        self.handlers = SerializerDB()
        self.gaps: list[Gap] = []
        self.greenlets = Group()
        shell = SimpleNamespace(
            node=self.node,
            logger=logging.getLogger("chatter"),
            config=SimpleNamespace(slow_handler_s=slow_handler_s),
            running=True,
            handlers_keep_up=Event(),
            core=lambda function, *arguments: function(*arguments),
        )
        self.dispatch = Dispatch(
            cast(Shell, shell), self.handlers, self.greenlets.start, self.gaps.append
        )
        self.greenlets.spawn(self.dispatch.watch)

    def gated(self, tag: str) -> tuple[Event, list[int]]:
        """A handler that takes nothing until its gate is opened; and the seqnos it took."""
        gate, taken = Event(), list[int]()

        def dispatch(body: bytes, message: Any) -> None:
            gate.wait()
            taken.append(message.seqno)

        self.handlers.add(codec_handler(tag, "bytes", dispatch))
        return gate, taken

    def put(self, first: int, last: int, tag: str = "slow") -> None:
        for number in range(first, last + 1):
            self.dispatch.deliver(delivery(number, tag=tag))


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(getattr(request, "param", 60.0))
    yield made
    made.dispatch.end()
    made.greenlets.kill()


quick_to_drop = pytest.mark.parametrize("bench", [0.05], indirect=True)


def test_the_senders_are_held_back_and_nothing_is_lost(bench: Bench) -> None:
    gate, taken = bench.gated("slow")
    count = 2 * SOFT_MESSAGES
    bench.put(1, count)
    assert bench.node.full == [True]
    gate.set()
    wait_until(lambda: len(taken) == count, "all of them")
    assert taken == list(range(1, count + 1))
    assert bench.node.full == [True, False]
    assert bench.gaps == []
    assert bench.node.counts["dropped_handler_behind"] == 0


def test_two_full_queues_hold_back_until_both_are_emptied(bench: Bench) -> None:
    (one_gate, one), (two_gate, two) = bench.gated("one"), bench.gated("two")
    count = SOFT_MESSAGES + 2
    bench.put(1, count, "one")
    bench.put(1, count, "two")
    one_gate.set()
    wait_until(lambda: len(one) == count, "the first")
    assert bench.node.full == [True]
    two_gate.set()
    wait_until(lambda: len(two) == count, "the second")
    assert bench.node.full == [True, False]


@quick_to_drop
def test_a_slow_handler_pays_alone_and_says_for_what(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatter")
    gate, taken = bench.gated("slow")
    quick_gate, quick = bench.gated("quick")
    quick_gate.set()
    kept = SOFT_MESSAGES + 2
    bench.put(1, kept)
    wait_until(lambda: bench.node.full == [True, False], "the network going on")
    bench.put(kept + 1, kept + 10)
    bench.put(kept + 11, kept + 11, "quick")
    bench.put(kept + 12, kept + 12)
    wait_until(lambda: quick == [kept + 11], "the other handler")
    # While it is behind it is told from time to time, not only at the end.
    wait_until(lambda: len(bench.gaps) == 2, "the gaps")
    assert bench.gaps == [
        Gap(ONE, EPOCH, kept + 1, kept + 10, "slow"),
        Gap(ONE, EPOCH, kept + 12, kept + 12, "slow"),
    ]
    assert bench.node.counts["dropped_handler_behind"] == 11
    gate.set()
    wait_until(lambda: len(taken) == kept, "what was kept")
    bench.put(kept + 13, kept + 13)
    wait_until(lambda: taken[-1] == kept + 13, "what came after it had caught up")
    assert taken == [*range(1, kept + 1), kept + 13]
    assert caplog.text.count("messages behind") == 1
    assert caplog.text.count("caught up; 11 messages were dropped") == 1


def test_the_messages_of_a_burst_wait_until_they_are_dispatched(bench: Bench) -> None:
    """A burst leaves the queue at once, and may still be minutes of work."""
    gate, taken = bench.gated("slow")
    bench.dispatch.deliver(burst(1, 200, tag="slow"))
    gevent.sleep(0.01)
    assert bench.dispatch.queued == 200
    gate.set()
    wait_until(lambda: len(taken) == 200, "all of them")
    wait_until(lambda: bench.dispatch.queued == 0, "an empty account")


def test_the_senders_are_held_back_as_long_as_a_handler_is_at_its_bursts(bench: Bench) -> None:
    gate, taken = bench.gated("slow")
    many = 1000
    count = SOFT_MESSAGES // many + 1
    for index in range(count):
        bench.dispatch.deliver(burst(1 + index * many, many, tag="slow"))
        gevent.sleep(0)
    assert bench.node.full == [True]  # also of the one that the handler is at
    gate.set()
    wait_until(lambda: len(taken) == count * many, "all of them")
    assert taken == list(range(1, count * many + 1))
    assert bench.node.full == [True, False]


def test_what_cannot_be_decoded_waits_no_more_either(bench: Bench) -> None:
    bench.handlers.add(codec_handler("slow", "json", lambda body, message: None))
    bench.dispatch.deliver(
        burst(1, 100, tag="slow")._replace(
            gossip=burst(1, 100, tag="slow").gossip._replace(codec="json")
        )
    )
    wait_until(lambda: bench.node.counts["undecodable"] == 100, "all of them")
    wait_until(lambda: bench.dispatch.queued == 0, "an empty account")


@quick_to_drop
def test_what_is_dropped_just_before_it_catches_up_is_told_too(bench: Bench) -> None:
    gate, taken = bench.gated("slow")
    kept = SOFT_MESSAGES + 2
    bench.put(1, kept)
    wait_until(lambda: bench.node.full == [True, False], "the network going on")
    bench.put(kept + 1, kept + 1)
    gate.set()
    wait_until(lambda: len(taken) == kept and bench.gaps, "the end")
    assert bench.gaps == [Gap(ONE, EPOCH, kept + 1, kept + 1, "slow")]


@quick_to_drop
def test_a_dropped_one_that_was_held_travels_on(bench: Bench) -> None:
    gate, _ = bench.gated("slow")
    bench.put(1, SOFT_MESSAGES + 2)
    wait_until(lambda: bench.node.full == [True, False], "the network going on")
    bench.dispatch.deliver(delivery(9999, tag="slow", held=True))
    assert bench.node.transforms == [(9999, None)]
    gate.set()


def test_a_handler_that_ended_itself_loses_nothing_that_waits(bench: Bench) -> None:
    taken: list[int] = []

    def dispatch(body: bytes, message: Any) -> None:
        taken.append(message.seqno)
        if message.seqno == 1:
            raise gevent.GreenletExit

    bench.handlers.add(codec_handler("last", "bytes", dispatch))
    bench.put(1, 3, "last")
    wait_until(lambda: taken == [1], "the first")
    gevent.sleep(0)
    bench.put(4, 4, "last")
    wait_until(lambda: taken == [1, 2, 3, 4], "the rest")


def test_a_tag_without_a_handler_is_counted(bench: Bench) -> None:
    bench.put(1, 1, "strange")
    assert bench.node.counts["unknown_tag"] == 1
    assert bench.dispatch.queued == 0


def test_it_knows_its_own_greenlets(bench: Bench) -> None:
    found: list[bool] = []
    bench.handlers.add(
        codec_handler("ask", "bytes", lambda body, message: found.append(bench.dispatch.runs()))
    )
    bench.put(1, 1, "ask")
    wait_until(lambda: found, "the handler")
    assert found == [True]
    assert bench.dispatch.runs() is False
