from __future__ import annotations

import random
import tracemalloc

import pytest

from chatter.core import store as store_module
from chatter.core.store import ENTRY_BYTES, Store
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Burst, encode_bodies
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


# Bursts


def make_burst(first: int, many: int, ahead: int = 0) -> Burst:
    """Numbers from ``first`` on, of which each body is one; seqnos that are ``ahead`` of them."""
    bodies = [b"%d" % number for number in range(first, first + many)]
    payload, one_size = encode_bodies(bodies)
    broadcast = BroadcastID(netid(2), 7, first + ahead)
    return Burst(broadcast, "tag", "bytes", payload, first, many, one_size)


def test_each_of_a_burst_is_there() -> None:
    store = make_store()
    store.add_burst(make_burst(10, 5), 0.0)
    store.add(make_gossip(20), 0.0)
    ids = [BroadcastID(netid(2), 7, seqno) for seqno in range(8, 22)]

    assert [one.seqno for one in ids if one in store] == [10, 11, 12, 13, 14, 20]
    assert [one.seqno for one in ids if store.get(one)] == [10, 11, 12, 13, 14, 20]
    assert ids[0]._replace(epoch=8) not in store


@pytest.mark.parametrize("seed", range(50))
def test_what_is_held_is_the_same_in_bursts_and_one_by_one(seed: int) -> None:
    rng = random.Random(seed)
    bursts, singles = make_store(), make_store()
    number = 1
    while number < 200:
        burst = make_burst(number, rng.randint(2, 40), ahead=7)
        number = burst.last_number + 1 + rng.choice((0, 0, 3))
        if rng.random() < 0.2:
            bursts.add(burst.gossip(0), 0.0)
            singles.add(burst.gossip(0), 0.0)
        else:
            bursts.add_burst(burst, 0.0)
            for gossip in burst.gossips():
                singles.add(gossip, 0.0)
    for _ in range(20):
        ends = sorted(rng.sample(range(260), 2 * rng.randint(1, 60)))
        ranges = list(zip(ends[::2], ends[1::2], strict=True))
        limit = rng.choice((1, 5, 300))
        found = bursts.held(netid(2), 7, ranges, limit)
        assert [one for part in found for one in part.gossips()] == singles.held(
            netid(2), 7, ranges, limit
        )


def test_a_burst_is_taken_apart_once_whatever_is_asked_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = make_store()
    store.add_burst(make_burst(1, 500), 0.0)
    store.add_burst(make_burst(501, 500), 0.0)
    taken: list[int] = []
    bodies = Burst.bodies

    def counted(self: Burst) -> list[bytes]:
        taken.append(self.number)
        return bodies(self)

    monkeypatch.setattr(Burst, "bodies", counted)

    found = store.held(netid(2), 7, [(number, number) for number in range(1, 1001, 4)], 256)
    assert [one.number for one in found] == list(range(1, 1001, 4))
    assert taken == [1, 501]
