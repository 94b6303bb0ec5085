from __future__ import annotations

import random

import pytest

from chatter.core import order as order_module
from chatter.core.effects import Deliver, Gap
from chatter.core.numbers import Numbers
from chatter.core.order import Held, Order
from chatter.wire.gossip import Gossip
from tests.core.parts import make_gossip, netid


class Bench:
    """The order of one origin, whose numbers are all ours."""

    def __init__(self) -> None:
        self.held = Held()
        self.order = Order(self.held)
        self.numbers = Numbers()
        self.numbers.tell_since(0)

    def admit(self, gossip: Gossip) -> list[int | tuple[int, int, str | None]]:
        """A broadcast comes: the seqnos that go, and the gaps."""
        if gossip.number:
            self.numbers.note(gossip.number)
        deliver = Deliver(gossip, netid(3), "tcp", False)
        return [
            (one.first, one.last, one.tag) if isinstance(one, Gap) else one.gossip.id.seqno
            for one in self.order.admit(deliver, self.numbers)
        ]

    def released(self) -> list[int]:
        """The seqnos that go after the floor moved."""
        return [one.gossip.id.seqno for one in self.order.release(self.numbers.floor)]


def numbered(seqno: int, number: int, payload: bytes = b"") -> Gossip:
    """To everyone."""
    return make_gossip(seqno, payload, number=number)


def targeted(seqno: int, after: int) -> Gossip:
    """To some, sent when the origin had given out these numbers."""
    return make_gossip(seqno, after=after)


def test_what_is_in_order_goes_at_once() -> None:
    bench = Bench()

    assert bench.admit(numbered(1, 1)) == [1]
    assert bench.admit(targeted(2, 1)) == [2]
    assert bench.admit(numbered(3, 2)) == [3]
    assert (len(bench.order), bench.held.bytes) == (0, 0)


def test_what_is_early_waits() -> None:
    bench = Bench()

    assert bench.admit(numbered(5, 3)) == []
    assert bench.admit(targeted(4, 2)) == []
    assert bench.admit(targeted(3, 2)) == []
    assert bench.admit(numbered(1, 1)) == [1]
    assert bench.admit(numbered(2, 2)) == [2, 3, 4, 5]
    assert bench.held.bytes == 0


def test_a_number_of_another_handler_lets_go_what_waited() -> None:
    bench = Bench()
    bench.admit(numbered(2, 2))
    bench.numbers.note(1)

    assert bench.released() == [2]


def test_a_targeted_one_names_the_numbers_before_it() -> None:
    bench = Bench()
    assert bench.admit(targeted(3, 2)) == []

    assert bench.numbers.missing(10) == [(1, 2)]


def test_of_an_origin_of_which_nothing_is_known_nothing_is_waited_for() -> None:
    bench = Bench()
    bench.numbers = Numbers()

    assert bench.admit(targeted(3, 2)) == [3]


def test_what_comes_below_what_went_is_a_gap_not_a_step_back() -> None:
    bench = Bench()
    bench.numbers = Numbers()
    assert bench.admit(numbered(7, 5)) == [7]
    bench.numbers.tell_since(3)

    assert bench.admit(numbered(6, 4)) == [(4, 4, "tag")]
    assert bench.admit(targeted(5, 3)) == [5]  # nothing could tell of it
    assert bench.admit(numbered(8, 6)) == [8]


def test_what_was_given_up_is_not_waited_for() -> None:
    bench = Bench()
    bench.admit(numbered(2, 2))
    bench.admit(numbered(4, 4))
    bench.numbers.give_up(1)

    assert bench.released() == [2]
    bench.numbers.give_up(3)
    assert bench.released() == [4]


def test_too_much_that_waits_gives_up_the_gap_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_module, "MAX_HELD_BYTES", 10_000)
    bench = Bench()
    bench.numbers.name(9)
    bench.numbers.in_progress(4, True)
    for number in (2, 3, 5):
        assert bench.admit(numbered(number, number, bytes(2000))) == []

    assert bench.admit(numbered(9, 9, bytes(2000))) == [(1, 1, None), 2, 3]
    assert bench.admit(numbered(8, 8, bytes(4000))) == [(4, 4, None), 5]
    assert bench.held.bytes <= 10_000


def test_the_bound_is_one_for_all_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_module, "MAX_HELD_BYTES", 10_000)
    one, other = Bench(), Bench()
    other.order = Order(one.held)
    one.admit(numbered(2, 2, bytes(8000)))

    assert other.admit(numbered(2, 2, bytes(2000))) == [(1, 1, None), 2]
    one.order.drop()
    assert one.held.bytes == 0


@pytest.mark.parametrize("seed", range(10))
def test_any_order_goes_in_order(seed: int) -> None:
    rng = random.Random(seed)
    bench = Bench()
    gossips, number = [], 0
    for seqno in range(1, 400):
        if rng.random() < 0.6:
            number += 1
            gossips.append(numbered(seqno, number))
        else:
            gossips.append(targeted(seqno, number))
    # Nothing tells of a targeted one that is late by itself, so only those keep their places.
    came = sorted(gossips, key=lambda one: one.id.seqno + (rng.uniform(0, 30) if one.number else 0))
    went = [one for gossip in came for one in bench.admit(gossip)]
    assert went == sorted(went, key=lambda one: one if isinstance(one, int) else 0)
    assert len(went) == 399
    assert (len(bench.order), bench.held.bytes) == (0, 0)
