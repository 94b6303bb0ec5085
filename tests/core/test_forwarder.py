from __future__ import annotations

import random

from chatter.core.effects import MulticastReady, SessionReady
from chatter.core.forwarder import DOUBTFUL_S, MAX_TRIES, RANKED_FOR_S, SILENT_DOUBTFUL_S
from chatter.core.handover import Handover
from chatter.core.links import LEAST_PATIENCE_S, MAX_OUTBOX_BYTES
from chatter.core.receipts import Tally
from chatter.core.timing import LEAST_SAMPLES, LEAST_SENDS
from chatter.ids import NetID
from chatter.wire.frame import MAX_ROUTING_BYTES
from chatter.wire.gossip import MAX_HOPS, Gossip
from chatter.wire.records import Ack, Chunk
from tests.core.benches import LAN, LOOPBACK, ForwardingBench, reached
from tests.core.connections import bring_up, fetch
from tests.core.parts import hand_over, make_gossip, make_peer, netid


def test_those_who_hear_us_share_one_multicast_and_the_others_are_branches() -> None:
    desk = ForwardingBench(hearing=3, deaf=5)

    desk.forwarder.forward(make_gossip(hop=0, number=1), desk.targets(), 0.0)

    (multicast,) = desk.multicasts()
    assert (multicast.hop, multicast.distribution) == (1, ())
    branches = desk.branches()
    assert reached(branches) == [netid(number) for number in range(5, 10)]
    assert {gossip.hop for (gossip,) in branches.values()} == {1}


def test_a_targeted_multicast_names_those_who_shall_take_it() -> None:
    desk = ForwardingBench(hearing=4)

    desk.forwarder.forward(make_gossip(hop=0), [netid(3), netid(5)], 0.0)

    (multicast,) = desk.multicasts()
    assert sorted(multicast.distribution) == [netid(3), netid(5)]


def test_the_list_of_a_subnet_of_neighbours_goes_in_one_piece() -> None:
    """It costs a byte or two for each, so the payload is sent once."""
    desk = ForwardingBench(hearing=200)

    desk.forwarder.forward(make_gossip(hop=0), desk.targets(), 0.0)

    frame = desk.channels[0].next_frame(0.0)
    assert frame is not None
    assert len(frame) <= 1472
    assert desk.multicasts() == []


def test_a_long_list_of_strangers_is_spread_over_several_datagrams() -> None:
    desk = ForwardingBench()
    rng = random.Random(1)
    for _ in range(200):
        netid_ = NetID(f"10.{rng.randrange(256)}.{rng.randrange(256)}.1", rng.randrange(1, 65536))
        peer = make_peer(2, hears={0: 0.0}, limits={0: 1 << 40})
        peer.netid = netid_
        desk.context.peers.add(peer)

    desk.forwarder.forward(make_gossip(hop=0), desk.targets(), 0.0)

    parts = desk.multicasts()
    assert len(parts) > 10
    assert sorted(one for part in parts for one in part.distribution) == sorted(desk.targets())


def test_a_targeted_message_has_to_fit_with_one_name_at_least() -> None:
    """The payload alone would fit, with nobody named."""
    desk = ForwardingBench(hearing=3)
    budget = desk.channels[0].budget
    size = budget - make_gossip(payload=b"").size_bound()

    desk.forwarder.forward(make_gossip(payload=bytes(size), hop=0, number=1), desk.targets(), 0.0)
    assert len(desk.multicasts()) == 1
    desk.forwarder.forward(make_gossip(payload=bytes(size), hop=0), desk.targets(), 0.0)
    assert desk.multicasts() == []
    assert desk.branches() != {}


def test_evidence_that_has_aged_is_none() -> None:
    desk = ForwardingBench(hearing=3)

    desk.forwarder.forward(make_gossip(hop=0, number=1), desk.targets(), 15.1)

    assert desk.multicasts() == []
    assert len(desk.branches()) == 2


