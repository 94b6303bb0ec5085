"""Three subnets of four hosts, no multicast in between: who dispatches what, and how often."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from scripts.lab.cluster import Cluster
from scripts.lab.ledger import Ledger
from scripts.lab.namespaces import NamespaceLab
from scripts.lab.tree import Place

pytestmark = pytest.mark.namespaces

SEGMENTS, HOSTS = 3, 4
ORIGINS = [Place(1, 1), Place(1, 3), Place(2, 2), Place(3, 4)]
MAX_HOPS = math.ceil(math.log2(SEGMENTS)) + 1
ARRIVE_S = 30.0  # a deadline, for a machine busy with other things
QUIET_S = 1.0  # for what must not come


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with NamespaceLab(SEGMENTS, HOSTS) as lab, Cluster(SEGMENTS, HOSTS, lab) as cluster:
        cluster.wait_for_membership()
        yield cluster


def test_everybody_dispatches_each_broadcast_once_and_its_origin_never(cluster: Cluster) -> None:
    ledger = Ledger(cluster.by_address)
    broadcasts = [
        cluster.broadcast(ORIGINS[number % 4], "all", {"number": number}, ledger)
        for number in range(40)
    ]
    cluster.settle(ledger, broadcasts, ARRIVE_S, QUIET_S)
    assert [broadcast.complaint() for broadcast in broadcasts] == [None] * 40
    totals = ledger.totals()
    assert totals.deliveries == 40 * 11
    assert totals.hops_max <= MAX_HOPS
    assert totals.via["multicast"] > 0
    assert totals.via["tcp"] > 0


def test_those_named_dispatch_a_targeted_broadcast_and_nobody_else(cluster: Cluster) -> None:
    ledger = Ledger(cluster.by_address)
    targets = [
        "A2",  # one of the own segment
        "B3",  # one of another
        "B1 B2 B3 B4",  # a whole segment
        "A2 A4 B2 C1 C3",  # some of each
        "A1 C4",  # the origin itself is not served
    ]
    places = {place.name: place for place in cluster.places}
    broadcasts = [
        cluster.broadcast(
            Place(1, 1), "some", {"names": names}, ledger, [places[name] for name in names.split()]
        )
        for names in targets
    ]
    cluster.settle(ledger, broadcasts, ARRIVE_S, QUIET_S)
    assert [broadcast.complaint() for broadcast in broadcasts] == [None] * len(targets)
    assert ledger.totals().deliveries == 1 + 1 + 4 + 5 + 1
    assert ledger.totals().hops_max <= MAX_HOPS


def test_large_bodies_arrive_whole_through_tree_and_multicast(cluster: Cluster) -> None:
    # Above what one datagram of an Ethernet takes, so that not every way is open to it.
    ledger = Ledger(cluster.by_address)
    for node in cluster.nodes.values():
        node.take()
    body = "".join(chr(33 + number * 7919 % 90) for number in range(20_000))
    broadcast = cluster.broadcast(Place(2, 1), "large", body, ledger)
    bodies: dict[str, object] = {}

    def all_have_it() -> bool | None:
        for place, node in cluster.nodes.items():
            for event in node.take():
                if event["event"] == "message":
                    assert place.name not in bodies
                    bodies[place.name] = event["body"]
                    ledger.add_message(node.address, event)
        return True if not broadcast.missing() else None

    cluster.nodes[Place(2, 1)].wait_for(all_have_it, ARRIVE_S, "large body everywhere")
    assert set(bodies.values()) == {body}
    assert len(bodies) == 11
