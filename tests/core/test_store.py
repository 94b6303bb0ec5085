from __future__ import annotations

from chatter.core.store import MAX_AGE_S, Store
from tests.core.parts import make_gossip


def test_keeps_what_was_added() -> None:
    store = Store()
    gossip = make_gossip()
    store.add(gossip, 0.0)

    assert store.get(gossip.id) is gossip
    assert store.get(gossip.id._replace(seqno=2)) is None


def test_the_oldest_go_when_there_is_no_room() -> None:
    store = Store(max_bytes=10_000)
    for seqno in range(1, 100):
        store.add(make_gossip(seqno, b"x" * 1000), 0.0)
        assert store.bytes <= 10_000

    kept = [seqno for seqno in range(1, 100) if store.get(make_gossip(seqno).id)]
    assert kept == list(range(100 - len(kept), 100))
    assert len(kept) == len(store) == 6


def test_two_of_the_largest_fit_into_the_usual_one() -> None:
    store = Store()
    for seqno in (1, 2):
        store.add(make_gossip(seqno, bytes(49_152)), 0.0)

    assert len(store) == 2


def test_adding_again_replaces_and_costs_nothing_more() -> None:
    store = Store()
    store.add(make_gossip(1, b"x" * 1000), 0.0)
    before = store.bytes
    store.add(make_gossip(1, b"y" * 1000, revision=1), 0.0)

    kept = store.get(make_gossip(1).id)
    assert kept is not None
    assert kept.payload == b"y" * 1000
    assert store.bytes == before


def test_what_is_too_old_goes() -> None:
    store = Store()
    store.add(make_gossip(1), 0.0)
    store.add(make_gossip(2), 10.0)

    store.expire(MAX_AGE_S + 5)

    assert store.get(make_gossip(1).id) is None
    assert store.get(make_gossip(2).id) is not None
    store.expire(MAX_AGE_S + 10)
    assert (len(store), store.bytes) == (0, 0)
