from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.core import outbox as outbox_module
from chatter.core.flow import FIRST_LIMIT_BYTES
from chatter.core.handover import Handover
from chatter.core.outbox import (
    CHARGE_BYTES,
    LEAST_CHUNK_BYTES,
    MAX_CHARGE_BYTES,
    MAX_CONTROL_BYTES,
    MAX_UDP_FRAMES,
    Batch,
    Outbox,
    UdpQueue,
    charge_of,
)
from chatter.core.transfer import Transfer, Whole
from chatter.wire.burst import Burst, encode_bodies
from chatter.wire.frame import encode_body
from chatter.wire.gossip import Gossip
from chatter.wire.records import Beacon, Chunk, Leave, Record, Took
from tests.core.parts import life, make_gossip, netid

PLENTY = 1 << 40


def take(outbox: Outbox, budget: int = 10_000, credit: int = PLENTY) -> list[Record]:
    batch = outbox.take(budget, credit)
    return [] if batch is None else batch.records


def all_of(outbox: Outbox, budget: int, credit: int = PLENTY) -> list[Batch]:
    """All frames that it makes."""
    batches = []
    while (batch := outbox.take(budget, credit)) is not None:
        batches.append(batch)
    return batches


def transfer(size: int, seqno: int = 1, *, compress: bool = True) -> Transfer:
    payload = random.Random(size).randbytes(size)
    header = make_gossip(seqno, b"", size=size, compress=compress)
    return Transfer(header, Whole(payload), [(0, size)])


def seqnos(records: list[Record]) -> list[int]:
    return [one.id.seqno for one in records if isinstance(one, (Gossip, Chunk))]


def test_what_waits_goes_out_together_and_in_order() -> None:
    """Of each kind; what nodes tell each other first, as it is never held up."""
    outbox = Outbox(10_000)
    assert outbox.put(Leave())
    assert outbox.put_gossip(make_gossip(1))
    assert outbox.put(Beacon(netid(1)))
    assert outbox.put_gossip(make_gossip(2))

    assert take(outbox) == [Leave(), Beacon(netid(1)), make_gossip(1), make_gossip(2)]
    assert outbox.take(10_000, PLENTY) is None
    assert not outbox


@given(st.lists(st.integers(0, 2000), max_size=40), st.integers(100, 3000))
def test_each_frame_fits_unless_one_record_alone_does_not(sizes: list[int], budget: int) -> None:
    outbox = Outbox(1_000_000)
    for seqno, size in enumerate(sizes, 1):
        outbox.put_gossip(make_gossip(seqno, bytes(size)))
    taken: list[Record] = []

    while outbox:
        records = take(outbox, budget)
        assert records
        if len(records) > 1:
            plain: list[Record] = [
                one._replace(compress=False) for one in records if isinstance(one, Gossip)
            ]
            assert len(encode_body(plain)) <= budget + 10
        taken += records

    assert seqnos(taken) == list(range(1, len(sizes) + 1))
    assert outbox.bytes == 0


def test_a_full_one_refuses_and_keeps_what_it_has() -> None:
    outbox = Outbox(1000)
    assert outbox.put_gossip(make_gossip(1, bytes(600)))
    room = outbox.room()

    assert not outbox.put_gossip(make_gossip(2, bytes(600)))
    assert outbox.room() == room
    assert outbox.put_gossip(make_gossip(3, bytes(10)))
    assert seqnos(take(outbox)) == [1, 3]


def test_what_nodes_tell_each_other_is_bounded_too() -> None:
    outbox = Outbox(1000)
    took = Took(tuple(make_gossip(seqno).id for seqno in range(1, 1000)))
    taken = [outbox.put(took) for _ in range(100)]

    assert not all(taken)
    assert taken.count(True) * took.size_bound() <= MAX_CONTROL_BYTES
    assert outbox.put_gossip(make_gossip(1))  # each has its own bound
    assert len(take(outbox, 1)) == 1
    assert outbox.put(took)


def test_one_record_above_the_bound_still_goes() -> None:
    outbox = Outbox(1000)

    assert outbox.put_gossip(make_gossip(1, bytes(5000)))
    assert len(take(outbox, 100)) == 1


def test_what_must_not_be_compressed_shares_no_frame_with_what_follows() -> None:
    outbox = Outbox(10_000)
    outbox.put_gossip(make_gossip(1, compress=False))
    outbox.put_gossip(make_gossip(2))

    assert [seqnos(take(outbox)) for _ in range(2)] == [[1], [2]]
    outbox.add_transfer(transfer(100, 3, compress=False))
    outbox.add_transfer(transfer(100, 4))
    outbox.put_gossip(make_gossip(5))
    assert [seqnos(take(outbox)) for _ in range(2)] == [[5, 3], [4]]  # 5 goes without as well


