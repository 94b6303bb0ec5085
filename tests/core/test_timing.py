from __future__ import annotations

import pytest

from chatter.core import timing
from chatter.core.timing import (
    ASK_AT_ONCE,
    ASK_EVERY_S,
    FRESH_FOR_S,
    LEAST_SAMPLES,
    LEAST_SENDS,
    LINE_BYTES_PER_S,
    MOST_BUSY,
    MOST_UNANSWERED,
    Timing,
)
from tests.core.parts import netid

PEER = netid(2)


def measured(*seconds: float) -> Timing:
    """Somebody whose peer answered after these, one a second."""
    made = Timing()
    for at, each in enumerate(seconds):
        made.answered(PEER, each, float(at))
    return made


def sending(seconds: float = 0.0001) -> Timing:
    made = Timing()
    for _ in range(LEAST_SENDS):
        made.sent(seconds)
    return made


def test_the_shortest_round_trip_counts() -> None:
    """The others had to wait for something besides."""
    assert measured(0.3, 0.012, 0.010, 0.5).one_way_s(PEER) == 0.005


@pytest.mark.parametrize("samples", range(LEAST_SAMPLES))
def test_a_few_answers_are_not_believed(samples: int) -> None:
    """A cluster that starts on few cores is slow to answer, at first."""
    assert measured(*[0.3] * samples).one_way_s(PEER) is None


def test_a_way_that_became_longer_is_noticed_in_time() -> None:
    made = measured(*[0.01] * LEAST_SAMPLES)

    made.answered(PEER, 0.08, LEAST_SAMPLES + FRESH_FOR_S / 2)
    assert made.one_way_s(PEER) == 0.005
    made.answered(PEER, 0.08, LEAST_SAMPLES + FRESH_FOR_S + 1)
    assert made.one_way_s(PEER) == 0.04


def test_round_trips_of_no_end_of_peers_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "MAX_KEPT", 2)
    made = Timing()
    for _ in range(LEAST_SAMPLES):
        for number in (2, 3):
            made.answered(netid(number), 0.01, 0.0)

    made.answered(netid(4), 0.01, 0.0)

    assert made.one_way_s(netid(2)) is None
    assert made.one_way_s(netid(3)) == 0.005


def test_a_send_costs_what_it_costs_usually() -> None:
    made = sending(0.0001)
    assert made.send_s(0) == pytest.approx(0.0001)

    made.sent(5.0)  # it had to wait until the other side read
    assert made.send_s(0) == pytest.approx(0.0001, rel=0.25)
    for _ in range(200):
        made.sent(0.0003)
    assert made.send_s(0) == pytest.approx(0.0003, rel=0.01)


def test_what_is_large_costs_the_time_of_a_slow_line_besides() -> None:
    assert sending(0.0001).send_s(LINE_BYTES_PER_S) == pytest.approx(1.0001)


def test_a_few_sends_are_not_believed() -> None:
    made = Timing()
    for _ in range(LEAST_SENDS - 1):
        made.sent(0.0001)

    assert made.send_s(0) is None


def test_some_are_asked_at_a_time_until_all_are_known() -> None:
    made = sending()
    served = [netid(number) for number in range(2, ASK_AT_ONCE + 4)]
    asked = []
    now = 100.0
    while found := made.next_to_ask(served, now):
        assert len(set(found)) == len(found) <= ASK_AT_ONCE
        asked += found
        for one in found:
            made.answered(one, 0.01, now)
        assert not made.next_to_ask(served, now + ASK_EVERY_S / 2)
        now += ASK_EVERY_S

    assert sorted(asked) == sorted(served * LEAST_SAMPLES)
    # Much later they are asked again.
    assert set(made.next_to_ask(served, now + FRESH_FOR_S + 10)) & set(served)


def test_one_that_never_answers_is_not_asked_for_ever() -> None:
    """Perhaps no datagram reaches it."""
    made = sending()
    asked = [now for now in range(1000) if made.next_to_ask([PEER], float(now))]

    assert asked[:MOST_UNANSWERED] == list(range(MOST_UNANSWERED))
    assert asked[MOST_UNANSWERED] == FRESH_FOR_S
    assert len(asked) == 2 * MOST_UNANSWERED


def test_who_does_not_know_what_a_send_costs_asks_nobody() -> None:
    """As it could make nothing of the answer."""
    assert not Timing().next_to_ask([PEER], 100.0)


@pytest.mark.parametrize(("per_s", "branches"), [(1, 2500), (10, 250), (1000, 2), (100_000, 1)])
def test_the_more_is_sent_the_fewer_branches(per_s: int, branches: int) -> None:
    made = Timing()
    assert made.most_branches(0.0001, 10.0) > 1000  # nothing was sent yet

    for _ in range(per_s):
        made.passed()

    assert made.most_branches(0.0001, 11.0) == pytest.approx(branches, abs=1)
    assert branches * per_s * 0.0001 <= MOST_BUSY or branches == 1
