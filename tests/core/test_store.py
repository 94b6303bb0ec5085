from __future__ import annotations

import tracemalloc

from chatter.core import store as store_module
from chatter.core.store import ENTRY_BYTES, Store
from chatter.ids import BroadcastID, NetID
from chatter.wire.gossip import Gossip
from tests.core.parts import make_gossip, netid

AGE_S = 30.0


def make_store(max_bytes: int = 1 << 20) -> Store:
    """An empty store."""
    return Store(max_bytes, AGE_S)


def test_keeps_what_was_added() -> None:
    store = make_store()
    gossip = make_gossip()
    store.add(gossip, 0.0)

    assert store.get(gossip.id) is gossip
    assert store.get(gossip.id._replace(seqno=2)) is None
    assert store.get(gossip.id._replace(epoch=8)) is None


def test_finds_broadcasts_to_everyone_by_number() -> None:
    store = make_store()
    gossip = make_gossip(5, number=3)
    store.add(gossip, 0.0)
    store.add(make_gossip(6), 0.0)

    assert store.held(netid(2), 7, [(3, 3)], 9) == [gossip]
    assert store.held(netid(2), 7, [(5, 5)], 9) == []
    assert store.held(netid(2), 8, [(3, 3)], 9) == []
    assert store.held(netid(2), 7, [(0, 0)], 9) == []  # a targeted one has no number
    store.remove(gossip.id)
    assert store.held(netid(2), 7, [(3, 3)], 9) == []


def test_what_is_held_of_some_ranges() -> None:
    store = make_store()
    for number in (7, 3, 4, 9):
        store.add(make_gossip(number + 10, number=number), 0.0)

    def held(*ranges: tuple[int, int], limit: int = 10) -> list[int]:
        return [gossip.number for gossip in store.held(netid(2), 7, list(ranges), limit)]

    assert held((1, 3), (7, 8)) == [3, 7]
    assert held((1, 9), limit=2) == [3, 4]
    assert held((4, 1 << 60)) == [4, 7, 9]  # by what is there, not by what is asked for
    assert held((1, 3), (5, 1 << 60)) == [3, 7, 9]
    assert store.held(netid(3), 7, [(1, 9)], 10) == []


def test_the_oldest_go_when_there_is_no_room() -> None:
    store = make_store(10_000)
    for seqno in range(1, 100):
        store.add(make_gossip(seqno, b"x" * 1000, number=seqno), 0.0)
        assert store.bytes <= 10_000

    kept = [seqno for seqno in range(1, 100) if store.get(make_gossip(seqno).id)]
    assert kept == list(range(100 - len(kept), 100))
    assert len(kept) == len(store) == 10_000 // (1000 + ENTRY_BYTES)
    assert [gossip.number for gossip in store.held(netid(2), 7, [(1, 99)], 99)] == kept


def test_adding_again_replaces_and_counts_what_is_there() -> None:
    store = make_store()
    store.add(make_gossip(1, b"", number=1, size=1000), 0.0)
    before = store.bytes
    whole = make_gossip(1, b"y" * 1000, number=1, size=1000)
    store.add(whole, 5.0)

    assert store.get(whole.id) is whole
    assert store.held(netid(2), 7, [(1, 1)], 9) == [whole]
    assert (store.bytes, len(store)) == (before + 1000, 1)


def test_a_later_revision_replaces_and_an_earlier_one_does_not() -> None:
    store = make_store()
    store.add(make_gossip(1, b"x" * 1000), 0.0)
    before = store.bytes
    revised = make_gossip(1, b"y" * 1000, revision=1)
    store.add(revised, 0.0)
    store.add(make_gossip(1, b"x" * 1000), 0.0)

    assert store.get(revised.id) is revised
    assert store.bytes == before


def test_what_is_too_old_goes() -> None:
    store = make_store()
    store.add(make_gossip(1), 0.0)
    store.add(make_gossip(2), 10.0)

    store.expire(AGE_S + 5)

    assert store.get(make_gossip(1).id) is None
    assert store.get(make_gossip(2).id) is not None
    store.expire(AGE_S + 10)
    assert (len(store), store.bytes) == (0, 0)


def test_what_is_removed_leaves_nothing_behind() -> None:
    store = make_store()
    for seqno in range(1, 10_000):
        store.add(make_gossip(seqno), 0.0)
        store.remove(make_gossip(seqno).id)
        store.remove(make_gossip(seqno).id)

    assert (len(store), store.bytes) == (0, 0)
    assert len(store._oldest) <= store_module._SLACK + 1


def test_an_entry_costs_what_it_is_said_to() -> None:
    store = Store(1 << 26, AGE_S)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for seqno in range(1000, 21_000):  # as a decoder makes them: nothing is shared but the NetID
        broadcast = BroadcastID(NetID("10.0.0.2", 29999), 10**18 + seqno, seqno)
        broadcast = broadcast._replace(epoch=10**18)
        tag = f"cache-{seqno}"
        store.add(Gossip(broadcast, tag, "json", bytes(128), seqno), float(seqno) / 10**6)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 0.6 * store.bytes < after - before < store.bytes
