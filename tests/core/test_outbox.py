from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chatter.core.outbox import MAX_UDP_FRAMES, Outbox, UdpQueue
from chatter.wire.frame import encode_body
from chatter.wire.records import Beacon, Leave, Record
from tests.core.parts import life, make_gossip, netid


def test_what_waits_goes_out_together_and_in_order() -> None:
    outbox = Outbox(10_000)
    records: list[Record] = [Leave(), make_gossip(1), Beacon(netid(1)), make_gossip(2)]
    for record in records:
        assert outbox.put(record)

    assert outbox.take(10_000) == records
    assert outbox.take(10_000) == []
    assert not outbox


@given(st.lists(st.integers(0, 2000), max_size=40), st.integers(100, 3000))
def test_each_frame_fits_unless_one_record_alone_does_not(sizes: list[int], budget: int) -> None:
    outbox = Outbox(1_000_000)
    for seqno, size in enumerate(sizes, 1):
        outbox.put(make_gossip(seqno, bytes(size), compress=False))
    taken = []

    while outbox:
        records = outbox.take(budget)
        assert records
        if len(records) > 1:
            assert len(encode_body(records)) <= budget + 10
        taken += records

    assert [record.id.seqno for record in taken] == list(range(1, len(sizes) + 1))  # type: ignore[union-attr]
    assert outbox.bytes == 0


def test_a_full_one_refuses_and_keeps_what_it_has() -> None:
    outbox = Outbox(1000)
    assert outbox.put(make_gossip(1, bytes(600)))
    room = outbox.room()

    assert not outbox.put(make_gossip(2, bytes(600)))
    assert outbox.room() == room
    assert outbox.put(make_gossip(3, bytes(10)))
    assert [record.id.seqno for record in outbox.drain()] == [1, 3]  # type: ignore[union-attr]


def test_one_record_above_the_bound_still_goes() -> None:
    outbox = Outbox(1000)

    assert outbox.put(make_gossip(1, bytes(5000)))
    assert len(outbox.take(100)) == 1


def test_what_must_not_be_compressed_shares_no_frame_with_what_follows() -> None:
    outbox = Outbox(10_000)
    outbox.put(make_gossip(1, compress=False))
    outbox.put(make_gossip(2))

    assert [len(outbox.take(10_000)) for _ in range(2)] == [1, 1]


def test_draining_leaves_nothing() -> None:
    outbox = Outbox(1000)
    outbox.put(Leave())

    assert outbox.drain() == [Leave()]
    assert outbox.drain() == []
    assert outbox.room() == 1000


def test_unicast_is_bounded_and_first_come_first_served() -> None:
    queue = UdpQueue()
    taken = [queue.put(netid(1), life(number), [Leave()]) for number in range(MAX_UDP_FRAMES + 5)]

    assert taken.count(True) == MAX_UDP_FRAMES
    first = queue.take()
    assert first is not None
    assert first[1] == life(0)
    assert queue.put(netid(1), life(1), [Leave()])
