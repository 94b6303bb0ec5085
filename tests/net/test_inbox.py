"""What waits for a handler: when it is full, when it is behind, and what is said of the dropped."""

from __future__ import annotations

import itertools
import random
import time

import pytest

from chatter import Gap
from chatter.net.inbox import (
    HARD_BYTES,
    HARD_MESSAGES,
    MAX_RANGES,
    RESUME_MESSAGES,
    SOFT_BYTES,
    SOFT_MESSAGES,
    Dropped,
    Inbox,
)
from tests.net.deliveries import EPOCH, ONE, TWO, burst, delivery

SLOW_S = 1.0


def filled(count: int, size: int = 10) -> Inbox:
    inbox = Inbox(SLOW_S)
    for number in range(1, count + 1):
        assert inbox.put(delivery(number, size=size))
    return inbox


def is_full(inbox: Inbox) -> bool:
    """Asked anew: what changes it is not seen by who only reads the attribute's type."""
    return inbox.full


def too_late() -> float:
    """A moment at which what began before now has lasted too long."""
    return time.monotonic() + SLOW_S


def test_first_in_first_out_and_the_bytes_are_counted() -> None:
    inbox = filled(3, size=100)
    assert (len(inbox), inbox.bytes) == (3, 300)
    assert [inbox.take().gossip.number for _ in range(3)] == [1, 2, 3]
    assert (len(inbox), inbox.bytes) == (0, 0)
    with pytest.raises(IndexError):
        inbox.take()


def test_a_burst_that_was_taken_waits_on_until_it_is_done() -> None:
    inbox = Inbox(SLOW_S)
    inbox.put(burst(1, 100, size=10))
    inbox.put(burst(101, SOFT_MESSAGES))
    assert is_full(inbox)
    size = len(inbox.take().gossip.payload)
    inbox.take()
    assert len(inbox) == 100 + SOFT_MESSAGES
    assert not inbox
    inbox.done(100, size)
    assert is_full(inbox)
    inbox.done(RESUME_MESSAGES, 0)
    assert not is_full(inbox)


def test_above_the_soft_bound_it_is_full_until_enough_of_it_is_done() -> None:
    inbox = filled(SOFT_MESSAGES)
    assert not is_full(inbox)
    assert inbox.put(delivery(SOFT_MESSAGES + 1))
    assert is_full(inbox)
    while len(inbox) > RESUME_MESSAGES:
        assert is_full(inbox)
        inbox.take()
    assert not is_full(inbox)
    assert not inbox.behind


def test_bytes_fill_it_too() -> None:
    inbox = filled(8, size=SOFT_BYTES // 8)
    assert not is_full(inbox)
    inbox.put(delivery(9, size=1000))
    assert is_full(inbox)
    for _ in range(2):
        inbox.take()
    assert is_full(inbox)  # three quarters of the bound, and the last one
    inbox.take()
    assert not is_full(inbox)


def test_one_message_alone_is_never_too_much() -> None:
    inbox = filled(1, size=2 * SOFT_BYTES)
    assert not is_full(inbox)
    inbox.put(delivery(2, size=2 * SOFT_BYTES))
    assert is_full(inbox)
    inbox.take()
    assert not is_full(inbox)


def test_above_its_bound_for_too_long_it_is_behind_and_drops() -> None:
    inbox = filled(SOFT_MESSAGES + 1)
    inbox.check(too_late() - 2 * SLOW_S)
    assert is_full(inbox)
    inbox.check(too_late())
    assert (inbox.full, inbox.behind) == (False, True)  # the senders wait for it no longer
    assert not inbox.put(delivery(SOFT_MESSAGES + 2))
    while len(inbox) > RESUME_MESSAGES:
        assert inbox.behind
        inbox.take()
    assert not inbox.behind
    assert inbox.put(delivery(SOFT_MESSAGES + 3))
    assert inbox.dropped.take("hello") == [
        Gap(ONE, EPOCH, SOFT_MESSAGES + 2, SOFT_MESSAGES + 2, "hello")
    ]


def test_a_break_starts_the_time_anew() -> None:
    inbox = filled(SOFT_MESSAGES + 1)
    inbox.take()
    assert is_full(inbox)
    inbox.check(too_late())
    assert not inbox.behind
    inbox.put(delivery(1))
    inbox.check(too_late())
    assert inbox.behind


def test_above_the_hard_bound_it_is_behind_at_once() -> None:
    by_count = filled(HARD_MESSAGES)
    by_bytes = filled(4, size=HARD_BYTES // 4)
    for inbox in (by_count, by_bytes):
        assert is_full(inbox)
        waiting = len(inbox), inbox.bytes
        assert not inbox.put(delivery(HARD_MESSAGES + 1))
        assert (inbox.full, inbox.behind) == (False, True)
        assert (len(inbox), inbox.bytes) == waiting


def test_what_is_for_some_has_no_number_to_tell() -> None:
    inbox = filled(SOFT_MESSAGES + 1)
    inbox.check(too_late())
    assert not inbox.put(delivery(0))
    assert not inbox.dropped


def test_dropped_numbers_are_told_once_as_ranges_of_each_origin() -> None:
    dropped = Dropped()
    for number in (5, 6, 7, 9, 4, 10):
        dropped.add(ONE, EPOCH, number, number)
    dropped.add(TWO, EPOCH, 5, 5)
    dropped.add(ONE, EPOCH + 1, 1, 1)
    assert dropped
    assert dropped.take("hello") == [
        Gap(ONE, EPOCH, 4, 7, "hello"),
        Gap(ONE, EPOCH, 9, 10, "hello"),
        Gap(TWO, EPOCH, 5, 5, "hello"),
        Gap(ONE, EPOCH + 1, 1, 1, "hello"),
    ]
    assert not dropped
    assert dropped.take("hello") == []


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order_no_number_is_left_out_and_ranges_are_few(seed: int) -> None:
    rng = random.Random(seed)
    numbers = rng.sample(range(1, 5000), rng.randrange(1, 2000))
    if seed % 2:
        numbers.sort()
    dropped = Dropped()
    for number in numbers:
        dropped.add(ONE, EPOCH, number, number)
    gaps = dropped.take("hello")
    assert len(gaps) <= MAX_RANGES
    covered = {number for gap in gaps for number in range(gap.first, gap.last + 1)}
    assert covered >= set(numbers)
    assert (min(covered), max(covered)) == (min(numbers), max(numbers))
    ends = [(gap.first, gap.last) for gap in gaps]
    assert all(last + 1 < first for (_, last), (first, _) in itertools.pairwise(ends))
    if len(numbers) < MAX_RANGES:  # then nothing else is named
        assert covered == set(numbers)
