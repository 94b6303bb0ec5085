"""Tight loops of small messages, which travel as bursts: on lossy networks and unequal ones."""

from __future__ import annotations

import pytest

from chatter.core.channels import ChannelSpec
from chatter.core.handlers import codec_handler
from chatter.testing import Cluster, Duplicate, Fault, Lose, Reorder
from chatter.testing.faults import MULTICAST, UDP
from chatter.wire.burst import Burst
from tests.core.parts import GROUP
from tests.scenarios.oracle import LOOSE, ORDERED, Oracle
from tests.scenarios.stage import names, segments

DATAGRAMS = (MULTICAST, UDP)
NETWORKS: dict[str, list[Fault]] = {
    "nothing lost": [],
    "10 % of all datagrams lost": [Lose(0.1, kinds=DATAGRAMS)],
    "30 % of everything lost": [Lose(0.3)],
    "lost, doubled and shuffled": [Lose(0.1), Duplicate(0.1), Reorder(0.2)],
}


def small(cluster: Cluster) -> bytes:
    """A body of up to 60 bytes, and often of the usual 20."""
    return cluster.rng.randbytes(cluster.rng.choice((20, 20, 20, cluster.rng.randrange(60))))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("faults", NETWORKS.values(), ids=NETWORKS)
def test_each_of_a_burst_arrives_once_and_in_order(faults: list[Fault], seed: int) -> None:
    cluster = segments(2, 3, seed)
    cluster.network.add(*faults)
    oracle = Oracle(cluster)

    for origin, tag in (("a1", ORDERED), ("a2", LOOSE), ("b2", ORDERED)):
        oracle.publish(origin, 1500, lambda _: small(cluster), tags=(tag,))
    oracle.finish()

    oracle.check()
    # It was bursts, or this tells nothing: many broadcasts in each frame, few records to keep.
    broadcasts, entries = len(oracle.sent), len(cluster["b1"].node._store)
    assert broadcasts == 4500
    assert entries < (broadcasts / 8 if not faults else broadcasts)


@pytest.mark.parametrize("seed", range(3))
def test_a_flood_on_small_datagrams_goes_by_the_tree_and_is_overtaken_by_nothing(
    seed: int,
) -> None:
    """And when it is over, what follows is multicast again."""
    cluster = segments(1, 8, seed)
    oracle = Oracle(cluster)

    oracle.publish("a1", 3000, lambda _: cluster.rng.randbytes(1000), tags=(ORDERED,))
    oracle.finish()
    oracle.check()
    flood = [one.message.via for member in cluster for one in member.inbox]
    assert flood.count("tcp") > 0.9 * len(flood) > 0
    assert cluster.count("numbers_asked") < 30
    assert cluster.count("duplicates") < 30

    cluster.run_for(1)
    sent = cluster.broadcast("a1")
    cluster.run_for(1)
    assert {one.message.via for _, one in cluster.deliveries(sent)} == {"multicast"}


@pytest.mark.parametrize("seed", range(2))
def test_targeted_and_confirmed_ones_between_them_keep_their_place(seed: int) -> None:
    cluster = segments(2, 3, seed)
    cluster.network.add(Lose(0.1, kinds=DATAGRAMS))
    oracle = Oracle(cluster)

    def targets(index: int) -> list[str] | None:
        return ["a2", "b3"] if index % 50 == 49 else None

    oracle.publish("a1", 1500, lambda _: small(cluster), tags=(ORDERED,), to=targets)
    oracle.finish()
    oracle.check()


def test_a_burst_of_a_large_datagram_goes_on_by_small_ones() -> None:
    """Jumbo frames in one segment, common ones in the other: the head there cuts bursts to size."""
    cluster = Cluster(1)
    first = cluster.add(1, segment="a")
    cluster.add(2, segment="a", join=first)
    cluster.add(4, segment="b", join=first)
    for member in cluster:
        if member.segment == "a":
            member.channels = (ChannelSpec(GROUP, False, 8960),)
    cluster.start()
    cluster.run_until(cluster.warm)
    cluster.run_for(5)
    oracle = Oracle(cluster)
    before = sum(member.counts["gossip_multicast"] for member in cluster if member.segment == "b")

    oracle.publish("a1", 2000, lambda _: small(cluster), tags=(ORDERED,))
    oracle.finish()

    oracle.check()
    after = sum(member.counts["gossip_multicast"] for member in cluster if member.segment == "b")
    assert after - before >= 1000  # not one by one over TCP


def test_a_handler_that_transforms_sees_each_and_so_do_those_behind_it() -> None:
    cluster = segments(2, 3, seed=3)
    for member in cluster:
        transforms = member.name.startswith("b")
        member.handlers.add(
            codec_handler(
                "word",
                "bytes",
                (lambda body, message: body + b"!") if transforms else lambda body, message: None,
                transforms=transforms,
            )
        )
    words = [b"%d" % number for number in range(200)]
    for word in words:
        cluster["a1"].broadcast("word", word, codec="bytes")
    cluster.run_for(5)

    for name in names(cluster, "a1"):
        bodies = [one.message.body for one in cluster[name].inbox]
        plain = [body.rstrip(b"!") for body in bodies]
        assert sorted(plain) == sorted(words), name
    behind = [one.message for name in ("b1", "b2", "b3") for one in cluster[name].inbox]
    assert {message.body.count(b"!") for message in behind} == {0, 1}  # the head's own, and theirs


def test_broadcasts_of_one_turn_are_one_record() -> None:
    cluster = segments(1, 3, seed=4)
    node = cluster["a1"].node
    records: list[Burst] = []
    take = node._channels[0].outbox.take

    def watching(budget: int, credit: int):  # type: ignore[no-untyped-def]
        batch = take(budget, credit)
        records.extend(one for one in batch.records if isinstance(one, Burst)) if batch else None
        return batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(node._channels[0].outbox), "take", lambda self, b, c: watching(b, c))
        for number in range(40):
            cluster["a1"].broadcast("word", b"%02d" % number, codec="bytes")
        cluster.run_for(0.001)
    assert [(one.many, one.number, one.id.seqno) for one in records] == [(40, 1, 1)]