def test_half_of_it_is_for_what_others_send() -> None:
    """Or a node that broadcasts in a tight loop would cut off those behind it."""
    outbox = Outbox(10_000)
    assert outbox.room() == 5000
    while outbox.room() > 0:
        outbox.put_gossip(make_gossip(1, bytes(500)))

    at = [outbox.bytes]
    while not outbox.crowded:
        assert outbox.put_gossip(make_gossip(2, bytes(500)))
        at.append(outbox.bytes)
    assert at[0] < 5700
    assert 7500 < at[-1] < 8200


@pytest.mark.parametrize("datagrams", [False, True])
def test_gossips_go_as_far_as_there_is_credit(datagrams: bool) -> None:
    """By datagram the whole record counts, on a connection the payload and a fixed charge."""
    outbox = Outbox(100_000, datagram_bytes=1400 * datagrams)
    one = make_gossip(1, bytes(500))
    cost = one.size_bound() + outbox_module.RECORD_HEAD_BYTES if datagrams else charge_of(one)
    assert charge_of(one) == CHARGE_BYTES + 500
    for seqno in range(1, 6):
        outbox.put_gossip(make_gossip(seqno, bytes(500)))
    outbox.put(Leave())

    first = outbox.take(10_000, 3 * cost - 1)
    assert first is not None
    assert first.charge == 2 * cost
    assert seqnos(first.records) == [1, 2]
    assert outbox.take(10_000, cost - 1) is None
    assert outbox.wants_credit(cost - 1)
    assert not outbox.wants_credit(cost)
    assert seqnos(take(outbox, credit=3 * cost)) == [3, 4, 5]


def test_what_nodes_tell_each_other_needs_no_credit() -> None:
    outbox = Outbox(1000)
    outbox.put_gossip(make_gossip(1))
    outbox.put(Leave())

    assert outbox.take(1000, 0) == Batch([Leave()], [], 0)
    assert outbox.has_data


def test_who_takes_a_frame_learns_what_was_handed_over_in_it() -> None:
    outbox = Outbox(10_000)
    first, second = (Handover(netid(2), make_gossip(seqno), None, 0.0) for seqno in (1, 3))
    outbox.put_gossip(first.gossip, first)
    outbox.put_gossip(make_gossip(2))
    outbox.put_gossip(second.gossip, second)

    batch = outbox.take(10_000, PLENTY)

    assert batch is not None
    assert seqnos(batch.records) == [1, 2, 3]
    assert batch.handovers == [first, second]


# Large payloads


def test_chunks_follow_the_header_that_was_handed_over() -> None:
    outbox = Outbox(10_000)
    chunks = transfer(3000)
    outbox.put_gossip(chunks.header, Handover(netid(2), chunks.header, None, 0.0, chunks))

    records = [record for batch in all_of(outbox, 1500) for record in batch.records]

    assert records[0] == chunks.header
    assert records.count(chunks.header) == 1  # a connection loses nothing, so once is enough
    offsets = [one.offset for one in records[1:] if isinstance(one, Chunk)]
    assert offsets[0] == 0
    assert len(offsets) == len(records) - 1 >= 3
    assert chunks.finished
    assert not outbox


def test_gossips_and_chunks_take_turns() -> None:
    outbox = Outbox(100_000)
    outbox.add_transfer(transfer(8000, 100))
    for seqno in range(1, 5):
        outbox.put_gossip(make_gossip(seqno, bytes(900)))

    order = [seqno for batch in all_of(outbox, 1300) for seqno in seqnos(batch.records)]

    assert order[:8] == [1, 100, 2, 100, 3, 100, 4, 100]
    assert set(order[8:]) == {100}


def test_two_large_payloads_share_the_way() -> None:
    outbox = Outbox(1000)
    outbox.add_transfer(transfer(5000, 1))
    outbox.add_transfer(transfer(5000, 2))

    order = [seqno for batch in all_of(outbox, 1300) for seqno in seqnos(batch.records)]

    assert order[:6] == [1, 2, 1, 2, 1, 2]


@given(st.integers(1, 20_000), st.integers(300, 2000), st.booleans())
def test_no_frame_with_a_chunk_is_larger_than_its_budget(
    size: int, budget: int, datagrams: bool
) -> None:
    outbox = Outbox(1000, datagram_bytes=budget * datagrams)
    outbox.add_transfer(transfer(size, compress=False))
    batches = all_of(outbox, budget)

    assert batches
    assert all(len(encode_body(batch.records)) <= budget + 10 for batch in batches)
    chunks = [one for batch in batches for one in batch.records if isinstance(one, Chunk)]
    assert sum(len(chunk.data) for chunk in chunks) == size
    assert [batch.charge for batch in batches] == [charge_of(chunk) for chunk in chunks]
    if datagrams:
        assert all(isinstance(batch.records[0], Gossip) for batch in batches)