def test_a_list_and_its_payload_fit_in_a_frame() -> None:
    desk = ForwardingBench(deaf=2500)

    desk.forwarder.forward(make_gossip(payload=bytes(49_152), hop=0), desk.targets(), 0.0)

    branches = desk.branches()
    for gossips in branches.values():
        for gossip in gossips:
            assert gossip.size_bound() <= MAX_ROUTING_BYTES
    assert reached(branches) == sorted(desk.targets())


def test_what_only_loopback_takes_enters_a_segment_by_several_branches() -> None:
    """No head can multicast it to its own segment, so it must not be left to one of them."""
    desk = ForwardingBench(deaf=16, specs=[LAN, LOOPBACK])
    for peer in desk.context.peers:
        peer.segment = netid(100)

    desk.forwarder.forward(make_gossip(payload=bytes(20_000), hop=0, number=1), desk.targets(), 0.0)
    assert len(desk.branches()) == 5
    desk.forwarder.forward(make_gossip(hop=0, number=1), desk.targets(), 0.0)
    assert len(desk.branches()) == 1


def test_a_gossip_that_has_gone_too_far_stops() -> None:
    desk = ForwardingBench(deaf=1)

    desk.forwarder.forward(make_gossip(hop=MAX_HOPS), desk.targets(), 0.0)

    assert desk.branches() == {}
    assert desk.context.counts["hops_exhausted"] == 1


def lost(desk: ForwardingBench, head: int, gossip: Gossip) -> Handover:
    """What a head should have served."""
    return Handover(netid(head), gossip, desk.duties.open(gossip, 0.0), 0.0)


def test_a_head_that_can_not_be_reached_is_planned_around_and_doubted() -> None:
    desk = ForwardingBench(deaf=8)
    gossip = make_gossip(hop=3, number=1, distribution=(netid(3), netid(4), netid(5)))

    desk.forwarder.unreachable([lost(desk, 2, gossip)], 10.0)

    branches = desk.branches()
    assert reached(branches) == [netid(3), netid(4), netid(5)]
    assert {gossip.hop for (gossip,) in branches.values()} == {3}  # no further for the detour
    peer = desk.context.peers.get(netid(2))
    assert peer is not None
    assert peer.doubtful_until == 10.0 + DOUBTFUL_S
    assert desk.context.counts["gossip_undeliverable"] == 1  # by numbers it will miss it
    assert desk.context.counts["branches_replanned"] == 1


def test_a_doubtful_node_heads_nothing() -> None:
    desk = ForwardingBench(deaf=9)
    desk.forwarder.unreachable([lost(desk, 2, make_gossip(number=1))], 0.0)

    for _ in range(20):
        desk.forwarder.forward(make_gossip(hop=0), desk.targets(), 1.0)
        for gossip in desk.branches()[netid(2)]:
            assert gossip.distribution == ()


def test_doubt_ends_later_rather_than_sooner() -> None:
    desk = ForwardingBench(deaf=1)
    desk.forwarder.doubt(netid(2), 30.0)
    desk.forwarder.doubt(netid(2), 10.0)

    peer = desk.context.peers.get(netid(2))
    assert peer is not None
    assert peer.doubtful_until == 30.0


def test_a_head_that_falls_silent_keeps_its_copy_and_loses_its_branch() -> None:
    desk = ForwardingBench(deaf=8)
    session = bring_up(desk.links, netid(2))
    gossip = make_gossip(number=1, distribution=(netid(3), netid(4)))
    handover = lost(desk, 2, gossip)
    desk.links.hand_over(handover, 0.0)
    fetch(desk.links, session, 0.0)

    desk.forwarder.silent(LEAST_PATIENCE_S)

    assert reached(desk.branches()) == [netid(3), netid(4)]
    assert handover.gossip.distribution == ()
    assert desk.links.down(session, 1.0)[0] == [handover]
    peer = desk.context.peers.get(netid(2))
    assert peer is not None
    assert peer.doubtful_until == LEAST_PATIENCE_S + SILENT_DOUBTFUL_S
    assert desk.context.counts["heads_silent"] == 1


