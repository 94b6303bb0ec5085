from __future__ import annotations

import random

import pytest

from chatter.core.assembly import MAX_BYTES, MAX_OPEN
from chatter.core.effects import MulticastReady, SessionReady
from chatter.core.large import MAX_WHOLE_BYTES, Arriving, header_of, with_payload
from chatter.errors import FrameError
from chatter.wire.gossip import Gossip
from chatter.wire.records import Chunk, Record, WantChunks
from tests.core.benches import ForwardingBench
from tests.core.connections import bring_up, fetch
from tests.core.parts import make_gossip, make_peer, netid

SIZE = 100_000
PAYLOAD = random.Random(1).randbytes(SIZE)
HEADER = make_gossip(payload=b"", size=SIZE, number=4)
ID = HEADER.id


def chunk(start: int, stop: int) -> Chunk:
    return Chunk(ID, start, PAYLOAD[start:stop])


class Bench(ForwardingBench):
    """Large payloads, among peers that hear nothing of ours."""

    def open(self, header: Gossip = HEADER, sender: int = 2, now: float = 0.0) -> Arriving:
        """A header comes."""
        arriving = self.large.open(header, netid(sender), "tcp", now)
        assert arriving is not None
        return arriving

    def wants(self, number: int) -> list[Record]:
        """What a peer is asked for, taken out."""
        return [one for one in self.controls(netid(number)) if isinstance(one, WantChunks)]


def test_a_payload_that_no_frame_holds_is_large_and_travels_without_it() -> None:
    small = with_payload(make_gossip(), bytes(MAX_WHOLE_BYTES))
    large = with_payload(make_gossip(pull=True), bytes(MAX_WHOLE_BYTES + 1))

    assert (small.large, header_of(small)) == (False, small)
    assert (large.size, large.pull) == (MAX_WHOLE_BYTES + 1, False)
    assert header_of(large) == large._replace(payload=b"")


def test_a_handler_may_make_a_small_body_of_a_large_one() -> None:
    large = with_payload(make_gossip(), bytes(MAX_WHOLE_BYTES + 1))

    assert not with_payload(large, b"\0\0{}").large


def test_pieces_in_any_order_make_the_whole() -> None:
    bench = Bench()
    arriving = bench.open()
    pieces = [chunk(start, start + 1000) for start in range(0, SIZE, 1000)]
    random.Random(2).shuffle(pieces)
    for piece in pieces[:-1]:
        assert bench.large.chunk(piece, 0.1) is None
    assert bench.large.under_way(ID)

    whole = bench.large.chunk(pieces[-1], 0.2)

    assert whole == (HEADER._replace(payload=PAYLOAD), arriving)
    assert not bench.large.under_way(ID)
    assert bench.large.chunk(pieces[0], 0.3) is None
    assert bench.context.counts["chunks_received"] == 100
    assert bench.context.counts["chunks_needless"] == 1


def test_chunks_nobody_waits_for_are_counted_and_dropped() -> None:
    bench = Bench()
    assert bench.large.chunk(chunk(0, 1000), 0.0) is None
    bench.open()
    bench.large.chunk(chunk(0, 1000), 0.0)
    assert bench.large.chunk(chunk(0, 1000), 0.0) is None

    assert bench.context.counts["chunks_needless"] == 2


def test_a_chunk_beyond_its_header_is_a_fault_of_the_sender() -> None:
    bench = Bench()
    bench.open()

    with pytest.raises(FrameError):
        bench.large.chunk(Chunk(ID, SIZE - 10, bytes(11)), 0.0)
    assert bench.context.counts["chunks_received"] == 0


def test_two_headers_of_one_payload_are_one() -> None:
    bench = Bench()

    assert bench.open() is bench.open(sender=3)
    assert bench.bodies.assemblies.bytes == SIZE


def test_what_can_never_be_assembled_is_refused_and_counted() -> None:
    bench = Bench()

    assert bench.large.open(HEADER._replace(size=MAX_BYTES + 1), netid(2), "tcp", 0.0) is None
    for seqno in range(10, 10 + MAX_OPEN):
        bench.open(make_gossip(seqno, b"", size=1))
    assert bench.large.open(HEADER, netid(2), "tcp", 0.0) is None
    assert bench.context.counts["dropped_assembly_full"] == 2
    assert not bench.large.under_way(ID)


def test_a_number_that_is_being_assembled_is_not_given_up() -> None:
    bench = Bench()
    numbers = bench.origins.open(ID.origin, ID.epoch).numbers
    numbers.tell_since(0)
    numbers.name(4)
    bench.open()
    assert numbers.give_up(4) == [(1, 3)]

    bench.large.tick(bench.context.config.repair_timeout_s)

    assert numbers.give_up(4) == [(4, 4)]


