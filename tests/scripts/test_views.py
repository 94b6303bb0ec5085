from __future__ import annotations

from typing import Any

import pytest

from scripts.lab.tree import Place
from scripts.lab.views import Views, membership, segments_agreed

A1, A2, B1, B2 = Place(1, 1), Place(1, 2), Place(2, 1), Place(2, 2)
BY_ADDRESS = {f"10.0.{place.segment}.{place.number}:1": place for place in (A1, A2, B1, B2)}
ADDRESSES = {place: address for address, place in BY_ADDRESS.items()}


def settled() -> dict[Place, list[dict[str, Any]]]:
    """All see all, and each segment is called by its lowest address."""
    return {
        place: [
            {
                "address": ADDRESSES[peer],
                "state": "alive",
                "multicast": peer.segment == place.segment,
                "segment": ADDRESSES[Place(peer.segment, 1)],
            }
            for peer in ADDRESSES
            if peer != place
        ]
        for place in ADDRESSES
    }


def test_without_multicast_none_is_waited_for() -> None:
    views = settled()
    for entries in views.values():
        for entry in entries:
            entry["multicast"] = False
    assert not membership(views, BY_ADDRESS).complete
    assert membership(views, BY_ADDRESS, multicast=False).complete


def entry_of(views: Views, observer: Place, peer: Place) -> dict[str, Any]:
    return next(entry for entry in views[observer] if entry["address"] == ADDRESSES[peer])


def test_settled_nodes_see_all_and_hear_their_own_segment() -> None:
    state = membership(settled(), BY_ADDRESS)
    assert state.complete
    assert str(state) == "peers known 12 of 12, multicasts heard 4 of 4"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": "suspect"}, "peers known 11 of 12, multicasts heard 3 of 4"),
        ({"multicast": False}, "peers known 12 of 12, multicasts heard 3 of 4"),
        ({"address": "10.9.9.9:1"}, "peers known 11 of 12, multicasts heard 3 of 4"),
    ],
    ids=["suspect", "not heard", "a stranger"],
)
def test_one_pair_amiss_is_not_settled(change: dict[str, Any], words: str) -> None:
    views = settled()
    entry_of(views, A1, A2).update(change)
    state = membership(views, BY_ADDRESS)
    assert not state.complete
    assert str(state) == words


def test_a_multicast_heard_from_elsewhere_makes_up_for_nothing() -> None:
    views = settled()
    entry_of(views, A1, A2)["multicast"] = False
    entry_of(views, A1, B1)["multicast"] = True
    assert membership(views, BY_ADDRESS).heard == 3


def test_segments_are_agreed_on_when_all_call_them_alike() -> None:
    assert segments_agreed(settled(), BY_ADDRESS) == 2


@pytest.mark.parametrize("name", [None, ADDRESSES[A2]], ids=["nothing", "another"])
@pytest.mark.parametrize("observer", [A2, B1, B2], ids=lambda place: place.name)
def test_one_observer_who_calls_one_node_otherwise_is_no_agreement(
    observer: Place, name: str | None
) -> None:
    views = settled()
    entry_of(views, observer, A1)["segment"] = name
    assert segments_agreed(views, BY_ADDRESS) == 1


def test_a_segment_that_nobody_can_name_is_not_agreed_on() -> None:
    views = settled()
    for entries in views.values():
        for entry in entries:
            entry["segment"] = None
    assert segments_agreed(views, BY_ADDRESS) == 0
