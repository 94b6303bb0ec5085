"""What a watch notes of what nodes tell, against a node that tells what it is asked to."""

from __future__ import annotations

import base64
import hashlib
import sys
import time
from collections.abc import Iterator

import pytest

from scripts.lab.cluster import Cluster
from scripts.lab.errors import LabError
from scripts.lab.programs import Program
from scripts.lab.proof.watch import Watch
from scripts.lab.sidecar import Event
from scripts.lab.tree import Place

WAIT_S = 30.0  # a deadline, never reached on a machine that does anything at all

# The body of a broadcast is the list of events to tell; "refuse" is refused, bytes are echoed. Each
# process has an address of its own, and what it tells is of broadcasts of the first, seqno 1.
TELLER = """
import json, os, sys
def say(**event): print(json.dumps(event), flush=True)
say(event="ready", address=f"10.0.0.{os.getpid()}:1")
for line in sys.stdin:
    request = json.loads(line)
    if "leave" in request: break
    fields, ref = request["broadcast"], request["ref"]
    if fields.get("body") == "refuse":
        say(event="error", message="too large today", ref=ref)
        continue
    say(event="sent", seqno=1, time_ns=1_000_000, ref=ref)
    if fields.get("confirm"): say(event="receipt", delivered=[], missing=["all"], ref=ref)
    for event in fields.get("body", ()): say(**event)
"""
ORIGIN, OTHER = Place(1, 1), Place(1, 2)
END = "A2: that was all"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    program = Program("teller", (sys.executable, "-c", TELLER))
    with Cluster(1, 2, None, program=program) as cluster:
        yield cluster


def arrival(cluster: Cluster, **more: object) -> Event:
    origin = cluster.nodes[ORIGIN].address
    served = {"sender": origin, "via": "tcp", "hops": 1, "time_ns": 3_000_000}
    return {"event": "message", "origin": origin, "seqno": 1, **served, **more}


def gap(cluster: Cluster, first: int, last: int) -> Event:
    origin = cluster.nodes[ORIGIN].address
    return {"event": "gap", "origin": origin, "first": first, "last": last}


def tell(watch: Watch, *events: Event) -> None:
    """Have the other node tell these, and note them."""
    end = {"event": "error", "message": "that was all"}
    watch.post(OTHER, [*events, end])
    deadline = time.monotonic() + WAIT_S
    while END not in watch.complaints:
        assert time.monotonic() < deadline
        time.sleep(0.01)
        watch.collect()
    watch.complaints.remove(END)


def test_a_broadcast_is_outstanding_until_it_arrives(cluster: Cluster) -> None:
    watch = Watch(cluster)
    sent = watch.send(ORIGIN, [])
    assert not watch.wait_for([sent.broadcast], 0.05)
    assert watch.lacking(sent.broadcast) == [cluster.nodes[OTHER].address]
    tell(watch, arrival(cluster))
    assert watch.wait_for([sent.broadcast], WAIT_S)
    assert watch.ledger.totals().flawless


def test_a_second_arrival_is_counted(cluster: Cluster) -> None:
    watch = Watch(cluster)
    watch.send(ORIGIN, [])
    tell(watch, arrival(cluster), arrival(cluster))
    assert watch.ledger.totals().duplicates == 1


def test_a_gap_settles_what_it_names_and_nothing_else(cluster: Cluster) -> None:
    watch = Watch(cluster)
    sent = watch.send(ORIGIN, [])
    tell(watch, gap(cluster, 2, 9))
    assert not watch.wait_for([sent.broadcast], 0.05, gaps_count=True)
    tell(watch, gap(cluster, 1, 1))
    assert watch.wait_for([sent.broadcast], WAIT_S, gaps_count=True)
    assert watch.lacking(sent.broadcast) == [cluster.nodes[OTHER].address]
    assert watch.gaps == 9


def test_who_is_excused_is_not_waited_for(cluster: Cluster) -> None:
    watch = Watch(cluster)
    sent = watch.send(ORIGIN, [])
    assert watch.wait_for([sent.broadcast], WAIT_S, excused=[cluster.nodes[OTHER].address])


def test_an_address_of_nobodys_is_not_waited_for(cluster: Cluster) -> None:
    watch = Watch(cluster)
    sent = watch.send(ORIGIN, [], ["10.9.9.9:1"])
    assert sent.broadcast.recipients == frozenset()


def test_of_bytes_the_hash_is_kept(cluster: Cluster) -> None:
    watch = Watch(cluster)
    body = bytes(range(256))
    tell(watch, arrival(cluster, body_base64=base64.b64encode(body).decode()))
    arrived = watch.digests[cluster.nodes[ORIGIN].address, 1]
    assert arrived == {cluster.nodes[OTHER].address: hashlib.sha256(body).hexdigest()}


def test_errors_that_answer_nothing_are_kept_with_the_name_of_the_node(cluster: Cluster) -> None:
    watch = Watch(cluster)
    tell(watch, {"event": "error", "message": "lost my way"})
    assert watch.complaints == ["A2: lost my way"]


def test_a_refusal_is_raised_and_a_receipt_is_found(cluster: Cluster) -> None:
    watch = Watch(cluster)
    with pytest.raises(LabError, match="too large today"):
        watch.send(ORIGIN, "refuse")
    assert watch.send(ORIGIN, [], confirm_s=1.0).receipt(WAIT_S)["missing"] == ["all"]


def test_a_node_that_ended_is_no_silence(cluster: Cluster) -> None:
    watch = Watch(cluster)
    cluster.nodes[OTHER].kill()
    with pytest.raises(LabError, match="A2 ended"):
        watch.wait_for([watch.send(ORIGIN, []).broadcast], WAIT_S)


def test_one_given_up_is_not_asked(cluster: Cluster) -> None:
    watch = Watch(cluster)
    cluster.give_up(OTHER).kill()
    assert not watch.wait_for([watch.send(ORIGIN, []).broadcast], 0.05)
