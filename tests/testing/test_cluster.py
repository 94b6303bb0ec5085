from __future__ import annotations

import pytest

from chatter.ids import NetID
from chatter.testing import Cluster, Lose
from chatter.testing.cluster import START_UNIX_MS


def history(seed: int) -> tuple[list[object], dict[str, int]]:
    cluster = Cluster(seed)
    first = cluster.add(3)
    cluster.add(3, segment="b", join=first[:1])
    cluster.network.add(Lose(0.2))
    cluster.start()
    for _ in range(10):
        cluster.broadcast("a1", body="x")
        cluster.run_for(0.5)
    inboxes: list[object] = [
        (member.name, one.at, one.message.via) for member in cluster for one in member.inbox
    ]
    return inboxes, dict(cluster.network.counts)


def test_the_same_seed_is_the_same_run() -> None:
    assert history(1) == history(1)
    assert history(1) != history(2)


def test_names_addresses_and_the_key() -> None:
    cluster = Cluster(1)
    cluster.add(2)
    cluster.add(1, segment="db")
    cluster.add(1)

    assert [member.name for member in cluster] == ["a1", "a2", "db1", "a3"]
    assert len({member.netid for member in cluster}) == len(cluster) == 4
    assert cluster.at(cluster["db1"].netid) is cluster["db1"]
    assert cluster.name_of(cluster["a3"].netid) == "a3"
    assert cluster.name_of(NetID("192.0.2.1", 5)) == "192.0.2.1:5"
    assert Cluster(1).key == cluster.key != Cluster(2).key


def test_thousands_of_addresses_are_all_different() -> None:
    cluster = Cluster()
    for segment in range(300):
        cluster.add(2, segment=f"s{segment}-")
    cluster.add(600, segment="wide")

    assert len({member.netid for member in cluster}) == 1200


def test_a_host_has_one_address_and_several_ports() -> None:
    cluster = Cluster()
    workers = cluster.add(3, host="web")

    assert len({member.netid.ip for member in workers}) == 1
    assert len({member.netid.port for member in workers}) == 3


def test_settings_of_the_cluster_and_of_a_node() -> None:
    cluster = Cluster(beacon_interval_s=2.0)
    one, other = cluster.add(1)[0], cluster.add(1, beacon_interval_s=0.5)[0]

    assert (one.config.beacon_interval_s, other.config.beacon_interval_s) == (2.0, 0.5)


def test_wall_clocks_go_with_the_virtual_one_and_may_be_wrong() -> None:
    cluster = Cluster()
    right, ahead = cluster.add(1)[0], cluster.add(1, skew_s=3600.0)[0]
    cluster.run_for(10)
    cluster.start()

    assert right.node.epoch >> 16 == START_UNIX_MS + 10_000
    assert ahead.node.epoch >> 16 == START_UNIX_MS + 3_610_000


def test_waiting_for_what_never_comes_fails_with_the_seed() -> None:
    cluster = Cluster(77)

    with pytest.raises(AssertionError, match=r"not within 5 s: pigs fly \(seed 77\)"):
        cluster.run_until(lambda: False, 5, "pigs fly")
    assert cluster.now == pytest.approx(5.0, abs=0.1)


def test_settling_is_until_nothing_is_on_its_way() -> None:
    cluster = Cluster()
    cluster.add(3)
    cluster.start()
    cluster.run_until(cluster.complete)
    cluster.settle()
    began = cluster.now

    sent = cluster.broadcast("a1")
    cluster.settle()

    assert cluster.network.in_flight == 0
    assert cluster.who_dispatched(sent) == ["a2", "a3"]
    assert cluster.now - began < 0.5


def test_what_never_settles_fails() -> None:
    cluster = Cluster()
    cluster.add(2, groups=())
    cluster["a2"].seeds = [cluster["a1"].netid]
    cluster.start()
    cluster.run_for(1)
    cluster.network.add(Lose(1.0))
    cluster.broadcast("a1", to=["a2"])

    with pytest.raises(AssertionError, match="not quiet"):
        cluster.settle(1.0)


def test_complete_and_warm() -> None:
    cluster = Cluster()
    cluster.add(2)
    cluster.start()
    assert not cluster.complete()
    cluster.run_until(cluster.complete)
    cluster.run_until(cluster.warm)
    cluster.network.add(Lose(1.0, kinds=["multicast"]))
    cluster.run_for(20)

    assert cluster.complete()
    assert not cluster.warm()
    cluster["a2"].kill()
    assert not cluster.complete()
