"""Small clusters, measured; how fast they are is nobody's business here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chatter.testing import Cluster
from chatter.testing.faults import MULTICAST, TCP
from scripts.measuring.rows import from_json
from scripts.scaling.figures import EVERYONE, NEIGHBOURS, Row
from scripts.scaling.main import CHOICES
from scripts.scaling.measure import measure
from scripts.scaling.shapes import SHAPES
from scripts.scaling.wiretap import Carried, Wiretap

ROOT = Path(__file__).parents[2]


def rows_of(shape: str, nodes: int) -> dict[str, Row]:
    """What a short run came to."""
    return {row.to: row for row in measure(SHAPES[shape], nodes, 128, 3)}


@pytest.mark.parametrize("shape", SHAPES)
def test_10_nodes_get_it_once_within_the_bound(shape: str) -> None:
    for row in rows_of(shape, 10).values():
        assert row.well
        assert 1 <= row.hops <= row.bound
        assert row.copies_per_delivery == 1.0
        assert row.header_bytes_per_recipient > 0
        assert 0 < row.sending_us <= row.total_us


def test_a_list_of_50_neighbours_takes_less_than_2_bytes_each() -> None:
    row = rows_of("subnet", 60)[NEIGHBOURS]
    assert row.recipients == 50
    assert row.list_bytes_per_listed is not None
    assert 0 < row.list_bytes_per_listed < 2
    assert 0 < row.list_bytes_per_recipient < 2


def test_to_everyone_in_a_subnet_is_one_frame_without_a_list() -> None:
    row = rows_of("subnet", 60)[EVERYONE]
    assert (row.frames, row.list_bytes_per_recipient, row.list_bytes_per_listed) == (1, 0, None)
    assert row.header_bytes_per_recipient < 2


def test_all_but_the_clocks_is_the_same_each_time() -> None:
    def figures() -> list[object]:
        clocks = {"sending_us": 0.0, "total_us": 0.0, "memory_mib": 0.0, "seconds": 0.0}
        return [{**vars(row), **clocks} for row in rows_of("segments", 30).values()]

    assert figures() == figures()


def test_the_wiretap_reads_each_frame_that_holds_a_broadcast() -> None:
    heard: list[Carried] = []
    cluster = Cluster(1)
    Wiretap(cluster, heard.append)
    a = cluster.add(3, segment="a")
    cluster.add(3, segment="b", join=a[:1])
    cluster.start()
    cluster.run_until(cluster.warm)
    cluster.run_for(5)  # by then they know who is in which segment
    body = cluster.rng.randbytes(100)

    cluster.broadcast("a1", body=body, to=["a2", "b1", "b2", "b3"], codec="bytes")
    cluster.run_for(1)

    assert sorted(one.path.kind for one in heard) == [MULTICAST, MULTICAST, TCP]
    assert {one.body_bytes for one in heard} == {100}
    own, *_ = (one for one in heard if one.path == (MULTICAST, a[0].netid, one.path.target))
    assert own.gossip.distribution == (a[1].netid,)
    (handed_on,) = (one for one in heard if one.path.kind == TCP)
    assert handed_on.listed == 2
    for one in heard:
        assert one.wire_bytes == one.body_bytes + one.header_bytes
        assert 0 < one.list_bytes < one.header_bytes


def test_the_command_measures_in_processes_of_its_own(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "scripts.scaling.main", "--nodes", "10"),
            *("--shapes", "tcp", "--runs", "2", "--json", str(figures)),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [row.to for row in from_json(figures.read_text(), Row, CHOICES)] == [
        EVERYONE,
        NEIGHBOURS,
    ]