def test_what_comes_is_passed_on_to_all_who_are_served() -> None:
    bench = Bench(hearing=1)
    arriving = bench.open()
    session = bring_up(bench.links, netid(3))
    arriving.ways[MulticastReady(0)] = None
    arriving.heads[netid(3)] = None
    bench.context.effects.clear()

    bench.large.chunk(chunk(0, 1000), 0.1)

    assert bench.context.effects == [MulticastReady(0), SessionReady(session)]


def test_a_stalled_one_is_asked_for_and_then_given_up() -> None:
    bench = Bench(deaf=1)
    arriving = bench.open()
    bench.large.chunk(chunk(0, 1000), 0.0)
    asked: list[Record] = []
    while (now := bench.large.next_wakeup()) < bench.context.config.repair_timeout_s:
        assert bench.large.tick(now) == []
        asked += bench.wants(2)

    assert asked
    for want in asked:
        assert isinstance(want, WantChunks)
        assert want.id == ID
        assert want.ranges[0][0] == 1000
    assert bench.large.tick(now) == [(HEADER, arriving)]
    assert not bench.large.under_way(ID)
    assert bench.context.counts["assemblies_given_up"] == 1


def test_when_its_source_is_gone_others_are_asked_at_once() -> None:
    bench = Bench(deaf=3)
    bench.open(make_gossip(payload=b"", size=SIZE)._replace(id=ID._replace(origin=netid(3))))
    bench.large.source_gone(netid(2), 0.01)

    bench.large.tick(0.01)

    assert [bool(bench.wants(number)) for number in (2, 3)] == [False, True]  # the origin first


def test_the_origin_is_asked_first_then_neighbours() -> None:
    bench = Bench(deaf=5)
    bench.context.peers.add(make_peer(20, hears={0: 0.0}, heard={0: 0.0}))
    others = list(bench.large._others(ID))

    assert others[0] == ID.origin == netid(2)
    assert others[1] == netid(20)
    assert set(others) == set(bench.targets())


# What others ask us for


def test_who_asks_for_ranges_gets_them_of_what_is_kept() -> None:
    bench = Bench()
    bench.store.add(HEADER._replace(payload=PAYLOAD), 0.0)
    session = bring_up(bench.links, netid(5))

    bench.large.wanted(netid(5), WantChunks(ID, ((10, 19), (50_000, 50_009))))

    assert fetch(bench.links, session) == [chunk(10, 20), chunk(50_000, 50_010)]
    assert bench.context.counts["wants_answered"] == 1


def test_who_asks_for_what_is_arriving_gets_the_rest_as_it_comes() -> None:
    bench = Bench()
    arriving = bench.open()
    bench.large.chunk(chunk(0, 5000), 0.0)
    session = bring_up(bench.links, netid(5))

    bench.large.wanted(netid(5), WantChunks(ID, ((0, 9999),)))
    assert fetch(bench.links, session) == [chunk(0, 5000)]
    assert netid(5) in arriving.heads
    bench.large.chunk(chunk(5000, 12_000), 0.1)

    assert fetch(bench.links, session) == [chunk(5000, 10_000)]


def test_who_asks_for_what_is_not_here_or_beyond_its_end_gets_nothing() -> None:
    bench = Bench()
    bench.store.add(HEADER._replace(payload=PAYLOAD), 0.0)
    small = make_gossip(9)
    bench.store.add(small, 0.0)
    session = bring_up(bench.links, netid(5))

    bench.large.wanted(netid(5), WantChunks(ID._replace(seqno=77), ((0, 10),)))
    bench.large.wanted(netid(5), WantChunks(small.id, ((0, 10),)))
    bench.large.wanted(netid(5), WantChunks(ID, ((SIZE, SIZE + 10),)))

    assert fetch(bench.links, session) == []
    assert bench.context.counts["wants_unanswered"] == 2
    assert bench.context.counts["wants_answered"] == 0


def test_what_is_kept_in_another_size_is_another_payload() -> None:
    """A handler replaced it: chunks of the one are none of the other."""
    bench = Bench()
    bench.store.add(HEADER._replace(payload=PAYLOAD), 0.0)

    assert bench.bodies.transfer(HEADER) is not None
    assert bench.bodies.transfer(HEADER._replace(size=SIZE - 1)) is None
    assert bench.bodies.transfer(HEADER._replace(id=ID._replace(seqno=77))) is None
