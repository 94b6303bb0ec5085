from __future__ import annotations

import random
from itertools import pairwise

import pytest

from chatter.core.spans import Spans, most_ranges


def spans_of(*ranges: tuple[int, int]) -> Spans:
    spans = Spans(100)
    for start, stop in ranges:
        spans.add(start, stop)
    return spans


def test_ranges_that_touch_become_one() -> None:
    spans = spans_of((0, 10), (20, 30))

    assert list(spans) == [(0, 10), (20, 30)]
    assert spans.add(10, 20) == [(10, 20)]
    assert list(spans) == [(0, 30)]
    assert (spans.total, spans.prefix, spans.top) == (30, 30, 30)


def test_adding_tells_what_was_new() -> None:
    spans = spans_of((10, 20), (30, 40))

    assert spans.add(12, 18) == []
    assert spans.add(5, 35) == [(5, 10), (20, 30)]
    assert spans.add(0, 50) == [(0, 5), (40, 50)]
    assert list(spans) == [(0, 50)]


def test_removing_cuts_and_splits() -> None:
    spans = spans_of((0, 10), (20, 30), (40, 50))

    spans.remove(25, 45)
    spans.remove(3, 5)
    spans.remove(100, 200)

    assert list(spans) == [(0, 3), (5, 10), (20, 25), (45, 50)]
    assert spans.total == 3 + 5 + 5 + 5
    spans.remove(0, 50)
    assert (list(spans), spans.total, len(spans)) == ([], 0, 0)


def test_the_first_part_of_a_range() -> None:
    spans = spans_of((10, 20), (30, 40))

    assert spans.first(0, 10) is None
    assert spans.first(0, 11) == (10, 20)
    assert spans.first(15, 16) == (15, 20)
    assert spans.first(20, 30) is None
    assert spans.first(20, 31) == (30, 40)
    assert spans.first(40, 99) is None


def test_what_is_missing() -> None:
    spans = spans_of((10, 20), (30, 40))

    assert list(spans.missing(50)) == [(0, 10), (20, 30), (40, 50)]
    assert list(spans.missing(35)) == [(0, 10), (20, 30)]
    assert list(spans.missing(25)) == [(0, 10), (20, 25)]
    assert list(Spans(1).missing(7)) == [(0, 7)]
    assert spans.prefix == 0


def test_at_the_limit_only_the_lowest_hole_takes_what_touches_nothing() -> None:
    spans = Spans(3)
    for start in (10, 20, 30):
        spans.add(start, start + 1)

    assert spans.add(40, 41) == []
    assert spans.add(15, 16) == []
    assert (len(spans), spans.total) == (3, 3)
    assert spans.add(0, 1) == [(0, 1)]
    assert spans.add(11, 20) == [(11, 20)]  # touching is always possible
    assert list(spans) == [(0, 1), (10, 21), (30, 31)]


def test_filling_the_lowest_hole_gets_everywhere_from_the_worst_start() -> None:
    size = 100_000
    spans = Spans(most_ranges(size))
    for start in range(1, size, 2):
        spans.add(start, start + 1)
    assert len(spans) == most_ranges(size)

    rounds = 0
    while spans.total < size:
        start, stop = next(spans.missing(size))
        assert spans.add(start, min(stop, start + 1000))
        rounds += 1
    assert rounds < most_ranges(size) + size // 1000 + 2


@pytest.mark.parametrize("seed", range(10))
def test_agrees_with_a_set_of_bytes(seed: int) -> None:
    rng = random.Random(seed)
    spans, oracle = Spans(1000), set[int]()
    for _ in range(2000):
        start = rng.randrange(300)
        stop = start + rng.randint(1, rng.choice((3, 100)))
        asked = set(range(start, stop))
        if rng.random() < 0.5:
            new = {byte for part in spans.add(start, stop) for byte in range(*part)}
            assert new == asked - oracle
            oracle |= asked
        else:
            spans.remove(start, stop)
            oracle -= asked
        ranges = list(spans)
        assert {byte for part in ranges for byte in range(*part)} == oracle
        assert all(one[1] < other[0] for one, other in pairwise(ranges))
        assert spans.total == len(oracle)
        assert spans.top == max(oracle, default=-1) + 1
        assert spans.prefix == next(byte for byte in range(500) if byte not in oracle)
        missing = {byte for part in spans.missing(250) for byte in range(*part)}
        assert missing == set(range(250)) - oracle
        found = spans.first(start, stop)
        assert (found[0] if found else None) == min(asked & oracle, default=None)
        assert found is None or (found[1] not in oracle and found[1] - 1 in oracle)
