"""Bursts at the workers of handlers: each message is dispatched, decoded and counted as alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from chatter import Gap, Message
from chatter.core.effects import Deliver
from chatter.core.handlers import MessageHandler, codec_handler
from chatter.ids import BroadcastID
from chatter.net.inbox import SOFT_MESSAGES, Inbox
from chatter.net.worker import BATCH
from chatter.wire.burst import Burst, encode_bodies
from tests.net.deliveries import EPOCH, ONE, TWO
from tests.net.nodes import wait_until
from tests.net.test_worker import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(60.0)
    yield made
    made.dispatch.end()
    made.greenlets.kill()


def burst(
    bodies: list[bytes], first: int = 1, *, tag: str = "tag", codec: str = "bytes"
) -> Deliver:
    payload, one_size = encode_bodies(bodies)
    broadcast = BroadcastID(ONE, EPOCH, first)
    made = Burst(broadcast, tag, codec, payload, first, len(bodies), one_size, 3)
    return Deliver(made, TWO, "tcp", False)


def numbers(count: int, codec: str = "bytes") -> Deliver:
    return burst([b"%d" % number for number in range(1, count + 1)], codec=codec)


def listening(bench: Bench, take: Callable[..., Any], codec: str = "bytes", **fields: Any) -> None:
    bench.handlers.add(codec_handler("tag", codec, take, **fields))


def test_a_handler_gets_each_with_what_is_said_of_it(bench: Bench) -> None:
    taken: list[Message] = []
    listening(bench, lambda body, message: taken.append(message))
    bench.dispatch.deliver(burst([b"a", b"", b"long"], 41))
    wait_until(lambda: len(taken) == 3, "all of them")

    assert taken == [
        Message("tag", body, "bytes", ONE, EPOCH, seqno, TWO, "tcp", 3)
        for seqno, body in ((41, b"a"), (42, b""), (43, b"long"))
    ]
    assert all(type(one) is Message and type(one.body) is bytes for one in taken)
    assert bench.node.counts["dispatched"] == 3


def test_a_handler_that_takes_the_body_alone_gets_that(bench: Bench) -> None:
    taken: list[Any] = []
    listening(bench, taken.append, "json")
    bench.dispatch.deliver(numbers(3, "json"))
    wait_until(lambda: taken == [1, 2, 3], "the bodies")


def test_what_has_no_handler_of_its_own_goes_to_the_one_for_the_rest(bench: Bench) -> None:
    taken: list[tuple[Any, str]] = []
    handler = codec_handler("*", "json", lambda body, message: taken.append((body, message.codec)))
    bench.handlers.add(handler)
    for codec in ("json", "bytes", "own"):
        bench.dispatch.deliver(burst([b"1", b"2"], codec=codec))
    wait_until(lambda: len(taken) == 6, "all of them")
    assert taken == [
        (1, "json"), (2, "json"), (b"1", "bytes"), (b"2", "bytes"), (b"1", "own"), (b"2", "own"),
    ]  # fmt: skip


def test_an_encoding_of_its_own_is_asked_for_each(bench: Bench) -> None:
    taken: list[Any] = []

    def decode(data: bytes, id_map: Any) -> tuple[Any, bytes]:
        assert id_map == {}
        return data[1:].decode(), data[:1].strip()

    bench.handlers.add(
        MessageHandler(
            "tag",
            lambda body: (),
            lambda body, id_map: b"",
            decode,
            lambda body: taken.append(body),
        )
    )
    bench.dispatch.deliver(burst([b" one", b"xtwo", b" three"], codec="own"))
    wait_until(lambda: len(taken) == 2, "those without a rest")
    assert taken == ["one", "three"]
    assert bench.node.counts["undecodable"] == 1


def test_one_that_cannot_be_decoded_costs_the_others_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[tuple[int, Any]] = []
    listening(bench, lambda body, message: taken.append((message.seqno, body)), "json")
    bodies = [json.dumps(number).encode() for number in range(1, 200)]
    bodies[99] = b"{"
    bodies[150] = b"}"
    bench.dispatch.deliver(burst(bodies, codec="json"))
    wait_until(lambda: len(taken) == 197, "the others")

    assert taken == [(number, number) for number in range(1, 200) if number not in (100, 151)]
    assert bench.node.counts["undecodable"] == 2
    assert bench.node.counts["dispatched"] == 197
    assert "cannot be decoded" in caplog.text
    assert "JSONDecodeError" in caplog.text


def test_a_failing_handler_is_called_for_the_next_and_named_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[int] = []

    def take(body: bytes, message: Message) -> None:
        taken.append(message.seqno)
        if message.seqno % 3 == 0:
            raise ValueError("three again")
        if message.seqno == 4:
            raise gevent.Timeout(1)

    listening(bench, take)
    bench.dispatch.deliver(numbers(300))
    wait_until(lambda: len(taken) == 300, "all of them")
    wait_until(lambda: bench.node.counts["dispatched"] == 300, "the count")
    assert taken == [*range(1, 301)]
    assert bench.node.counts["handler_errors"] == 101
    assert caplog.text.count("ValueError: three again") == 1


@pytest.mark.parametrize("last_words", [1, 2, BATCH, BATCH + 1, 199, 200])
def test_one_that_ends_its_greenlet_loses_none_of_the_rest(bench: Bench, last_words: int) -> None:
    taken: list[int] = []

    def take(body: bytes, message: Message) -> None:
        taken.append(message.seqno)
        if message.seqno == last_words:
            raise gevent.GreenletExit

    listening(bench, take)
    bench.dispatch.deliver(numbers(200))
    wait_until(lambda: last_words in taken, "the end of the greenlet")
    bench.dispatch.deliver(burst([b"x", b"y"], 201))
    wait_until(lambda: len(taken) == 202, "the rest")
    assert taken == [*range(1, 203)]
    assert bench.node.counts["dispatched"] == 202


def test_others_have_their_turn_in_the_middle_of_a_burst(bench: Bench) -> None:
    taken: list[int] = []
    seen: list[int] = []
    listening(bench, lambda body, message: taken.append(message.seqno))
    bench.dispatch.deliver(numbers(5 * BATCH))

    def look() -> None:
        for _ in range(3):
            seen.append(len(taken))
            gevent.sleep(0)

    gevent.spawn(look)
    wait_until(lambda: len(taken) == 5 * BATCH, "all of them")
    assert any(0 < one < 5 * BATCH for one in seen)


def test_a_handler_that_stops_its_node_gets_no_more(bench: Bench) -> None:
    taken: list[int] = []

    def take(body: bytes, message: Message) -> None:
        taken.append(message.seqno)
        if message.seqno == 10:
            bench.dispatch.end()

    listening(bench, take)
    bench.dispatch.deliver(numbers(200))
    bench.dispatch.deliver(burst([b"x", b"y"], 201))
    wait_until(lambda: len(taken) == 10, "the last one")
    for _ in range(5):  # turns in which the rest would come
        gevent.sleep(0)
    assert taken == [*range(1, 11)]


def test_an_inbox_counts_messages_and_drops_whole_bursts() -> None:
    inbox = Inbox(60.0)
    half = burst([b"."] * (SOFT_MESSAGES // 2))
    assert inbox.put(half)
    assert inbox.put(half)
    assert (len(inbox), inbox.full) == (SOFT_MESSAGES, False)
    assert inbox.put(burst([b".", b"."]))
    assert inbox.full
    inbox.check(float("inf"))
    assert inbox.behind
    assert not inbox.put(burst([b"."] * 5, 100))
    assert not inbox.put(burst([b"."] * 3, 105))
    assert inbox.dropped.take("tag") == [Gap(ONE, EPOCH, 100, 107, "tag")]
    for _ in range(2):
        assert inbox.take() is half
        inbox.done(half.gossip.many, len(half.gossip.payload))
    assert (len(inbox), inbox.behind) == (2, False)
    inbox.clear()
    assert (len(inbox), bool(inbox), inbox.bytes) == (0, False, 0)


def test_dropped_messages_are_counted_one_by_one(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    gate, _ = bench.gated("tag")
    for first in (1, 40_001, 80_001):
        bench.dispatch.deliver(burst([b"."] * 40_000, first))
    assert bench.node.counts["dropped_handler_behind"] == 40_000
    assert caplog.text.count("messages behind") == 1
    bench.dispatch.deliver(burst([b"."] * 7, 1, tag="unknown"))
    assert bench.node.counts["unknown_tag"] == 7
    gate.set()
