from __future__ import annotations

import random

import pytest

from chatter.core.duplicates import WINDOW
from chatter.core.numbers import MAX_EARLY, Numbers


def told(since: int = 0) -> Numbers:
    """Numbers of an origin that said from where on they are ours."""
    numbers = Numbers()
    numbers.tell_since(since)
    return numbers


def noted(*came: int, since: int = 0) -> Numbers:
    """Numbers of which some came."""
    numbers = told(since)
    for number in came:
        assert numbers.note(number)
    return numbers


def test_in_order_nothing_is_missing() -> None:
    numbers = noted(*range(1, 50))

    assert (numbers.floor, numbers.top) == (49, 49)
    assert numbers.missing(10) == []
    assert not numbers.note(20)


def test_what_was_left_out_is_missing_until_it_comes() -> None:
    numbers = noted(1, 5, 9)

    assert numbers.missing(10) == [(2, 4), (6, 8)]
    assert (numbers.floor, numbers.top, numbers.last_missing) == (1, 9, 8)
    assert [numbers.note(number) for number in (3, 3, 2, 7)] == [True, False, True, True]
    assert numbers.missing(10) == [(4, 4), (6, 6), (8, 8)]
    assert numbers.missing(2) == [(4, 4), (6, 6)]
    assert numbers.missing(10, above=4, upto=7) == [(6, 6)]
    assert numbers.is_missing(4, 6)
    assert not numbers.is_missing(4, 5)


def test_parts_of_a_range_can_be_looked_at() -> None:
    numbers = noted(1, 100)

    assert numbers.missing(10, above=10, upto=20) == [(11, 20)]


def test_names_are_missing_too() -> None:
    numbers = noted(1)
    assert numbers.name(4)
    assert not numbers.name(3)
    assert numbers.note(6)

    assert numbers.missing(10) == [(2, 5)]


def test_without_a_word_the_first_decides() -> None:
    numbers = Numbers()
    assert numbers.note(7)

    assert numbers.floor == 7
    assert numbers.note(9)
    assert numbers.missing(10) == [(8, 8)]
    assert numbers.note(5)  # nobody asked for it, but here it is
    assert not numbers.note(5)
    assert numbers.missing(10) == [(8, 8)]


def test_of_a_name_alone_nothing_is_missing() -> None:
    numbers = Numbers()
    assert numbers.name(7)

    assert numbers.needs_since
    assert numbers.missing(10) == []
    assert (numbers.floor, numbers.top) == (0, 0)


def test_a_name_and_then_the_word() -> None:
    numbers = Numbers()
    numbers.name(7)
    numbers.tell_since(5)

    assert not numbers.needs_since
    assert numbers.missing(10) == [(6, 7)]


def test_a_name_and_then_a_number() -> None:
    numbers = Numbers()
    numbers.name(7)
    assert numbers.note(5)

    assert numbers.missing(10) == [(6, 7)]


def test_the_word_fills_back_what_did_not_come_before_it() -> None:
    numbers = Numbers()
    for number in (10, 8, 6, 12):
        numbers.note(number)
    numbers.tell_since(4)

    assert numbers.missing(10) == [(5, 5), (7, 7), (9, 9), (11, 11)]
    assert numbers.floor == 4
    assert numbers.note(3)


def test_the_word_takes_away_what_is_not_ours() -> None:
    numbers = Numbers()
    for number in (1, 9):
        numbers.note(number)
    numbers.tell_since(5)

    assert numbers.missing(10) == [(6, 8)]
    numbers = Numbers()
    numbers.note(1)
    numbers.tell_since(20)
    assert (numbers.floor, numbers.top) == (20, 20)


def test_only_the_first_word_counts() -> None:
    numbers = noted(1, 5)
    numbers.tell_since(3)

    assert numbers.missing(10) == [(2, 4)]


def test_what_is_given_up_is_settled() -> None:
    numbers = noted(1, 5, 10)

    assert numbers.give_up(7) == [(2, 4), (6, 7)]
    assert numbers.missing(10) == [(8, 9)]
    assert numbers.floor == 7
    assert not numbers.note(3)
    assert numbers.give_up(100) == [(8, 9)]
    assert numbers.floor == 10


def test_what_is_being_assembled_is_not_asked_for_nor_given_up() -> None:
    numbers = noted(1, 9)
    numbers.in_progress(4, True)
    numbers.in_progress(9, True)  # it came: nothing to assemble

    assert numbers.missing(10) == [(2, 3), (5, 8)]
    assert numbers.is_missing(3, 4)
    assert numbers.give_up(9) == [(2, 3), (5, 8)]
    assert (numbers.floor, numbers.missing(10)) == (3, [])
    numbers.in_progress(4, False)
    assert numbers.missing(10) == [(4, 4)]
    numbers.in_progress(4, True)
    assert numbers.give_up(9, unfinished=True) == [(4, 4)]
    assert numbers.floor == 9


def test_what_was_assembled_has_come() -> None:
    numbers = noted(1, 3)
    numbers.in_progress(2, True)

    assert numbers.note(2)
    assert numbers.floor == 3


@pytest.mark.parametrize("how", ["in order", "far", "named"])
def test_what_falls_out_of_the_window_is_lost(how: str) -> None:
    numbers = noted(1, 3)
    if how == "in order":
        for number in range(4, WINDOW + 2):
            assert numbers.note(number)
            assert numbers.lost == []
        numbers.note(WINDOW + 2)
    elif how == "far":
        numbers.note(WINDOW + 2)
    else:
        numbers.name(WINDOW + 2)

    assert numbers.lost == [(2, 2)]
    assert numbers.floor >= 2
    assert not numbers.note(2)


def test_a_name_from_far_away_costs_a_range() -> None:
    numbers = noted(1)
    numbers.name(1 << 60)

    assert numbers.lost == [(2, (1 << 60) - WINDOW)]
    assert numbers.missing(10) == [((1 << 60) - WINDOW + 1, 1 << 60)]


def test_early_ones_are_bounded() -> None:
    numbers = Numbers()
    for number in range(10 * MAX_EARLY, MAX_EARLY, -1):
        assert numbers.note(number)

    assert len(numbers._early) == MAX_EARLY


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_a_set(seed: int) -> None:
    rng = random.Random(seed)
    numbers = told()
    missing: set[int] = set()
    unfinished: set[int] = set()
    top = 0
    for _ in range(3000):
        action = rng.random()
        number = max(1, top + rng.randint(-60, 12))
        if action < 0.8:
            assert numbers.note(number) == (number in missing or number > top)
            missing |= set(range(top + 1, number))
            missing.discard(number)
            unfinished.discard(number)
            top = max(top, number)
        elif action < 0.9:
            numbers.name(number)
            missing |= set(range(top + 1, number + 1))
            top = max(top, number)
        elif action < 0.97:
            under_way = rng.random() < 0.7
            numbers.in_progress(number, under_way)
            if under_way and number in missing:
                unfinished.add(number)
            elif not under_way:
                unfinished.discard(number)
        else:
            given_up = numbers.give_up(number - 30)
            expected = {one for one in missing - unfinished if one <= number - 30}
            assert {n for first, last in given_up for n in range(first, last + 1)} == expected
            missing -= expected
        asked = [n for first, last in numbers.missing(10_000) for n in range(first, last + 1)]
        assert asked == sorted(missing - unfinished)
        assert numbers.floor == (min(missing) - 1 if missing else top)
        assert numbers.top == top
