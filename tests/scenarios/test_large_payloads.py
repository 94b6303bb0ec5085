"""Payloads above a datagram, above a frame, and as large as they may be."""

from __future__ import annotations

from math import ceil

import pytest

from chatter.core.large import MAX_WHOLE_BYTES
from chatter.ids import NetID
from chatter.testing import Cluster, Cut, Lose, Path
from chatter.testing.faults import TCP
from tests.scenarios.oracle import Oracle
from tests.scenarios.stage import segments

KIB, MIB = 1024, 1024 * 1024
SIZES = [1, KIB, 64 * KIB, MIB]
LARGEST = 16 * MIB


def one_each(oracle: Oracle, size: int, *origins: str) -> None:
    """Broadcasts of this size, both ways; they have come."""
    for origin in origins:
        oracle.broadcast(origin, oracle.cluster.rng.randbytes(size), confirm_s=30.0)
    oracle.finish(30, quiet_s=3)
    oracle.check()
    for sent, one in oracle.sent.items():
        outcome = one.origin.receipts[sent]
        assert len(outcome.delivered) == len(oracle.cluster) - 1
        assert outcome.missing == ()


@pytest.mark.parametrize("loss", [0.0, 0.1], ids=["whole", "lossy"])
@pytest.mark.parametrize("size", [*SIZES, pytest.param(LARGEST, id="largest")])
def test_every_size_by_multicast(size: int, loss: float) -> None:
    cluster = segments(1, 4)
    cluster.network.add(Lose(loss))
    before = cluster.network.counts["multicast_bytes"]

    one_each(Oracle(cluster), size, "a1", "a3")

    if size > 100:  # copies: one of each, and what was lost
        carried = cluster.network.counts["multicast_bytes"] - before
        assert carried > 2 * size


@pytest.mark.parametrize("loss", [0.0, 0.1], ids=["whole", "lossy"])
@pytest.mark.parametrize("size", [*SIZES, pytest.param(LARGEST, id="largest")])
def test_every_size_by_the_tree(size: int, loss: float) -> None:
    cluster = segments(4, 1, groups=())
    cluster.network.add(Lose(loss))

    one_each(Oracle(cluster), size, "a1", "c1")


@pytest.mark.parametrize("seed", range(3))
def test_sizes_around_every_limit_both_ways(seed: int) -> None:
    cluster = segments(3, 3, seed)
    cluster.network.add(Lose(0.1))
    oracle = Oracle(cluster)
    limits = (1100, 1250, 1400, MAX_WHOLE_BYTES, 64 * KIB)
    sizes = [limit + step for limit in limits for step in (-1, 0, 1, 40)]
    for origin in ("a1", "b2", "c3"):
        oracle.publish(
            origin, len(sizes), lambda index: cluster.rng.randbytes(sizes[index]), pause_s=0.05
        )

    oracle.finish()

    oracle.check()


def chain(cluster: Cluster) -> None:
    """From a to c there is no way but through b."""
    ends = [[one.netid for one in cluster if one.segment == name] for name in "ac"]
    cluster.network.add(Cut(sources=ends[0], targets=ends[1]))


def on_fast_ethernet(segments_: int, origin: str, to: list[str], size: int) -> tuple[Cluster, float]:
    """A payload on links of 100 Mbit/s and 1 ms; the cluster, and the seconds to the last one."""
    cluster = segments(segments_, 3)
    if segments_ == 3:
        chain(cluster)
    cluster.network.bits_per_s = 100e6
    began = cluster.now
    targets = [cluster[name].netid for name in to]
    sent, _ = cluster[origin].broadcast("big", cluster.rng.randbytes(size), targets, codec="bytes")
    cluster.run_until(lambda: len(cluster.deliveries(sent)) == len(to), 20)
    return cluster, max(one.at for _, one in cluster.deliveries(sent)) - began


def test_three_segments_take_less_than_one_and_a_half_hops() -> None:
    _, one_hop_s = on_fast_ethernet(2, "a1", ["b1"], MIB)
    assert MIB * 8 / 100e6 < one_hop_s < 1.3 * MIB * 8 / 100e6

    _, chain_s = on_fast_ethernet(3, "a1", ["b1", "c1"], MIB)
    assert chain_s < 1.5 * one_hop_s


@pytest.mark.parametrize("groups", [True, False], ids=["multicast", "tree"])
def test_a_relay_passes_on_the_first_chunk_before_it_has_the_last(groups: bool) -> None:
    options = {} if groups else {"groups": ()}
    cluster = segments(4, 2, **options)
    cluster.network.bits_per_s = 100e6
    origin = cluster["a1"].netid
    big: list[tuple[float, NetID]] = []

    def tap(path: Path, data: bytes) -> None:
        if len(data) > KIB:
            big.append((cluster.now, path.source))

    cluster.network.taps.append(tap)
    sent = cluster.broadcast("a1", body=cluster.rng.randbytes(4 * MIB), codec="bytes")
    cluster.run_until(lambda: len(cluster.deliveries(sent)) == 7, 20)

    whole_at = {member.netid: one.at for member, one in cluster.deliveries(sent)}
    relays = {source for _, source in big} - {origin}
    assert relays
    for relay in relays:
        first = min(at for at, source in big if source == relay)
        assert first < 0.25 * whole_at[relay] + 0.75 * min(at for at, _ in big)


def test_a_flood_of_large_and_small_ones_under_loss() -> None:
    cluster = segments(2, 3)
    cluster.network.add(Lose(0.1))
    oracle = Oracle(cluster)
    for origin in ("a1", "b2"):
        oracle.publish(
            origin,
            300,
            lambda index: cluster.rng.randbytes(200 * KIB if index % 10 == 0 else 300),
            pause_s=0.002,
        )

    oracle.finish()

    oracle.check()
    assert ceil(sum(len(one.body) for one in oracle.sent.values()) / MIB) >= 12