def test_what_a_broken_connection_carried_is_carried_again_and_then_given_up() -> None:
    desk = ForwardingBench(deaf=8)
    gossip = make_gossip(number=1, distribution=(netid(3), netid(4)))
    duty = desk.duties.open(gossip, 0.0)
    desk.forwarder._hand_over(netid(2), gossip, 0.0, duty)
    (first,) = desk.waiting()[netid(2)]

    desk.forwarder.closed([first], [], 1.0)

    waiting = desk.waiting()
    (again,) = waiting[netid(2)]
    assert again.gossip.distribution == ()  # its branch is served by others
    assert sorted(waiting) == [netid(2), netid(3), netid(4)]
    times = 1
    while any(one is again for one in duty.heads):
        desk.forwarder.closed([again], [], 1.0)
        again = desk.waiting().get(netid(2), [again])[0]
        times += 1
    assert times == MAX_TRIES + 1
    assert desk.context.counts["gossip_undeliverable"] == 1
    assert desk.context.counts["branches_replanned"] == 1


def test_a_broken_connection_to_who_is_gone_is_not_tried_again() -> None:
    desk = ForwardingBench(deaf=3)
    peer = desk.context.peers.get(netid(2))
    assert peer is not None
    peer.state = "failed"
    duty = desk.duties.open(make_gossip(number=1), 0.0)
    handover = Handover(netid(2), make_gossip(number=1), duty, 0.0)
    duty.heads[handover] = None

    desk.forwarder.closed([handover], [], 1.0)

    assert desk.waiting() == {}
    assert duty.closed


def test_what_finds_no_room_the_second_time_is_left_to_repair() -> None:
    """Nobody waits for an answer that cannot come."""
    desk = ForwardingBench(deaf=3)
    duty = desk.duties.open(make_gossip(number=1), 0.0)
    handover = Handover(netid(2), make_gossip(number=1), duty, 0.0)
    duty.heads[handover] = None
    for size in (50_000, 0):
        while hand_over(desk.links, make_gossip(99, bytes(size)), netid(2)):
            pass

    desk.forwarder.closed([handover], [], 1.0)

    assert duty.closed


def test_a_full_queue_holds_up_nobody_else() -> None:
    desk = ForwardingBench(deaf=8)
    slow = desk.targets()[0]
    size = MAX_OUTBOX_BYTES // 50
    while hand_over(desk.links, make_gossip(99, bytes(size)), slow):
        pass
    for _ in range(10):
        desk.forwarder.forward(make_gossip(1, bytes(size), hop=0, number=1), desk.targets(), 0.0)

    assert desk.context.counts["outbox_full"] == 10
    branches = desk.branches()
    assert all(gossip.id.seqno == 99 for gossip in branches.pop(slow))
    assert reached(branches) == sorted(desk.targets()[1:] * 10)


def test_a_full_group_queue_is_counted() -> None:
    desk = ForwardingBench(hearing=2)
    for seqno in range(1, 2000):
        desk.forwarder.forward(
            make_gossip(seqno, bytes(1000), hop=0, number=1), desk.targets(), 0.0
        )

    sent, refused = (desk.context.counts[name] for name in ("gossip_multicast", "outbox_full"))
    assert refused > 500
    assert sent + refused == 1999
    assert len(desk.multicasts()) == sent


# Who is answered for


def test_what_nobody_has_to_answer_for_costs_no_duty() -> None:
    """To everyone and not confirmed: who misses it misses a number."""
    desk = ForwardingBench(hearing=5)
    desk.forwarder.forward(make_gossip(hop=0, number=1), desk.targets(), 0.0)
    assert len(desk.duties) == 0

    desk.forwarder.forward(make_gossip(2, hop=0), desk.targets(), 0.0)
    assert len(desk.duties) == 1


def test_a_branch_is_answered_for_whether_or_not_anybody_asked() -> None:
    desk = ForwardingBench(deaf=8)
    desk.forwarder.forward(make_gossip(hop=0, number=1), desk.targets(), 0.0)

    assert len(desk.duties) == 1
    (duty,) = {one.duty for some in desk.waiting().values() for one in some}
    assert duty is not None


