"""JGroups' DISCARD, DUPL and SHUFFLE tests: a lossy network shows in time, not in what arrives.

Source: the protocols of that name, which its test suite puts below reliable multicast
(https://docs.jgroups.org).
"""

from __future__ import annotations

import pytest

from chatter.testing import Cluster, Duplicate, Fault, Lose, Reorder
from chatter.testing.faults import MULTICAST, UDP
from tests.scenarios.oracle import Oracle
from tests.scenarios.stage import segments

DATAGRAMS = (MULTICAST, UDP)
MESSAGES, BYTES = 10_000, 1_000

NETWORKS: dict[str, list[Fault]] = {
    "10 % of all datagrams lost": [Lose(0.1, kinds=DATAGRAMS)],
    "10 % of everything lost": [Lose(0.1)],
    "50 % of all datagrams lost": [Lose(0.5, kinds=DATAGRAMS)],
    "lost, doubled and shuffled": [Lose(0.1), Duplicate(0.1), Reorder(0.2)],
}


def both_ways(cluster: Cluster, messages: int) -> Oracle:
    """Two nodes of two segments broadcast so many each, to everyone, as fast as they may."""
    oracle = Oracle(cluster)
    for origin in ("a1", "b2"):
        oracle.publish(origin, messages, lambda _: cluster.rng.randbytes(BYTES))
    oracle.finish()
    return oracle


@pytest.mark.parametrize("faults", NETWORKS.values(), ids=NETWORKS)
def test_10000_broadcasts_arrive_once_and_in_order(faults: list[Fault]) -> None:
    cluster = segments(2, 3, seed=1)
    cluster.network.add(*faults)

    oracle = both_ways(cluster, MESSAGES)

    oracle.check()
    assert len(oracle.sent) == 2 * MESSAGES
    assert cluster.network.counts["multicast_lost"] > 1000


@pytest.mark.parametrize("seed", range(2, 6))
@pytest.mark.parametrize("faults", NETWORKS.values(), ids=NETWORKS)
def test_the_same_with_other_chances(faults: list[Fault], seed: int) -> None:
    cluster = segments(2, 3, seed)
    cluster.network.add(*faults)

    both_ways(cluster, 300).check()


@pytest.mark.parametrize("seed", range(2))
def test_the_last_of_a_burst_is_repaired_as_well(seed: int) -> None:
    """Nothing follows that would show the hole; and one in a row of single ones has none at all."""
    cluster = segments(2, 4, seed)
    cluster.network.add(Lose(0.5, kinds=DATAGRAMS))
    oracle = Oracle(cluster)

    for turn in range(30):
        oracle.broadcast("a2" if turn % 2 else "b1", bytes(100))
        took_s = cluster.run_until(lambda: not oracle.missing(), 10, "the last one came")
        assert took_s < 10
        cluster.run_for(1)

    oracle.check()


@pytest.mark.parametrize("seed", range(3))
def test_targeted_broadcasts_are_repaired_and_leave_no_gaps(seed: int) -> None:
    """Nothing numbers them, so each hop answers for its own; and who is not meant misses none."""
    cluster = segments(2, 4, seed)
    cluster.network.add(Lose(0.3, kinds=DATAGRAMS))
    oracle = Oracle(cluster)
    others = [member.name for member in cluster if member.name not in ("a1", "b2")]

    def some(index: int) -> list[str] | None:
        return cluster.rng.sample(others, 1 + index % len(others)) if index % 5 else None

    for origin in ("a1", "b2"):
        oracle.publish(origin, 300, lambda _: cluster.rng.randbytes(200), pause_s=0.01, to=some)
    oracle.finish(quiet_s=15)

    oracle.check()
    assert sum(one.to is not None for one in oracle.sent.values()) == 480


def test_a_flood_of_targeted_broadcasts_is_repaired() -> None:
    cluster = segments(2, 4)
    cluster.network.add(Lose(0.3, kinds=DATAGRAMS))
    oracle = Oracle(cluster)
    oracle.publish("a1", 2000, lambda _: cluster.rng.randbytes(200), to=lambda _: ["a2", "b1"])

    oracle.finish()

    oracle.check()
