from __future__ import annotations

from chatter.testing import Cluster


def test_introduced_they_know_what_they_would_have_learnt() -> None:
    cluster = Cluster(beacon_interval_s=60.0, failure_timeout_s=3600.0)
    for segment in "ab":
        cluster.add(5, segment=segment)
    cluster.start()
    cluster.acquaint()

    assert cluster.warm()
    sent = cluster.broadcast("b2")
    cluster.run_for(1)
    assert len(cluster.who_dispatched(sent)) == 9
    assert cluster.count("gossip_sent") == 1
    assert cluster.count("dropped_unproven_life") == 0


def test_only_origins_need_to_know_everybody() -> None:
    cluster = Cluster(beacon_interval_s=60.0, failure_timeout_s=3600.0)
    for segment in "abc":
        cluster.add(4, segment=segment)
    cluster.start()
    cluster.acquaint("a1")

    assert len(cluster["a1"].live_peers()) == 11
    assert len(cluster["a2"].live_peers()) == 3


def test_they_can_be_quiet_at_first() -> None:
    cluster = Cluster(beacon_interval_s=1.0)
    cluster.add(5)
    cluster.start()
    cluster.acquaint(quiet_s=2.0)

    cluster.run_for(1.9)
    assert cluster.count("beacons_sent") == 0
    cluster.run_for(1.2)
    assert cluster.count("beacons_sent") >= 5
