"""Clusters of a size that no machine here could run as processes."""

from __future__ import annotations

from math import ceil, log2

from chatter.testing import Cluster
from tests.scenarios.stage import most_hops

# Background talk is not what these tests are about: it is frozen.
QUIET = {"beacon_interval_s": 60.0, "failure_timeout_s": 3600.0, "evidence_timeout_s": 3600.0}


def test_a_segment_of_200_is_one_multicast() -> None:
    cluster = Cluster(1, **QUIET)
    cluster.add(200)
    cluster.start()
    cluster.acquaint()

    before = cluster.count("gossip_multicast")
    sent = cluster.broadcast("a1")
    cluster.run_for(1)

    assert len(set(cluster.who_dispatched(sent))) == len(cluster.who_dispatched(sent)) == 199
    assert cluster.count("gossip_multicast") - before == 1
    assert cluster.count("gossip_sent") == 0
    assert most_hops(cluster, sent) == 1


def test_half_of_a_segment_of_200_can_be_named() -> None:
    cluster = Cluster(1, **QUIET)
    cluster.add(200)
    cluster.start()
    cluster.acquaint()
    named = [f"a{number}" for number in range(2, 201, 2)]

    sent = cluster.broadcast("a1", to=named)
    cluster.run_for(1)

    assert cluster.who_dispatched(sent) == sorted(named)
    assert cluster.network.counts["multicast_too_large"] == 0


def test_a_segment_of_70_stays_below_50_beacons_a_second_and_keeps_its_evidence() -> None:
    cluster = Cluster(1, evidence_timeout_s=4.0)
    cluster.add(70)
    cluster.start()
    cluster.acquaint()

    cluster.run_for(10)

    assert cluster.warm()
    assert cluster.network.counts["multicast_too_large"] == 0
    assert 20 < cluster.count("beacons_sent") / 10 < 50


def test_40_segments_of_5_nodes_take_log_40_rounds() -> None:
    cluster = Cluster(1, **QUIET)
    for segment in range(40):
        cluster.add(5, segment=f"s{segment}-")
    cluster.start()
    cluster.acquaint()

    sent = cluster.broadcast("s7-3")
    cluster.run_for(1)

    assert len(set(cluster.who_dispatched(sent))) == len(cluster.who_dispatched(sent)) == 199
    assert most_hops(cluster, sent) <= ceil(log2(40)) + 1
    assert cluster.count("gossip_sent") == 39  # one connection enters each other segment


def test_1000_nodes_in_20_segments() -> None:
    cluster = Cluster(1, **QUIET)
    for segment in range(20):
        cluster.add(50, segment=f"s{segment}-")
    cluster.start()
    cluster.acquaint()

    sent = cluster.broadcast("s3-1")
    cluster.run_for(1)

    assert len(set(cluster.who_dispatched(sent))) == len(cluster.who_dispatched(sent)) == 999
    assert most_hops(cluster, sent) <= ceil(log2(20)) + 1