def test_each_hop_has_a_part_of_the_time_that_is_left() -> None:
    desk = ForwardingBench(deaf=3)
    for hop, expected in ((0, 1000), (2, 800)):
        gossip = make_gossip(hop=hop, number=1, confirm_ms=1000)
        duty = desk.duties.open(gossip, 5.0)
        desk.forwarder.forward(gossip, desk.targets(), 5.0, duty)
        for some in desk.branches().values():
            assert [one.confirm_ms for one in some] == [expected]


def test_a_confirmed_multicast_is_waited_for() -> None:
    desk = ForwardingBench(hearing=4)
    gossip = make_gossip(hop=0, number=1, confirm_ms=1000)
    tally = desk.receipts.open(gossip.id, desk.targets(), 1.0, 0.0)
    duty = desk.duties.open(gossip, 0.0, tally=tally)
    desk.forwarder.forward(gossip, desk.targets(), 0.0, duty)

    assert list(duty.listeners) == desk.targets()
    assert isinstance(duty.tally, Tally)


def test_who_did_not_hear_a_multicast_is_served_for_the_same_duty() -> None:
    desk = ForwardingBench(hearing=2)
    gossip = make_gossip(hop=0, number=1, confirm_ms=1000)
    duty = desk.duties.open(gossip, 0.0)
    desk.forwarder.forward(gossip, desk.targets(), 0.0, duty)

    assert desk.forwarder.answer(netid(2), gossip, 0.25)

    assert list(duty.listeners) == [netid(3)]
    (handover,) = duty.heads
    assert (handover.head, handover.gossip.confirm_ms, handover.gossip.hop) == (netid(2), 750, 1)


def test_who_cannot_be_served_at_the_moment_still_has_to_answer() -> None:
    """It is probed again, and then says again that it lacks it."""
    desk = ForwardingBench(hearing=2)
    gossip = make_gossip(hop=0)
    duty = desk.duties.open(gossip, 0.0)
    desk.forwarder.forward(gossip, desk.targets(), 0.0, duty)
    for size in (40_000, 0):
        filling = Handover(netid(2), make_gossip(9, bytes(size)), None, 0.0)
        while desk.links.hand_over(filling, 0.0):
            pass

    assert not desk.forwarder.answer(netid(2), gossip, 0.25)

    assert set(duty.listeners) == {netid(2), netid(3)}
    assert not duty.heads


def test_who_asks_for_something_else_is_answered_for_by_nobody() -> None:
    desk = ForwardingBench(deaf=1)
    kept = make_gossip(number=4, hop=2, distribution=(netid(7),), confirm_ms=100)

    assert desk.forwarder.answer(netid(2), kept, 0.0)

    ((head, (gossip,)),) = desk.branches().items()
    assert (head, gossip) == (netid(2), kept._replace(hop=3, distribution=(), confirm_ms=0))


# Large payloads


def large(desk: ForwardingBench, size: int = 100_000) -> Gossip:
    """The header of a large broadcast that is kept here."""
    whole = make_gossip(payload=desk.context.rng.randbytes(size), size=size, number=1, hop=0)
    desk.store.add(whole, 0.0)
    return whole._replace(payload=b"")


def test_a_large_payload_goes_by_multicast_in_chunks_and_to_heads_behind_its_header() -> None:
    desk = ForwardingBench(hearing=3, deaf=1)
    header = large(desk)
    session = bring_up(desk.links, netid(5))

    desk.forwarder.forward(header, desk.targets(), 0.0)

    told, *chunks = fetch(desk.links, session)
    assert told == header._replace(hop=1)
    assert sum(len(one.data) for one in chunks if isinstance(one, Chunk)) == 100_000
    headers = desk.multicasts()
    assert set(headers) == {header._replace(hop=1)}
    assert len(headers) > 100_000 // 1472


def test_a_large_payload_for_one_listener_takes_a_connection() -> None:
    """It loses none of its many datagrams there."""
    desk = ForwardingBench(hearing=1)
    desk.forwarder.forward(large(desk), desk.targets(), 0.0)

    assert desk.multicasts() == []
    assert list(desk.branches()) == [netid(2)]


