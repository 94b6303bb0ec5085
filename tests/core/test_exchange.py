from __future__ import annotations

import random

import pytest

from chatter.core import exchange as exchange_module
from chatter.core.exchange import (
    ACK_DELAY_S,
    LEAST_WINDOW_BYTES,
    UNNOTICED_BYTES,
    WINDOW_BYTES,
    Exchange,
)
from chatter.core.handover import Handover
from chatter.wire.records import Ack, Report, Served, SessionCredit
from chatter.wire.seal import MAX_FRAME_BYTES
from tests.core.parts import make_gossip, netid

PLENTY = 60_000
NEVER = float("inf")


def handed(exchange: Exchange, count: int) -> list[Handover]:
    """That many gossips, sent in one frame."""
    handovers = [Handover(netid(2), make_gossip(seqno), None, 0.0) for seqno in range(1, count + 1)]
    exchange.sent(handovers, 0, 7.0)
    return handovers


def test_both_sides_count_alike() -> None:
    near, far = Exchange(), Exchange()
    first, second = handed(near, 2)
    (third,) = handed(near, 1)

    assert [far.take(0.0) for _ in range(3)] == [1, 2, 3]
    assert near.open == {1: first, 2: second, 3: third}
    assert third.sent_at == 7.0


@pytest.mark.parametrize(("count", "size"), [(4, 1 << 30), (100, 4 * len(make_gossip(1).payload))])
def test_who_never_calls_anything_done_is_not_waited_for_without_end(
    count: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_module, "MAX_OPEN", count)
    monkeypatch.setattr(exchange_module, "MAX_OPEN_BYTES", size)
    exchange = Exchange()
    handovers = handed(exchange, 6)

    assert exchange.forgotten() == handovers[:2]
    assert list(exchange.acknowledged(Ack(6, ((1, 4),)))) == handovers[2:4]
    more = handed(exchange, 3)
    assert exchange.forgotten() == handovers[4:5]
    assert list(exchange.open.values()) == [handovers[5], *more]


def test_what_is_done_is_answered_for_no_more_and_the_rest_is() -> None:
    exchange = Exchange()
    handovers = handed(exchange, 6)

    assert list(exchange.acknowledged(Ack(6, ((2, 3), (5, 5))))) == [
        handovers[1],
        handovers[2],
        handovers[4],
    ]
    assert list(exchange.open) == [1, 4, 6]
    assert list(exchange.acknowledged(Ack(6, ((2, 3),)))) == []


def test_a_range_costs_nothing_however_long_it_says_it_is() -> None:
    exchange = Exchange()
    first, second = handed(exchange, 2)

    assert list(exchange.acknowledged(Ack(2, ((2, 2**63),)))) == [second]
    assert list(exchange.acknowledged(Ack(2, ((0, 2**63),)))) == [first]


def test_answers_wait_for_others_and_name_what_is_done_as_ranges() -> None:
    exchange = Exchange()
    for _ in range(6):
        exchange.take(1.0)
    assert exchange.ack_at == 1.0 + ACK_DELAY_S
    for index in (5, 1, 2):
        exchange.done(index, at=NEVER)
    assert exchange.ack_at == 1.0 + ACK_DELAY_S

    assert exchange.answers(1.02, PLENTY) == [Ack(6, ((1, 2), (5, 5)))]
    assert exchange.answers(1.03, PLENTY) == [Ack(6, ())]  # each is named once


def test_an_urgent_one_takes_the_others_along() -> None:
    exchange = Exchange()
    exchange.take(1.0)
    exchange.take(1.0)
    exchange.done(1, at=1.01)

    assert exchange.ack_at == 1.01


def test_it_says_that_it_lives_as_long_as_something_is_undone() -> None:
    exchange = Exchange()
    assert exchange.answers(0.0, PLENTY) == []
    exchange.take(0.0)
    assert exchange.answers(0.05, PLENTY) == [Ack(1, ())]
    assert exchange.ack_at == 0.05 + ACK_DELAY_S

    exchange.done(1, at=NEVER)
    assert exchange.answers(0.1, PLENTY) == [Ack(1, ((1, 1),))]
    assert exchange.ack_at == NEVER


