from __future__ import annotations

import random
from functools import lru_cache
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.core.postal import (
    TICKS,
    completion,
    groups,
    halves,
    halving,
    informed,
    sends,
    split,
    star,
)

COUNTS = st.integers(0, 700)
LATENCIES = st.integers(TICKS, 3000 * TICKS)


@lru_cache(None)
def least(count: int, latency: int) -> int:
    """The least time of all trees there are, found by trying them."""
    return min(
        (
            max(latency + least(size - 1, latency), TICKS + least(count - size, latency))
            if size < count
            else latency + least(size - 1, latency)
            for size in range(1, count + 1)
        ),
        default=0,
    )


def planned(count: int, latency: int) -> tuple[int, int, int]:
    """What comes of it if everybody plans: who is informed, when the last is, and in how many hops.
    Not by recursion alone, so that it could not agree with a wrong formula by being the same."""
    waiting = [(0, count, 0)]
    reached = last = deepest = 0
    while waiting:
        at, rest, hops = waiting.pop()
        for index, size in enumerate(split(rest, latency)):
            arrival = at + index * TICKS + latency
            reached += 1
            last, deepest = max(last, arrival), max(deepest, hops + 1)
            waiting.append((arrival, size - 1, hops + 1))
    return reached, last, deepest


@given(COUNTS, LATENCIES)
def test_everybody_is_informed_once_and_in_the_time_that_was_said(count: int, latency: int) -> None:
    reached, last, _ = planned(count, latency)

    assert reached == count
    assert last <= completion(count, latency)


@given(st.integers(0, 40), st.integers(TICKS, 60 * TICKS))
def test_no_tree_is_faster(count: int, latency: int) -> None:
    assert completion(count, latency) == least(count, latency)


@given(COUNTS, LATENCIES)
def test_it_is_never_slower_than_halving_or_a_star(count: int, latency: int) -> None:
    assert completion(count, latency) <= min(halving(count, latency), star(count, latency))


@given(COUNTS, LATENCIES)
def test_no_way_has_more_hops_than_with_halving(count: int, latency: int) -> None:
    _, _, deepest = planned(count, latency)

    assert deepest <= ceil(log2(count + 1))


@given(COUNTS)
def test_if_a_message_arrives_as_soon_as_it_is_sent_it_is_halving(count: int) -> None:
    assert split(count, TICKS) == halves(count)


@given(COUNTS)
def test_if_everybody_is_sent_to_before_the_first_has_it_it_is_a_star(count: int) -> None:
    assert split(count, max(1, count) * TICKS) == [1] * count


def test_the_tree_of_the_paper() -> None:
    """Broadcasting among 14 with a latency of 2.5: its figure 1, done after 7.5."""
    latency = 5 * TICKS // 2

    assert completion(13, latency) == 15 * TICKS // 2
    assert informed(15 * TICKS // 2, latency, 100) == 14
    assert informed(15 * TICKS // 2 - 1, latency, 100) < 14
    assert split(13, latency) == [5, 3, 2, 1, 1, 1]


@given(st.integers(0, 400), LATENCIES, st.integers(1, 1000))
def test_the_numbers_are_fibonaccis_generalised(ticks: int, latency: int, most: int) -> None:
    if ticks < latency:
        assert informed(ticks, latency, most) == min(1, most)
    else:
        before = informed(ticks - TICKS, latency, most)
        assert informed(ticks, latency, most) == min(
            most, before + informed(ticks - latency, latency, most)
        )


@given(COUNTS, LATENCIES)
def test_the_sends_are_counted(count: int, latency: int) -> None:
    assert sends(count, latency) == len(split(count, latency))


@pytest.mark.parametrize("count", [1000, 65535])
@pytest.mark.parametrize("latency", [1, 1.5, 4, 100, 1000, 100_000])
def test_large_clusters(count: int, latency: float) -> None:
    ticks = int(latency * TICKS)

    sizes = split(count, ticks)

    assert sum(sizes) == count
    assert completion(count, ticks) <= min(halving(count, ticks), star(count, ticks))


# Some far, some near


def modelled(latencies: list[int]) -> int:
    """When the last one is informed, if each message takes as long as its receiver is far from us,
    the nearest of a branch heads it, and all plan alike."""
    waiting = [(0, sorted(latencies, reverse=True))]
    last = 0
    while waiting:
        at, rest = waiting.pop()
        begin = sent = 0
        for size in groups(rest):
            members = rest[begin : begin + size]
            begin += size
            for part in split(size, members[0]):
                *others, head = members[:part]
                members = members[part:]
                arrival = at + sent * TICKS + head
                sent += 1
                last = max(last, arrival)
                waiting.append((arrival, others))
        assert begin == len(rest)
    return last


def best_star(latencies: list[int]) -> int:
    """A star that sends to the farthest first."""
    by_distance = sorted(latencies, reverse=True)
    return max((index * TICKS + one for index, one in enumerate(by_distance)), default=0)


def some_halving(latencies: list[int], rng: random.Random) -> int:
    """Halving among those in any order."""
    order = list(latencies)
    rng.shuffle(order)
    waiting = [(0, order)]
    last = 0
    while waiting:
        at, rest = waiting.pop()
        for index, size in enumerate(halves(len(rest))):
            head, *others = rest[:size]
            rest = rest[size:]
            arrival = at + index * TICKS + head
            last = max(last, arrival)
            waiting.append((arrival, others))
    return last


MIXED = st.lists(st.sampled_from([1, 2, 5, 30, 200]), max_size=80).map(
    lambda latencies: [one * TICKS for one in latencies]
)


@given(MIXED)
def test_those_of_different_distance_are_served_no_later_than_by_a_star(
    latencies: list[int],
) -> None:
    assert modelled(latencies) <= best_star(latencies)


@given(MIXED)
def test_nor_later_than_by_the_best_tree_that_takes_all_for_as_far_as_the_farthest(
    latencies: list[int],
) -> None:
    assert modelled(latencies) <= completion(len(latencies), max(latencies, default=TICKS))


@pytest.mark.parametrize("seed", range(20))
def test_nor_later_than_by_halving_as_it_mostly_comes_out(seed: int) -> None:
    rng = random.Random(seed)
    distances = rng.choices([1, 2, 5, 30, 200], k=rng.randint(1, 4))
    latencies = [rng.choice(distances) * TICKS for _ in range(rng.randint(1, 200))]

    halved = sorted(some_halving(latencies, rng) for _ in range(21))

    assert modelled(latencies) <= halved[10]


def test_few_far_ones_do_not_hold_up_the_near() -> None:
    """Two behind a long line: they are sent to at once, and the others are halved."""
    latencies = [400 * TICKS] * 2 + [TICKS] * 31

    assert groups(latencies) == [2, 31]
    assert modelled(latencies) == 401 * TICKS


def test_those_nearly_as_far_are_not_kept_apart() -> None:
    latencies = [TICKS + 15 - index for index in range(16)]

    assert len(groups(latencies)) <= 2