def test_what_is_still_arriving_is_passed_on_as_it_comes() -> None:
    desk = ForwardingBench(hearing=2, deaf=1)
    header = make_gossip(payload=b"", size=100_000, number=1)
    arriving = desk.large.open(header, netid(9), "tcp", 0.0)
    assert arriving is not None
    session = bring_up(desk.links, netid(4))
    desk.forwarder.forward(header, desk.targets(), 0.0)
    assert fetch(desk.links, session) == [header._replace(hop=2)]
    desk.context.effects.clear()

    desk.large.chunk(Chunk(header.id, 0, bytes(5000)), 0.1)

    assert set(desk.context.effects) == {MulticastReady(0), SessionReady(session)}
    (chunk,) = fetch(desk.links, session)
    assert chunk == Chunk(header.id, 0, bytes(5000))


def test_a_head_that_is_asked_again_says_itself_what_it_lacks() -> None:
    desk = ForwardingBench(deaf=2)
    header = large(desk)
    duty = desk.duties.open(header, 0.0)
    desk.forwarder._hand_over(netid(2), header._replace(distribution=(netid(3),)), 0.0, duty)
    (handover,) = desk.waiting()[netid(2)]

    desk.forwarder.closed([handover], [], 1.0)

    session = bring_up(desk.links, netid(2))
    assert fetch(desk.links, session) == [header._replace(pull=True)]
    other = bring_up(desk.links, netid(3))
    assert len(fetch(desk.links, other)) > 1  # who replaces it gets all


def test_what_is_done_frees_what_was_kept_for_it() -> None:
    desk = ForwardingBench(deaf=8)
    session = bring_up(desk.links, netid(2))
    desk.forwarder.forward(make_gossip(hop=0), [netid(2)], 0.0)
    assert len(desk.duties) == 1
    fetch(desk.links, session)

    for handover in desk.links.acknowledged(session, Ack(1, ((1, 1),)), 0.1):
        desk.duties.done(handover, 0.1)

    assert len(desk.duties) == 0


# With what was measured


def far_away(desk: ForwardingBench, *, one_way_s: float = 0.05, send_s: float = 0.0001) -> None:
    """It knows what a send costs, and how far each target is away."""
    timing = desk.context.timing
    for _ in range(LEAST_SENDS):
        timing.sent(send_s)
    for target in desk.targets():
        for _ in range(LEAST_SAMPLES):
            timing.answered(target, 2 * one_way_s, 0.0)


def test_a_small_gossip_goes_to_each_of_those_far_away_and_a_large_one_by_halves() -> None:
    """To send that to each takes longer than it is under way."""
    desk = ForwardingBench(deaf=32)
    far_away(desk, one_way_s=0.005)

    desk.forwarder.forward(make_gossip(hop=0, number=1, payload=b"x"), desk.targets(), 0.0)
    assert len(desk.branches()) == 32
    payload = bytes(30_000)
    desk.forwarder.forward(make_gossip(hop=0, number=2, payload=payload), desk.targets(), 0.0)
    assert len(desk.branches()) == 6


def test_who_has_much_to_pass_on_makes_fewer_branches() -> None:
    desk = ForwardingBench(deaf=32)
    far_away(desk)
    desk.forwarder.forward(make_gossip(hop=0, number=1), desk.targets(), 10.0)
    assert len(desk.branches()) == 32

    for number in range(2, 500):
        desk.forwarder.forward(make_gossip(hop=0, number=number), desk.targets(), 10.1)
    desk.branches()
    desk.forwarder.forward(make_gossip(hop=0, number=500), desk.targets(), 10.5)

    assert len(desk.branches()) == 6


def test_the_ways_stay_the_same_for_as_long_as_connections_do_and_then_go_round() -> None:
    desk = ForwardingBench(deaf=64)
    far_away(desk, one_way_s=0.0001)

    def heads(now: float) -> set[NetID]:
        desk.forwarder.forward(make_gossip(hop=0, number=1), desk.targets(), now)
        return {head for head, gossips in desk.branches().items() if gossips[0].distribution}

    first = heads(100.0)
    assert heads(100.0 + RANKED_FOR_S - 1) == first
    assert heads(100.0 + RANKED_FOR_S + 1) != first
