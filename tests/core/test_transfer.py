from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from chatter.core.assembly import Assemblies, Assembly
from chatter.core.transfer import Body, Transfer, Whole
from chatter.wire.gossip import Gossip
from chatter.wire.records import Chunk
from tests.core.parts import make_gossip, netid


def header(size: int, *, compress: bool = True) -> Gossip:
    return make_gossip(payload=b"", size=size, compress=compress)


def arriving(size: int) -> Assembly:
    """A payload of which nothing is here yet."""
    assembly = Assemblies(10.0).open(header(size), netid(2), 0.0)
    assert assembly is not None
    return assembly


def everything(transfer: Transfer, most: int = 1000, least: int = 1) -> list[Chunk]:
    """All that can go now."""
    chunks = []
    while transfer.ready(least):
        chunk = transfer.next_chunk(most, least)
        assert chunk is not None
        chunks.append(chunk)
    return chunks


def ranges(chunks: Sequence[Chunk]) -> list[tuple[int, int]]:
    return [(one.offset, one.offset + len(one.data)) for one in chunks]


def test_cuts_as_large_as_allowed() -> None:
    payload = random.Random(0).randbytes(2500)
    transfer = Transfer(header(2500, compress=False), Whole(payload), [(0, 2500)])

    assert transfer.next_chunk(1000, 1000) == Chunk(
        transfer.header.id, 0, payload[:1000], compress=False
    )
    assert transfer.remaining == 1500
    assert ranges(everything(transfer, 1200, 1200)) == [(1000, 2200), (2200, 2500)]
    assert transfer.finished
    assert transfer.next_chunk(1000, 1) is None


def test_no_room_is_no_chunk() -> None:
    transfer = Transfer(header(10), Whole(bytes(10)), [(0, 10)])

    assert transfer.next_chunk(0, 0) is None
    assert transfer.remaining == 10
    assert ranges(everything(transfer, 10, 0)) == [(0, 10)]


def test_sends_what_was_asked_for_and_ends_at_the_payload() -> None:
    transfer = Transfer(header(100), Whole(bytes(100)), [(90, 1 << 40), (10, 20), (200, 300)])

    assert transfer.remaining == 20
    assert ranges(everything(transfer)) == [(10, 20), (90, 100)]
    assert transfer.finished


def test_what_is_still_to_be_sent_is_not_sent_twice_but_again_once_it_went() -> None:
    transfer = Transfer(header(100), Whole(bytes(100)), [(0, 50)])
    transfer.add([(40, 60), (0, 10)])
    assert ranges(everything(transfer)) == [(0, 60)]
    assert transfer.remaining == 0

    transfer.add([(0, 10)])

    assert transfer.remaining == 10
    assert ranges(everything(transfer)) == [(0, 10)]


def test_a_relay_sends_on_what_it_has_but_no_dribbles() -> None:
    assembly = arriving(1000)
    transfer = Transfer(assembly.header, assembly, [(0, 1000)])
    assert everything(transfer, 300, 100) == []

    assembly.put(0, bytes(60), 0.1)
    assert not transfer.ready(100)
    assert transfer.next_chunk(300, 100) is None
    assembly.put(60, bytes(60), 0.2)
    assert ranges(everything(transfer, 300, 100)) == [(0, 120)]
    assembly.put(120, bytes(400), 0.3)
    assert ranges(everything(transfer, 300, 101)) == [(120, 420)]  # the rest may grow
    assembly.put(520, bytes(480), 0.4)
    assert ranges(everything(transfer, 300, 101)) == [(420, 720), (720, 1000)]


def test_a_small_piece_before_a_hole_or_at_the_end_does_not_wait() -> None:
    assembly = arriving(1000)
    transfer = Transfer(assembly.header, assembly, [(0, 1000)])
    assembly.put(0, bytes(50), 0.1)
    assert not transfer.ready(100)

    assembly.put(300, bytes(200), 0.2)  # what lies between was lost: 50 will not soon be more
    assert ranges(everything(transfer, 500, 100)) == [(0, 50), (300, 500)]
    assembly.put(100, bytes(20), 0.3)  # a part of the hole, then all of it
    assembly.put(50, bytes(50), 0.3)
    assert sorted(ranges(everything(transfer, 500, 100))) == [(50, 100), (100, 120)]
    assembly.put(990, bytes(10), 0.4)
    assert ranges(everything(transfer, 500, 100)) == [(990, 1000)]


def test_a_hole_holds_up_nothing_but_itself() -> None:
    assembly = arriving(10_000)
    transfer = Transfer(assembly.header, assembly, [(0, 10_000)])
    for offset in range(1000, 10_000, 1000):
        assembly.put(offset, bytes(1000), 0.1)
        assert ranges(everything(transfer)) == [(offset, offset + 1000)]
    assert transfer.remaining == 1000

    assembly.put(0, bytes(1000), 0.2)

    assert ranges(everything(transfer)) == [(0, 1000)]
    assert transfer.finished