def test_chunks_wait_for_credit_and_are_cut_to_what_there_is() -> None:
    outbox = Outbox(1000)
    outbox.add_transfer(transfer(10_000))

    assert outbox.take(5000, CHARGE_BYTES) is None
    assert outbox.wants_credit(CHARGE_BYTES)
    batch = outbox.take(5000, CHARGE_BYTES + LEAST_CHUNK_BYTES)
    assert batch is not None
    assert batch.charge == CHARGE_BYTES + LEAST_CHUNK_BYTES


def test_what_is_asked_for_twice_is_sent_once() -> None:
    outbox = Outbox(1000)
    outbox.add_transfer(transfer(3000))
    outbox.add_transfer(transfer(3000))

    batches = all_of(outbox, 1500)

    assert sum(batch.charge - CHARGE_BYTES for batch in batches) == 3000


def test_a_transfer_that_is_dropped_sends_no_more() -> None:
    outbox = Outbox(1000)
    chunks = transfer(3000)
    outbox.add_transfer(chunks)
    take(outbox, 1500)

    outbox.drop_transfer(chunks.header.id)

    assert not outbox
    assert not chunks.finished


def test_what_will_never_be_whole_is_waited_for_by_nobody() -> None:
    outbox = Outbox(10_000)
    for seqno in (1, 2):
        header = make_gossip(seqno, b"", size=3000)
        handover = Handover(netid(2), header, None, 0.0, transfer(3000, seqno))
        assert outbox.put_gossip(header, handover)
    outbox.add_transfer(transfer(3000, 3))

    outbox.abandon(make_gossip(1).id)
    outbox.abandon(make_gossip(3).id)

    records = [record for batch in all_of(outbox, 10_000) for record in batch.records]
    assert {one.id.seqno for one in records if isinstance(one, Chunk)} == {2}
    assert not outbox.has_data


def test_draining_leaves_nothing() -> None:
    outbox = Outbox(1000)
    handover = Handover(netid(2), make_gossip(), None, 0.0)
    outbox.put(Leave())
    outbox.put_gossip(handover.gossip, handover)
    outbox.put_gossip(make_gossip(2))
    outbox.add_transfer(transfer(3000))

    assert outbox.drain() == ([Leave()], [handover])
    assert outbox.drain() == ([], [])
    assert outbox.room() == 500
    assert not outbox


def test_unicast_is_bounded_and_first_come_first_served() -> None:
    queue = UdpQueue()
    taken = [queue.put(netid(1), life(number), [Leave()]) for number in range(MAX_UDP_FRAMES + 5)]

    assert taken.count(True) == MAX_UDP_FRAMES
    first = queue.take()
    assert first is not None
    assert first[1] == life(0)
    assert queue.put(netid(1), life(1), [Leave()])


def test_a_long_list_of_neighbours_needs_no_more_credit_than_its_datagram_takes() -> None:
    """Reckoned at its worst it would wait for ever: nobody grants so much at once."""
    outbox = Outbox(1 << 20, datagram_bytes=1400)
    listed = make_gossip(1, distribution=tuple(netid(number) for number in range(2, 5000)))
    assert listed.size_bound() > 64 * 1024
    outbox.put_gossip(listed)
    assert outbox.wants_credit(1399)
    assert not outbox.wants_credit(1400)
    batch = outbox.take(1400, 1400)
    assert batch is not None
    assert (batch.records, batch.charge) == ([listed], 1400)


def test_no_record_costs_more_than_is_granted_at_a_time() -> None:
    """A relay may be handed a burst of a thousand: it would hold up all behind it for ever."""
    payload, one_size = encode_bodies([b"%040d" % number for number in range(1024)])
    burst = Burst(make_gossip().id, "tag", "bytes", payload, 1, 1024, one_size)
    assert charge_of(burst) == MAX_CHARGE_BYTES
    assert charge_of(make_gossip(1, bytes(60_000))) == MAX_CHARGE_BYTES
    outbox = Outbox(1 << 20, datagram_bytes=60_000)
    outbox.put_gossip(burst)
    assert not outbox.wants_credit(MAX_CHARGE_BYTES)
    batch = outbox.take(60_000, MAX_CHARGE_BYTES)
    assert batch is not None
    assert batch.charge == MAX_CHARGE_BYTES <= FIRST_LIMIT_BYTES - CHARGE_BYTES
