"""Payloads above a datagram, above a frame, and as large as they may be."""

from __future__ import annotations

from math import ceil

import pytest

from chatter.config import Config
from chatter.core.assembly import Assemblies
from chatter.core.large import MAX_WHOLE_BYTES
from chatter.ids import NetID
from chatter.testing import Lose, Path
from chatter.testing.faults import MULTICAST, UDP
from tests.scenarios.oracle import Oracle
from tests.scenarios.stage import segments

KIB, MIB = 1024, 1024 * 1024
SIZES = [1, KIB, 64 * KIB, MIB]
# A handler's payload begins with the table of addresses in its body, which is empty here.
LARGEST = Config.max_message_bytes - 2


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
    cluster.network.add(Lose(loss, kinds=(MULTICAST, UDP)))
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


def on_fast_ethernet(to: list[str], size: int) -> list[float]:
    """A payload from a1 on links of 100 Mbit/s and 1 ms: when the targets had it, in seconds."""
    cluster = segments(3, 3)
    cluster.network.bits_per_s = 100e6
    targets = [cluster[name].netid for name in to]
    # The origin is told that all of them are in one segment, so it makes one branch of them. That
    # they are not is for its head to find: hints may be wrong at any time.
    for netid in targets:
        peer = cluster["a1"].node._context.peers.get(netid)
        assert peer is not None
        peer.segment = targets[0]
    began = cluster.now
    sent, _ = cluster["a1"].broadcast("big", cluster.rng.randbytes(size), targets, codec="bytes")
    cluster.run_until(lambda: len(cluster.deliveries(sent)) == len(to), 20)
    hops = [one.message.hops for _, one in cluster.deliveries(sent)]
    assert hops == list(range(1, len(to) + 1)), "a chain"
    return [one.at - began for _, one in cluster.deliveries(sent)]


def test_three_segments_take_less_than_one_and_a_half_hops() -> None:
    on_the_line_s = MIB * 8 / 100e6

    (one_hop_s,) = on_fast_ethernet(["b1"], MIB)
    *_, chain_s = on_fast_ethernet(["b1", "c1"], MIB)

    assert on_the_line_s < one_hop_s < 1.2 * on_the_line_s
    assert chain_s < 1.5 * one_hop_s


@pytest.mark.parametrize("groups", [True, False], ids=["multicast", "tree"])
def test_a_relay_passes_on_the_first_chunk_before_it_has_the_last(groups: bool) -> None:
    cluster = segments(4, 2) if groups else segments(4, 2, groups=())
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
            120,
            lambda index: cluster.rng.randbytes(200 * KIB if index % 10 == 0 else 300),
            pause_s=0.002,
        )

    oracle.finish()

    oracle.check()
    assert ceil(sum(len(one.body) for one in oracle.sent.values()) / MIB) >= 4


def test_what_takes_longer_than_repair_may_is_no_gap() -> None:
    """Its number is known to be missing all the time, and nobody asks for what is on its way."""
    cluster = segments(2, 3, repair_timeout_s=0.5)
    cluster.network.bits_per_s = 100e6
    oracle = Oracle(cluster)
    began = cluster.now
    oracle.broadcast("a1", cluster.rng.randbytes(12 * MIB))
    cluster.run_for(0.2)
    oracle.broadcast("a1", b"small")

    oracle.finish(10)

    oracle.check()
    assert cluster.count("numbers_asked") == 0
    assert min(one.at for member in cluster for one in member.inbox) > began + 1


def test_nothing_waits_for_the_rest_when_its_source_died() -> None:
    cluster = segments(3, 3)
    cluster.network.bits_per_s = 100e6
    targets = [cluster[name].netid for name in ("b1", "c1")]
    for netid in targets:
        peer = cluster["a1"].node._context.peers.get(netid)
        assert peer is not None
        peer.segment = targets[0]
    cluster["a1"].broadcast("big", cluster.rng.randbytes(8 * MIB), targets, codec="bytes")
    cluster.run_for(0.3)
    cluster["a1"].kill(silently=True)
    assert cluster["c1"].node.pending(cluster.now)

    cluster.run_for(60)

    assert cluster.count("assemblies_given_up") == 2
    for member in cluster.running:
        assert not member.node._links.has_data, member


@pytest.mark.parametrize("to", [["b1"], None], ids=["to some", "to everyone"])
def test_more_at_a_time_than_can_be_assembled_come_one_after_the_other(
    to: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Assemblies.__init__, "__defaults__", (2 * MIB,))
    cluster = segments(2, 1, groups=())
    cluster.network.bits_per_s = 1e9
    targets = None if to is None else [cluster[name].netid for name in to]
    body = cluster.rng.randbytes(MIB // 2)
    sent = [
        cluster["a1"].broadcast("big", body, targets, codec="bytes", confirm_s=20.0)[0]
        for _ in range(12)
    ]

    cluster.run_for(21)

    assert [cluster.who_dispatched(one) for one in sent] == [["b1"]] * 12
    assert [cluster["a1"].receipts[one].missing for one in sent] == [()] * 12
