from __future__ import annotations

import pytest

from chatter.core import peers
from chatter.core.peers import PeerDB
from chatter.ids import NetID
from tests.core.parts import US, make_peer, netid


def make_db(*numbers: int) -> PeerDB:
    db = PeerDB(US)
    for number in numbers:
        assert db.add(make_peer(number))
    return db


def test_we_are_no_peer_of_ours() -> None:
    db = PeerDB(US)

    assert not db.add(make_peer(1))
    assert len(db) == 0


def test_a_full_table_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "MAX_PEERS", 2)
    db = make_db(2, 3)

    assert not db.add(make_peer(4))
    assert db.get(netid(4)) is None
    db.forget(netid(2))
    assert db.add(make_peer(4))


def test_a_newcomer_takes_the_place_of_those_gone_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "MAX_PEERS", 32)
    db = make_db(2)
    for number in range(3, 34):
        db.add(make_peer(number, now=float(number), state="failed"))

    assert db.add(make_peer(99))

    left = {peer.netid for peer in db}
    assert {netid(2), netid(99), netid(33)} <= left
    assert netid(3) not in left
    assert len(left) >= 31


@pytest.mark.parametrize(
    ("state", "live"), [("alive", True), ("suspect", True), ("failed", False), ("left", False)]
)
def test_who_is_live(state: str, live: bool) -> None:
    db = make_db(2)
    db.add(make_peer(3, state=state))

    assert (netid(3) in [peer.netid for peer in db.live()]) is live


def test_a_peer_that_names_us_hears_us() -> None:
    db = make_db(2)
    db.note_seen_ids(netid(2), [(0, (netid(5), US)), (1, (netid(5),))], True, 3.0)

    peer = db.get(netid(2))
    assert peer is not None
    assert peer.hears == {0: 3.0}


def test_a_complete_list_without_us_ends_the_evidence_and_a_slice_does_not() -> None:
    db = make_db(2)
    peer = db.get(netid(2))
    assert peer is not None
    db.note_seen_ids(netid(2), [(0, (US,))], True, 1.0)

    db.note_seen_ids(netid(2), [(0, (netid(7),))], False, 2.0)
    assert peer.hears == {0: 1.0}
    db.note_seen_ids(netid(2), [(1, (US,))], False, 3.0)
    assert peer.hears == {0: 1.0, 1: 3.0}
    db.note_seen_ids(netid(2), [(0, (netid(7),))], True, 4.0)
    assert peer.hears == {}


def test_who_hears_us_anew_joins_the_window_where_it_is_now() -> None:
    """What it granted before was for what it heard then."""
    db = make_db(2)
    peer = db.get(netid(2))
    assert peer is not None
    peer.limits = {0: 1000, 1: 2000}
    peer.hears = {1: 0.0}

    db.note_seen_ids(netid(2), [(0, (US,)), (1, (US,))], True, 1.0)

    assert peer.limits == {1: 2000}


def test_seen_ids_of_a_stranger_are_nothing() -> None:
    db = make_db(2)
    db.note_seen_ids(netid(9), [(0, (US,))], True, 1.0)

    assert db.get(netid(9)) is None


def test_whom_we_heard_lately_by_their_channel() -> None:
    db = make_db(2, 3, 4)
    for number, channel, when in ((2, 0, 10.0), (2, 1, 1.0), (3, 1, 9.0), (4, 0, 2.0)):
        db.note_heard(netid(number), channel, when)

    assert db.seen_ids(10.0, 3.5) == [(0, (netid(2),)), (1, (netid(3),))]


def test_our_segment_is_named_after_the_lowest_with_mutual_fresh_evidence() -> None:
    us = NetID("10.0.0.100", 1)
    db = PeerDB(us)
    for number, hears, heard in (
        (1, {0: 10.0}, {}),  # hears us, is not heard
        (2, {}, {0: 10.0}),  # the other way round
        (3, {0: 10.0}, {0: 1.0}),  # was heard long ago
        (4, {0: 10.0}, {0: 10.0}),
        (5, {0: 10.0}, {0: 10.0}),
    ):
        db.add(make_peer(number, hears=hears, heard=heard))
    db.add(make_peer(0, state="failed", hears={0: 10.0}, heard={0: 10.0}))

    assert db.segment_of_ours(10.0, 5.0) == netid(4)
    assert db.segment_of_ours(100.0, 5.0) == us
