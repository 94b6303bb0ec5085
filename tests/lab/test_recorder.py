"""The node that keeps what it dispatched, spoken with as `scripts/measure_lab` does."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lab import cluster as cluster_module
from scripts.lab.cluster import Cluster
from scripts.lab.errors import LabError
from scripts.lab.ledger import Ledger
from scripts.lab.programs import RECORDER, Program
from scripts.lab.sidecar import Sidecar
from scripts.lab.tree import Place

ROOT = Path(__file__).resolve().parents[2]
SEGMENTS, HOSTS = 2, 2
ORIGIN = Place(1, 1)
WAIT_S = 60.0  # a deadline, for a machine busy with other things
QUIET_S = 0.2  # for what must not come


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        with Cluster(SEGMENTS, HOSTS, None, program=RECORDER) as cluster:
            cluster.wait_for_membership(WAIT_S)
            yield cluster


def dispatched_by(cluster: Cluster) -> int:
    return cluster.counters().get("dispatched", 0)


def test_messages_are_told_when_asked_for_and_once(cluster: Cluster) -> None:
    ledger = Ledger(cluster.by_address)
    cluster.collect(ledger)
    dispatched = dispatched_by(cluster)
    broadcast = cluster.broadcast(ORIGIN, "all", "x" * 1024, ledger)
    deadline = time.monotonic() + WAIT_S
    while dispatched_by(cluster) < dispatched + 3:
        assert time.monotonic() < deadline, "it did not arrive"
    assert [node.take() for node in cluster.nodes.values()] == [[]] * 4
    assert broadcast.deliveries == []
    assert cluster.collect(ledger)
    assert broadcast.complaint() is None
    assert broadcast.last_ms() is not None
    assert all(delivery.time_ns > (broadcast.sent_ns or 0) for delivery in broadcast.deliveries)
    assert {delivery.via for delivery in broadcast.deliveries} <= {"tcp", "multicast", "udp"}
    assert not cluster.collect(ledger)
    assert broadcast.complaint() is None


def test_a_broadcast_may_name_its_recipients(cluster: Cluster) -> None:
    ledger = Ledger(cluster.by_address)
    to = [Place(1, 2), Place(2, 1)]
    broadcast = cluster.broadcast(ORIGIN, "some", 7, ledger, to)
    cluster.settle(ledger, [broadcast], WAIT_S, QUIET_S)
    assert broadcast.complaint() is None
    assert len(broadcast.deliveries) == 2


def test_all_come_to_know_the_segments(cluster: Cluster) -> None:
    assert cluster.wait_for_segments(WAIT_S)


def test_segments_that_are_not_known_in_time_are_done_without(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "segments_agreed", lambda views, by_address: 0)
    assert not cluster.wait_for_segments(0.0)


def test_the_cpu_time_of_a_node_grows_with_its_work_and_ends_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = (
        'import time\nwhile time.process_time() < 0.2: pass\nprint(\'{"event":"done"}\')\ninput()'
    )
    sidecar = Sidecar("A1", [sys.executable, "-u", "-c", busy], threading.Condition())
    try:
        sidecar.wait_for(lambda: sidecar.take() or None, WAIT_S, "'done' event")
        assert sidecar.cpu_ns() >= 200_000_000
        sidecar.kill()
        with pytest.raises(LabError, match="node A1 ended with status -9"):
            sidecar.cpu_ns()
    finally:
        sidecar.kill()
        sidecar.close()


def test_one_that_is_asked_nonsense_ends_and_says_why(cluster: Cluster) -> None:
    place = Place(2, 2)
    with pytest.raises(LabError, match=r"(?s)ended with status 1: .*no such request"):
        cluster.nodes[place].request({"messages": False}, "messages", WAIT_S)
    cluster.start_node(place).leave()
    assert cluster.nodes[place].wait(WAIT_S) == 0
    cluster.start_node(place)


def test_a_node_of_a_program_that_can_not_run_is_reported() -> None:
    broken = Program("broken", (sys.executable, "-c", "raise SystemExit('not today')"))
    with pytest.raises(LabError, match="ended with status 1: not today"):
        Cluster(1, 2, None, program=broken).start()
