"""Three segments of four nodes, no multicast between them: the main job."""

from __future__ import annotations

from itertools import cycle, islice
from math import ceil, log2

import pytest

from tests.scenarios.stage import delivered, most_hops, names, segments

ORIGINS = ["a1", "b2", "c3", "a4"]


@pytest.mark.parametrize("seed", range(3))
def test_each_of_40_broadcasts_is_dispatched_once_by_each_of_the_others(seed: int) -> None:
    cluster = segments(3, 4, seed)
    received, before = cluster.count("gossip_received"), delivered(cluster)

    for origin in islice(cycle(ORIGINS), 40):
        sent = cluster.broadcast(origin, body={"from": origin})
        cluster.run_for(0.3)
        assert cluster.who_dispatched(sent) == names(cluster, origin)
        assert most_hops(cluster, sent) <= ceil(log2(3)) + 1

    copies = cluster.count("gossip_received") - received
    assert copies <= 1.15 * (delivered(cluster) - before)


def test_many_at_once_arrive_in_shared_frames() -> None:
    cluster = segments(3, 4)
    frames = cluster.count("frames_received")

    sent = [cluster.broadcast("a1", body=number) for number in range(100)]
    cluster.run_for(0.1)

    assert [cluster.who_dispatched(one) for one in sent] == [names(cluster, "a1")] * 100
    assert cluster.count("frames_received") - frames < 1100 / 4


@pytest.mark.parametrize(
    "named", [["a2"], ["b1"], ["a2", "a3"], ["b1", "b4", "c2"], ["a3", "b2", "b3", "c1", "c4"]]
)
def test_a_targeted_broadcast_is_dispatched_by_those_named_alone(named: list[str]) -> None:
    cluster = segments(3, 4)

    sent = cluster.broadcast("a1", to=named)
    cluster.run_for(1)

    assert cluster.who_dispatched(sent) == named


def test_the_origin_in_its_own_list_is_left_out() -> None:
    cluster = segments(2, 2)
    recipients = [cluster[name].netid for name in ("a1", "b1")]

    broadcast, count = cluster["a1"].broadcast("hello", 1, recipients)
    cluster.run_for(1)

    assert count == 1
    assert cluster.who_dispatched(broadcast) == ["b1"]


def test_unknown_recipients_do_not_keep_the_others_from_theirs() -> None:
    cluster = segments(3, 4)
    strangers = [type(cluster["a1"].netid)(f"192.0.2.{number}", 9) for number in range(1, 9)]
    known = ["a3", "b1", "b2", "c4"]

    sent = cluster.broadcast("a1", to=[*strangers, *known])
    cluster.run_for(30)

    assert cluster.who_dispatched(sent) == known


def test_a_broadcast_to_nobody_is_no_error() -> None:
    cluster = segments(1, 1)

    broadcast, count = cluster["a1"].broadcast("hello", 1)
    cluster.run_for(1)

    assert count == 0
    assert cluster.who_dispatched(broadcast) == []
    assert cluster["a1"].counts["broadcasts_to_nobody"] == 1


def test_message_tells_where_it_came_from_and_how() -> None:
    cluster = segments(2, 2)

    sent = cluster.broadcast("a1", "greeting", ["x", 1])
    cluster.run_for(1)

    near, far = (cluster[name].inbox[-1].message for name in ("a2", "b1"))
    assert (near.origin, near.sender, near.via, near.hops) == (
        cluster["a1"].netid,
        cluster["a1"].netid,
        "multicast",
        1,
    )
    assert (near.tag, near.body, near.codec) == ("greeting", ["x", 1], "json")
    assert (near.epoch, near.seqno) == (sent.epoch, sent.seqno)
    relayed = max((near, far, cluster["b2"].inbox[-1].message), key=lambda one: one.hops)
    assert relayed.hops == 2
    assert relayed.origin == cluster["a1"].netid
    assert relayed.sender in (cluster["b1"].netid, cluster["b2"].netid)
    assert relayed.via == "multicast"


def test_no_datagram_is_too_large_for_the_network() -> None:
    cluster = segments(3, 4)

    for size in (0, 100, 1000, 1200, 1250, 1300, 1350, 1400, 1450, 2000):
        body = cluster.rng.randbytes(size)
        everybody = cluster.broadcast("a1", body=body, codec="bytes")
        some = cluster.broadcast("b1", body=body, to=names(cluster), codec="bytes")
        cluster.run_for(1)
        assert cluster.who_dispatched(everybody) == names(cluster, "a1")
        assert cluster.who_dispatched(some) == names(cluster, "b1")

    assert cluster.network.counts["multicast_too_large"] == 0
    assert cluster.network.counts["udp_too_large"] == 0


def test_a_message_above_a_datagram_goes_by_the_tree() -> None:
    cluster = segments(3, 8)

    sent = cluster.broadcast("a1", body=cluster.rng.randbytes(40_000), codec="bytes")
    cluster.run_for(1)

    assert cluster.who_dispatched(sent) == names(cluster, "a1")
    assert {one.message.via for _, one in cluster.deliveries(sent)} == {"tcp"}
    assert most_hops(cluster, sent) <= ceil(log2(24)) + 1


def test_multicast_that_is_routed_between_segments_serves_both() -> None:
    cluster = segments(2, 3)
    cluster.network.route_multicast("a", "b")
    cluster.run_for(20)

    sent = cluster.broadcast("a1")
    cluster.run_for(1)

    assert cluster.who_dispatched(sent) == names(cluster, "a1")
    assert {one.message.via for _, one in cluster.deliveries(sent)} == {"multicast"}


def test_multicast_does_not_pass_more_routers_than_its_ttl() -> None:
    cluster = segments(2, 3, multicast_ttl=2)
    cluster.network.route_multicast("a", "b", routers=2)
    cluster.run_for(20)

    sent = cluster.broadcast("a1")
    cluster.run_for(1)

    assert cluster.who_dispatched(sent) == names(cluster, "a1")
    assert "tcp" in {one.message.via for _, one in cluster.deliveries(sent)}
