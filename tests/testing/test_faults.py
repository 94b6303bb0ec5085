from __future__ import annotations

import random

import pytest

from chatter.ids import NetID
from chatter.testing.faults import Cut, Delay, Duplicate, Fault, Lose, Path, Reorder

A, B, C = (NetID("10.0.0.1", port) for port in (1, 2, 3))


def outcomes(fault: Fault, times: int = 2000) -> list[list[float]]:
    rng = random.Random(1)
    return [fault.change([0.001], rng) for _ in range(times)]


def test_lose() -> None:
    lost = sum(not delays for delays in outcomes(Lose(0.25)))

    assert 400 < lost < 600
    assert all(outcomes(Lose(0.0)))
    assert not any(outcomes(Lose(1.0)))


def test_delay() -> None:
    delays = [delay for (delay,) in outcomes(Delay(0.1, jitter_s=0.05))]

    assert min(delays) >= 0.101
    assert 0.149 < max(delays) < 0.151


def test_duplicate() -> None:
    found = outcomes(Duplicate(0.5, within_s=0.02))

    assert 900 < sum(len(delays) == 2 for delays in found) < 1100
    assert all(delays[0] == 0.001 and delays[-1] <= 0.021 for delays in found)


def test_reorder() -> None:
    found = [delay for (delay,) in outcomes(Reorder(0.5, within_s=0.02))]

    assert 900 < sum(delay == 0.001 for delay in found) < 1100
    assert max(found) <= 0.021


def test_cut_is_both_ways_unless_one_way() -> None:
    there, back, beside = Path("udp", A, B), Path("udp", B, A), Path("udp", A, C)
    cut, one_way = (Cut(sources=[A], targets=[B], one_way=one_way) for one_way in (False, True))

    assert [cut.concerns(path) for path in (there, back, beside)] == [True, True, False]
    assert [one_way.concerns(path) for path in (there, back, beside)] == [True, False, False]
    assert cut.change([0.1, 0.2], random.Random(1)) == []


@pytest.mark.parametrize(
    ("fault", "path", "concerned"),
    [
        (Lose(1.0), Path("tcp", A, B), True),
        (Lose(1.0, kinds=["udp", "tcp"]), Path("multicast", A, B), False),
        (Lose(1.0, kinds=["multicast"]), Path("multicast", A, B), True),
        (Lose(1.0, sources=[A]), Path("udp", B, A), False),
        (Lose(1.0, targets=[A]), Path("udp", B, A), True),
        (Lose(1.0, sources=[A], targets=[C]), Path("udp", A, B), False),
    ],
)
def test_what_a_fault_concerns(fault: Fault, path: Path, concerned: bool) -> None:
    assert fault.concerns(path) is concerned


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="multicast, tcp, udp"):
        Lose(1.0, kinds=["carrier pigeon"])