def test_ranges_of_a_relay_that_are_here_already_and_ranges_that_are_not() -> None:
    assembly = arriving(1000)
    assembly.put(0, bytes(400), 0.1)
    transfer = Transfer(assembly.header, assembly, [(300, 500)])
    assert ranges(everything(transfer)) == [(300, 400)]

    transfer.add([(100, 150)])
    assert ranges(everything(transfer)) == [(100, 150)]
    assembly.put(400, bytes(300), 0.2)
    assert ranges(everything(transfer)) == [(400, 500)]
    assembly.put(800, bytes(100), 0.3)
    assert everything(transfer) == []
    transfer.add([(850, 1000), (0, 50)])
    assert ranges(everything(transfer)) == [(0, 50), (850, 900)]


def test_a_withheld_piece_is_not_forgotten_when_other_bytes_come_meanwhile() -> None:
    assembly = arriving(1000)
    transfer = Transfer(assembly.header, assembly, [(0, 1000)])
    assembly.put(200, bytes(50), 0.1)
    assert everything(transfer, 500, 100) == []
    assembly.put(0, bytes(100), 0.2)
    assert ranges(everything(transfer, 500, 100)) == [(0, 100)]

    assembly.put(250, bytes(150), 0.3)

    assert ranges(everything(transfer, 500, 100)) == [(200, 400)]


def test_a_completed_assembly_goes_on_serving() -> None:
    payload = random.Random(1).randbytes(1000)
    assemblies = Assemblies(10.0)
    assembly = assemblies.open(header(1000), netid(2), 0.0)
    assert assembly is not None
    transfer = Transfer(assembly.header, assembly, [(0, 1000)])
    assembly.put(0, payload[:500], 0.1)
    first = transfer.next_chunk(100, 100)
    assembly.put(500, payload[500:], 0.2)
    assembly.payload()
    assemblies.close(assembly.header.id, 0.0)

    assert first is not None
    assert b"".join(one.data for one in (first, *everything(transfer, 100, 100))) == payload


def test_a_request_for_every_second_byte_is_answered_in_part_and_bounded() -> None:
    transfer = Transfer(header(100_000), Whole(bytes(100_000)), ())
    transfer.add((start, start + 1) for start in range(0, 100_000, 2))

    assert 100 < transfer.remaining < 500
    assert len(everything(transfer)) < 500


def same_bytes(chunks: Sequence[Chunk], payload: bytes) -> bool:
    return all(
        one.data == payload[one.offset : one.offset + len(one.data)] for one in chunks
    ) and sum(len(one.data) for one in chunks) == len(payload)


@pytest.mark.parametrize("seed", range(20))
def test_any_order_and_any_cutting_goes_out_once_and_unchanged(seed: int) -> None:
    rng = random.Random(seed)
    payload = rng.randbytes(20_000)
    assembly = arriving(len(payload))
    transfer = Transfer(assembly.header, assembly, [(0, len(payload))])
    sent: list[Chunk] = []
    now = 0.0
    while not assembly.complete:
        now += 0.001
        window = assembly.missing(3000)
        start = rng.randint(window[0][0], window[-1][1])
        assembly.put(start, payload[start : start + rng.randint(1, 900)], now)
        most, least = rng.randint(1, 2000), rng.randint(1, 2000)
        if rng.random() < 0.7:
            ready = transfer.ready(least)
            chunk = transfer.next_chunk(most, least)
            assert chunk is not None if ready else (chunk is None or most < least)
            sent += [chunk] if chunk else []
    sent += everything(transfer, 700, 700)

    assert transfer.finished
    assert same_bytes(sent, payload)


@pytest.mark.parametrize("seed", range(5))
def test_through_a_chain_of_three_before_any_is_complete(seed: int) -> None:
    """Each hop cuts anew; the last one has something before the first one has all."""
    rng = random.Random(seed)
    payload = rng.randbytes(60_000)
    size = len(payload)
    chain = [arriving(size) for _ in range(3)]
    bodies: list[Body] = [Whole(payload), *chain[:-1]]
    hops = [Transfer(header(size), body, [(0, size)]) for body in bodies]
    cuts = [rng.randint(500, 3000) for _ in hops]
    under_way: list[list[Chunk]] = [[] for _ in hops]
    early = False
    now = 0.0
    while not chain[-1].complete:
        now += 0.001
        assert now < 10, "the chain stands still"
        for hop, cut, queue, receiver in zip(hops, cuts, under_way, chain, strict=True):
            chunk = hop.next_chunk(cut, cut)
            queue += [chunk] if chunk else []
            if queue and rng.random() < 0.8:
                one = queue.pop(rng.randrange(min(3, len(queue))))  # some overtake each other
                receiver.put(one.offset, one.data, now)
        early = early or (chain[-1].top > 0 and not chain[0].complete)

    assert early
    assert [one.payload() for one in chain] == [payload] * 3
    assert all(hop.finished for hop in hops)