def test_reports_go_ahead_of_what_calls_them_done() -> None:
    exchange = Exchange()
    exchange.take(0.0)
    exchange.done(1, at=0.0)
    exchange.report(Report(1, ()), at=0.0)

    assert exchange.answers(0.0, PLENTY) == [Report(1, ()), Ack(1, ((1, 1),))]


@pytest.mark.parametrize("budget", [20_000, 40_000, PLENTY])
def test_what_does_not_fit_in_a_frame_is_due_at_once(budget: int) -> None:
    exchange = Exchange()
    recipients = tuple(netid(number) for number in range(500))
    for _ in range(3000):
        exchange.take(0.0)
    for index in range(1, 20):
        served = Served(netid(1), 1, True, recipients, (5,) * 500)
        exchange.report(Report(index, (served,)), at=0.0)
    for index in range(2, 3000, 2):
        exchange.done(index, at=0.0)
    frames = []
    while exchange.ack_at <= 1.0:
        frames.append(exchange.answers(1.0, budget))

    assert len(frames) > 5
    assert all(sum(one.size_bound() for one in frame) <= budget for frame in frames)
    answers = [one for frame in frames for one in frame]
    assert [one.index for one in answers if isinstance(one, Report)] == list(range(1, 20))
    acks = [one for one in answers[19:] if isinstance(one, Ack)]
    assert [first for ack in acks for first, _ in ack.done] == list(range(2, 3000, 2))


def test_an_answer_that_has_no_room_at_all_waits_for_the_next_frame() -> None:
    exchange = Exchange()
    exchange.take(0.0)
    exchange.done(1, at=0.0)

    assert exchange.answers(1.0, 10) == []
    assert exchange.ack_at == 1.0
    assert exchange.answers(1.0, PLENTY) == [Ack(1, ((1, 1),))]


def test_credit_is_used_by_sending_and_given_back_by_taking_in() -> None:
    near, far = Exchange(), Exchange()
    half = LEAST_WINDOW_BYTES // 2
    near.sent([], half - 1, 0.0)
    far.taken_in(half - 1)
    assert near.credit == half + 1
    assert far.grant(WINDOW_BYTES) is None  # a grant for each frame would be half of all frames

    near.sent([], 1, 0.0)
    far.taken_in(1)
    grant = far.grant(WINDOW_BYTES)

    assert grant == SessionCredit(half + WINDOW_BYTES)
    near.limit = grant.limit
    assert near.credit == WINDOW_BYTES
    assert far.grant(WINDOW_BYTES) is None


def test_a_smaller_window_takes_back_nothing_and_lets_no_sender_wait_for_ever() -> None:
    """At the end of any window the largest record either has room, or more is on its way."""
    near, far = Exchange(), Exchange()
    largest = MAX_FRAME_BYTES - 1024
    rng = random.Random(1)
    for _ in range(2000):
        while near.credit >= largest:
            near.sent([], largest, 0.0)
            far.taken_in(largest)
            before = near.limit
            grant = far.grant(rng.choice((LEAST_WINDOW_BYTES, 300_000, WINDOW_BYTES)))
            if grant is not None:
                assert grant.limit >= before
                near.limit = grant.limit
            if rng.random() < 0.1:
                break
        assert near.credit >= largest


def test_what_came_is_not_on_its_way_whatever_the_window() -> None:
    near = Exchange()
    near.limit = 10 * WINDOW_BYTES
    handovers = [
        Handover(netid(2), make_gossip(seqno, bytes(40_000)), None, 0.0) for seqno in range(1, 11)
    ]
    for one in handovers:
        near.sent([one], 50_000, 0.0)
    near.limit = 500_000 + LEAST_WINDOW_BYTES
    assert near.on_its_way == 500_000 - UNNOTICED_BYTES
    list(near.acknowledged(Ack(8, ())))
    assert near.on_its_way == 100_000 - UNNOTICED_BYTES
