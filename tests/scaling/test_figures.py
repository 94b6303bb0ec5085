"""What broadcasts come to, and what shapes of clusters promise."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, log2

import pytest

from scripts.measuring.errors import MeasureError
from scripts.scaling.figures import EVERYONE, NEIGHBOURS, Sent, bound_of, row_of
from scripts.scaling.memory import check, most_nodes
from scripts.scaling.shapes import SHAPES

SENT = Sent(
    recipients=10,
    hops=2,
    frames=4,
    header_bytes=500,
    list_bytes=30,
    other_bytes=100,
    listed=20,
    received=11,
    dispatched=10,
    doubled=0,
    stray=0,
    last_s=0.002,
    sending_ns=300_000,
    total_ns=700_000,
)


def test_the_bound_is_that_of_the_planner() -> None:
    for units in [*range(1, 300), 2**20 - 1, 2**20]:
        assert bound_of(units) == ceil(log2(units + 1)) + 1
    assert bound_of(0) == 1  # one multicast


def test_the_first_broadcast_counts_for_bounds_and_not_for_medians() -> None:
    first = replace(SENT, hops=4, last_s=0.1, header_bytes=9000, sending_ns=10**9)
    row = row_of("tcp", 11, EVERYONE, 10, [first, SENT, SENT])

    assert (row.hops, row.bound, row.runs) == (4, 5, 3)
    assert row.first_ms == pytest.approx(100)
    assert row.last_ms == pytest.approx(2)
    assert row.header_bytes_per_recipient == 50
    assert row.list_bytes_per_recipient == 3
    assert row.other_bytes_per_recipient == 10
    assert row.list_bytes_per_listed == 1.5
    assert row.copies_per_delivery == pytest.approx(1.1)
    assert (row.sending_us, row.total_us) == (300, 700)
    assert row.well


def test_without_lists_they_cost_nothing_each() -> None:
    alone = replace(SENT, list_bytes=0, listed=0)
    assert row_of("subnet", 11, EVERYONE, 0, [alone, alone]).list_bytes_per_listed is None


@pytest.mark.parametrize(
    "bad", [{"dispatched": 9}, {"doubled": 1}, {"stray": 1}, {"hops": 6}], ids=str
)
def test_one_bad_broadcast_is_not_well(bad: dict[str, int]) -> None:
    assert not row_of("tcp", 11, EVERYONE, 10, [SENT, SENT, replace(SENT, **bad)]).well


def test_all_nodes_are_in_a_subnet_and_none_is_empty() -> None:
    segments = SHAPES["segments"]
    assert segments.sizes(1000) == [50] * 20
    assert segments.sizes(23) == [2, 2, 2, *[1] * 17]
    assert segments.sizes(3) == [1, 1, 1]
    assert SHAPES["tcp"].sizes(7) == [7]


@pytest.mark.parametrize(
    ("shape", "nodes", "targets", "units", "to_everyone"),
    [
        ("subnet", 10, 9, 0, 0),
        ("subnet", 1000, 50, 0, 0),
        ("segments", 10, 1, 1, 9),
        ("segments", 1000, 50, 1, 19),
        ("segments", 10_000, 50, 1, 19),
        ("tcp", 10, 9, 9, 9),
        ("tcp", 1000, 50, 50, 999),
    ],
)
def test_what_is_to_be_served(
    shape: str, nodes: int, targets: int, units: int, to_everyone: int
) -> None:
    of = SHAPES[shape]
    assert of.targets(nodes) == targets
    assert of.units(nodes, NEIGHBOURS) == units
    assert of.units(nodes, EVERYONE) == to_everyone


def test_a_cluster_that_does_not_fit_is_refused_with_one_that_does() -> None:
    shape = SHAPES["subnet"]
    most = most_nodes(shape, 0.8 * 10**9)
    assert shape.memory_bytes(most) <= 0.8 * 10**9 < shape.memory_bytes(most + 1)
    check(shape, most, 10**9)
    with pytest.raises(MeasureError, match=f"up to {most:,}"):
        check(shape, most + 1, 10**9)
