"""Receipts: what they tell, when, and to whom."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import gevent
import pytest
from gevent.threadpool import ThreadPool

from chatter import BroadcastID, Edge, NetID, Receipt, ReceiptUnavailable
from chatter.core.effects import Outcome
from chatter.net.threads import HubCalls
from tests.net.nodes import wait_until

ORIGIN, ONE, TWO = (NetID("127.0.0.1", 4000 + number) for number in range(3))
NAME = BroadcastID(ORIGIN, 7, 3)
EDGE = Edge(ORIGIN, ONE, 1, True, 4)


@pytest.fixture
def calls() -> Iterator[HubCalls]:
    made = HubCalls()
    yield made
    made.close()


def test_an_unconfirmed_one_knows_its_id_and_how_many_and_nothing_else() -> None:
    receipt = Receipt(NAME, (ONE, TWO))
    assert (receipt.id, receipt.recipients) == (NAME, 2)
    for read in (
        receipt.wait,
        lambda: receipt.settled,
        lambda: receipt.delivered,
        lambda: receipt.missing,
        lambda: receipt.edges,
        lambda: receipt.elapsed_s,
    ):
        with pytest.raises(ReceiptUnavailable, match="confirm=True"):
            read()


def test_before_it_is_settled_it_says_that_it_is_not(calls: HubCalls) -> None:
    receipt = Receipt(NAME, (ONE, TWO), calls)
    assert receipt.settled is False
    for read in (
        lambda: receipt.delivered,
        lambda: receipt.missing,
        lambda: receipt.edges,
        lambda: receipt.elapsed_s,
    ):
        with pytest.raises(ReceiptUnavailable, match=r"call wait\(\) first"):
            read()


def test_settled_it_tells_who_got_it(calls: HubCalls) -> None:
    receipt = Receipt(NAME, (ONE, TWO), calls)
    waiter = gevent.spawn(receipt.wait)
    gevent.sleep(0)
    assert not waiter.dead
    receipt.settle(Outcome((ONE, TWO), (), (EDGE,)))
    assert waiter.get(timeout=10) is True
    assert receipt.settled
    assert receipt.delivered == (ONE, TWO)
    assert receipt.missing == ()
    assert receipt.edges == (EDGE,)
    assert receipt.elapsed_s >= 0
    assert receipt.wait() is True  # once more is no second wait


def test_somebody_missing_makes_waiting_false(calls: HubCalls) -> None:
    receipt = Receipt(NAME, (ONE, TWO), calls)
    receipt.settle(Outcome((ONE,), (TWO,), ()))
    assert receipt.wait() is False
    assert receipt.missing == (TWO,)


def test_a_wait_may_be_shorter_than_the_receipt(calls: HubCalls) -> None:
    receipt = Receipt(NAME, (ONE,), calls)
    assert receipt.wait(timeout=0.001) is False
    assert receipt.settled is False
    receipt.settle(Outcome((ONE,), (), ()))
    assert receipt.wait(timeout=0.001) is True


def test_the_first_word_is_the_last(calls: HubCalls) -> None:
    receipt = Receipt(NAME, (ONE,), calls)
    receipt.settle(Outcome((ONE,), (), ()))
    elapsed_s = receipt.elapsed_s
    receipt.give_up()
    assert receipt.delivered == (ONE,)
    assert receipt.elapsed_s == elapsed_s


def test_when_the_node_stops_all_are_missing(calls: HubCalls) -> None:
    receipt = Receipt(NAME, (ONE, TWO), calls)
    waiter = gevent.spawn(receipt.wait)
    gevent.sleep(0)
    receipt.give_up()
    assert waiter.get(timeout=10) is False
    assert (receipt.delivered, receipt.missing) == ((), (ONE, TWO))


def test_to_nobody_nobody_is_missing(calls: HubCalls) -> None:
    receipt = Receipt(NAME, (), calls)
    receipt.settle(Outcome((), (), ()))
    assert receipt.wait() is True


def test_another_thread_waits_for_it_too(calls: HubCalls) -> None:
    pool = ThreadPool(2)
    receipt = Receipt(NAME, (ONE,), calls)
    patient, hasty = pool.spawn(receipt.wait), pool.spawn(receipt.wait, 0.001)
    assert hasty.get(timeout=10) is False
    assert not patient.ready()
    receipt.settle(Outcome((ONE,), (), ()))
    assert patient.get(timeout=10) is True
    pool.kill()


def test_a_thread_that_waits_while_the_node_stops_is_told(calls: HubCalls) -> None:
    pool = ThreadPool(1)
    receipt = Receipt(NAME, (ONE,), calls)
    waiter = pool.spawn(receipt.wait)
    wait_until(lambda: receipt._settled.linkcount(), "the call")
    receipt.give_up()
    calls.close()
    assert waiter.get(timeout=10) is False
    assert pool.apply(receipt.wait) is False  # nor does one that comes later wait for ever
    pool.kill()


def test_one_that_nobody_holds_is_forgotten(calls: HubCalls) -> None:
    """So a node keeps none for those who never look."""
    held: weakref.WeakValueDictionary[BroadcastID, Receipt] = weakref.WeakValueDictionary()
    receipt = held[NAME] = Receipt(NAME, (ONE,), calls)
    assert held[NAME] is receipt
    del receipt
    gc.collect()
    assert NAME not in held


def test_it_can_be_read_in_a_log(calls: HubCalls) -> None:
    receipt = Receipt(NAME, (ONE, TWO), calls)
    assert "recipients: 2, not settled" in repr(receipt)
    receipt.settle(Outcome((ONE,), (TWO,), ()))
    assert "1 delivered, 1 missing" in repr(receipt)
    assert "not confirmed" in repr(Receipt(NAME, (ONE,)))
