from __future__ import annotations

import random

import pytest

from chatter.core.effects import Deliver, Disconnect, MulticastReady, PeerEvent
from chatter.core.handlers import codec_handler
from chatter.core.timing import LEAST_SENDS
from chatter.ids import BroadcastID, NetID, epoch_of
from chatter.wire import seal
from chatter.wire.burst import Burst, encode_bodies
from chatter.wire.gossip import MAX_HOPS, Gossip
from chatter.wire.records import Hello, Leave, Probe, Record, SeenIds, Want
from tests.core.desk import Desk, broadcast, connect, exchange, give, waiting
from tests.core.parts import GROUP, US, Remote, life, make_gossip, netid

# Broadcasting


def test_seqno_counts_all_and_number_those_to_everyone() -> None:
    desk = Desk()
    desk.meet(Remote(2))
    ids = [broadcast(desk, to) for to in (None, [netid(2)], None, [], None)]

    assert [one.seqno for one in ids] == [1, 2, 3, 4, 5]
    kept = [desk.node._store.get(one) for one in ids]
    assert [one.number for one in kept if one is not None] == [1, 0, 2, 0, 3]
    assert {(one.origin, one.epoch) for one in ids} == {(US, desk.node.epoch)}


def test_ourselves_and_repeated_names_are_left_out() -> None:
    desk = Desk()

    _, targets = desk.node.broadcast("tag", "json", b"\0\0", [US, netid(2), netid(2)], 0.0)

    assert targets == (netid(2),)


def test_a_broadcast_to_nobody_takes_no_room() -> None:
    desk = Desk()
    before = desk.node.room(0.0)
    broadcast(desk)

    assert desk.node.room(0.0) == before  # nobody to send it to
    assert desk.node.counts["broadcasts_to_nobody"] == 1


# Receiving


def test_a_gossip_is_delivered_once() -> None:
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)

    desk.hears(remote.multicast(make_gossip(number=1), make_gossip(number=1)))
    desk.hears(remote.multicast(make_gossip(number=1)))

    (deliver,) = desk.effects(Deliver)
    assert (deliver.gossip, deliver.sender, deliver.via, deliver.held) == (
        make_gossip(number=1),
        netid(2),
        "multicast",
        False,
    )
    assert desk.node.counts["duplicates"] == 2


def test_a_targeted_multicast_is_taken_by_those_named_alone() -> None:
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)

    desk.hears(remote.multicast(make_gossip(1, distribution=(netid(8),))))
    assert desk.effects(Deliver) == []
    assert desk.node.counts["gossip_overheard"] == 1
    desk.hears(remote.multicast(make_gossip(1, distribution=(netid(8), US))))
    assert len(desk.effects(Deliver)) == 1


def test_our_own_broadcast_that_comes_back_is_not_dispatched() -> None:
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)
    own = broadcast(desk)

    desk.hears(remote.multicast(make_gossip(number=1)._replace(id=own)))
    stranger = own._replace(epoch=own.epoch - 1, seqno=77)
    desk.hears(remote.multicast(make_gossip(number=1)._replace(id=stranger)))

    assert desk.effects(Deliver) == []
    assert desk.node.counts["gossip_own"] == 2


def test_gossip_by_unicast_datagram_is_dropped() -> None:
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)

    desk.hears(remote.unicast(desk.node.life, make_gossip(number=1)), None)

    assert desk.effects(Deliver) == []
    assert desk.node.counts["dropped_gossip_by_udp"] == 1


def test_a_multicast_is_not_passed_on() -> None:
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)
    desk.meet(Remote(3))
    desk.node.take_effects()

    desk.hears(remote.multicast(make_gossip(number=1)))

    assert not desk.effects(MulticastReady)
    assert desk.node.counts["gossip_sent"] == 0


def test_over_tcp_whoever_is_listed_is_served_even_by_a_second_copy() -> None:
    """Who sent it relies on us for those, whether or not we had it already."""
    client, server = Desk(1, channels=()), Desk(2, channels=())
    near, far = connect(client, server)
    gossip = make_gossip(number=1, distribution=(netid(8), netid(9)))
    gossip = gossip._replace(id=gossip.id._replace(origin=netid(5)))
    for _ in range(2):
        give(client, near, server, far, gossip)
    server.node.take_effects()

    reached = []
    for number in (8, 9):
        for gossip in waiting(server, number):
            reached += [netid(number), *gossip.distribution]
    assert sorted(reached) == [netid(8), netid(8), netid(9), netid(9)]
    assert server.node.counts["duplicates"] == 1


def test_a_question_over_tcp_is_answered_there() -> None:
    client, server = Desk(1, channels=()), Desk(2, channels=())
    near, far = connect(client, server)
    challenge = bytes(range(16))
    client.node._links.send(netid(2), Hello(challenge, None, 0, 0, 0))
    there = client.node.session_bytes(near, 0.0)
    while server.node.udp_frame(0.0) is not None:
        pass

    server.node.session_received(far, there, False, 0.0)

    assert server.node.udp_frame(0.0) is None
    (answer,) = [
        one for body in near.receive(server.node.session_bytes(far, 0.0)) for one in body.records
    ]
    assert isinstance(answer, Hello)
    assert answer.echo == challenge


def test_what_was_asked_for_over_tcp_is_sent() -> None:
    client, server = Desk(1), Desk(2)
    near, far = connect(client, server)
    sent = broadcast(server, [netid(99)])
    give(client, near, server, far, Want((sent,)))

    (deliver,) = client.effects(Deliver)
    assert (deliver.gossip.id, deliver.gossip.hop, deliver.via) == (sent, 1, "tcp")


# Transforms


def transforming_pair() -> tuple[Desk, Deliver]:
    client, server = Desk(1, channels=()), Desk(2, channels=())
    server.handlers.add(codec_handler("tag", "json", lambda body, message: body, transforms=True))
    near, far = connect(client, server)
    gossip = make_gossip(number=1, distribution=(netid(8),))
    gossip = gossip._replace(id=gossip.id._replace(origin=netid(5)))
    give(client, near, server, far, gossip)
    (deliver,) = server.effects(Deliver)
    assert deliver.held
    return server, deliver


def test_what_may_be_transformed_waits_and_travels_on_with_its_new_body() -> None:
    server, deliver = transforming_pair()
    assert waiting(server, 8) == []

    server.node.transformed(deliver.gossip.id, b"\0\0[]", 0.5)

    (gossip,) = waiting(server, 8)
    assert (gossip.payload, gossip.revision, gossip.id) == (b"\0\0[]", 1, deliver.gossip.id)
    assert gossip.hop == deliver.gossip.hop + 1


def test_without_a_new_body_it_travels_on_as_it_came() -> None:
    server, deliver = transforming_pair()
    server.node.transformed(deliver.gossip.id, None, 0.5)

    (gossip,) = waiting(server, 8)
    assert (gossip.payload, gossip.revision) == (deliver.gossip.payload, 0)


def test_a_transform_that_takes_too_long_holds_up_nobody() -> None:
    server, deliver = transforming_pair()
    assert server.node.next_wakeup() <= 1.0
    server.node.tick(1.0)

    assert [(one.payload, one.revision) for one in waiting(server, 8)] == [
        (deliver.gossip.payload, 0)
    ]
    server.node.transformed(deliver.gossip.id, b"\0\0[]", 1.1)
    assert waiting(server, 8) == []


# Lives


def test_told_of_a_newer_life_a_node_draws_one_above() -> None:
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)
    first = broadcast(desk)
    newest = desk.node.epoch + (123 << 16)

    desk.hears(remote.unicast(desk.node.life, Hello(None, None, 0, newest, 0)), None)

    assert desk.node.epoch > newest
    assert desk.node.counts["lives_drawn"] == 1
    assert broadcast(desk).seqno == first.seqno == 1


def test_told_so_by_who_is_called_over_tcp_too() -> None:
    """Where no datagram passes, this is the only way to learn it."""
    client, server = Desk(1, channels=()), Desk(2, channels=())
    newer = life(50, 1_800_000_000_000)
    server.node._contacts.prove(US, newer, 0)
    near, far = client.node.open_session(netid(2), 0.0), server.node.open_session(None, 0.0)

    assert not exchange(client, near, server, far)

    assert client.node.counts["lives_drawn"] == 1
    assert client.node.epoch > epoch_of(newer)
    assert server.node.counts["address_clashes"] == 0


def test_the_highest_epoch_that_can_be_told_still_has_one_above() -> None:
    from chatter.wire.records import LAST_EPOCH_TO_FOLLOW

    desk, remote = Desk(), Remote(2)
    desk.meet(remote)

    hello = Hello(None, None, 0, LAST_EPOCH_TO_FOLLOW, 0)
    desk.hears(remote.unicast(desk.node.life, hello), None)
    assert desk.node.epoch > LAST_EPOCH_TO_FOLLOW
    worse = hello._replace(known_epoch=LAST_EPOCH_TO_FOLLOW + 1)
    desk.hears(remote.unicast(desk.node.life, worse), None)
    assert desk.node.counts["dropped_malformed"] == 1


def test_connections_end_with_the_life_they_belong_to() -> None:
    client, server = Desk(1), Desk(2)
    near, _ = connect(client, server)
    client.node.take_effects()
    client.node._lives.begin_anew(client.node.epoch)

    assert client.effects(Disconnect) == [Disconnect(near)]


def test_nobody_is_served_by_multicasts_of_a_life_they_do_not_know_yet() -> None:
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)
    desk.hears(remote.multicast(SeenIds(((0, (US,)),), True)))
    broadcast(desk)
    assert desk.effects(MulticastReady)
    desk.node.start(0.0)
    desk.node.tick(0.0)

    desk.node._lives.begin_anew(desk.node.epoch)
    desk.node.take_effects()
    broadcast(desk)

    assert not desk.effects(MulticastReady)
    assert desk.node.counts["gossip_sent"] == 1
    assert desk.node.next_wakeup() <= 0.0  # the new one is announced at once


def test_a_life_that_has_sealed_its_fill_is_followed_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)
    monkeypatch.setattr(seal, "MAX_FRAMES_PER_KEY", 3)
    former = desk.node.life
    desk.node.start(0.0)

    for second in range(10):
        desk.node.tick(second * 1.2)
        while desk.node.multicast_frame(0, second * 1.2) is not None:
            pass

    assert desk.node.counts["lives_drawn"] >= 2
    assert epoch_of(desk.node.life) > epoch_of(former)


def test_what_a_superseded_life_still_had_on_its_way_is_too_late() -> None:
    client, server = Desk(1), Desk(2)
    near, far = connect(client, server)
    server.node._contacts.prove(US, life(50, 1_800_000_000_000), 0)
    server.node._membership.heard(US, life(50, 1_800_000_000_000), 1.0)
    server.node.take_effects()

    client.node._links.send(netid(2), Leave())
    alive = server.node.session_received(far, client.node.session_bytes(near, 1.0), False, 1.0)

    assert not alive
    assert server.node.counts["dropped_superseded_life"] == 1
    assert server.effects(PeerEvent) == []


def test_a_loopback_address_from_another_host_gets_no_connection() -> None:
    client, server = Desk(1), Desk(2)
    client.node._context.local = NetID("127.0.0.1", 29999)
    near, far = client.node.open_session(netid(2), 0.0), server.node.open_session(None, 0.0)

    assert not exchange(client, near, server, far)
    assert server.node.counts["dropped_impossible_netid"] == 1
    assert server.node.peers(0.0) == []


# Bytes


@pytest.mark.parametrize("seed", range(10))
def test_whatever_comes_it_is_counted(seed: int) -> None:
    rng = random.Random(seed)
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)
    records: list[Record] = [make_gossip(number=1), Leave(), Probe((make_gossip().id,))]
    for _ in range(100):
        body = bytearray(remote.multicast(*rng.sample(records, 2)))
        for _ in range(rng.randrange(3)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        desk.hears(bytes(body[: rng.randrange(len(body) + 1)]), rng.choice([0, None]))
        session = desk.node.open_session(None, 0.0)
        alive = desk.node.session_received(session, rng.randbytes(rng.randrange(700)), False, 0.0)
        if not alive:
            desk.node.session_closed(session, 0.0)

    drops = sum(count for name, count in desk.node.counts.items() if name.startswith("dropped_"))
    assert drops > 100


@pytest.mark.parametrize("seed", range(20))
def test_sealed_nonsense_is_a_frame_error_too(seed: int) -> None:
    """A member with a key and a bug: its frames authenticate, and hold anything."""
    rng = random.Random(seed)
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)
    before = desk.node.counts["frames_received"]

    for _ in range(200):
        nonsense = rng.randbytes(rng.randrange(80))
        body = bytes([rng.choice([0, 1, 2, 3])]) + nonsense
        desk.hears(remote.identity.multicast_sealer(GROUP).seal(body))
        desk.hears(remote.identity.udp_sealer(desk.node.life).seal(body), None)

    assert desk.node.counts["frames_received"] - before == 400
    assert sum(n for name, n in desk.node.counts.items() if name.startswith("dropped_")) > 300
    desk.hears(remote.multicast(make_gossip(number=1)))
    assert len(desk.effects(Deliver)) == 1


def test_a_burst_of_a_large_datagram_is_repaired_by_small_ones() -> None:
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)
    desk.hears(remote.multicast(SeenIds(((0, (US,)),), True)))
    channel = desk.node._channels[0]
    while channel.outbox.take(1400, 1 << 30) is not None:
        pass
    payload, one_size = encode_bodies([b"%03d" % number + bytes(97) for number in range(100)])
    burst = Burst(BroadcastID(netid(5), 7, 1), "tag", "bytes", payload, 1, 100, one_size)

    assert desk.node._forwarder.multicast_again(burst, [netid(2)], 0.0)

    numbers: list[int] = []
    while (batch := channel.outbox.take(channel.budget, 1 << 30)) is not None:
        for one in batch.records:
            assert isinstance(one, (Gossip, Burst))
            assert one.size_bound() <= channel.budget
            numbers += range(one.number, one.last_number + 1)
    assert numbers == list(range(1, 101))
    large = make_gossip(number=1, payload=bytes(2000))
    assert not desk.node._forwarder.multicast_again(large, [netid(2)], 0.0)


def test_what_made_its_last_hop_is_repaired_by_multicast_too() -> None:
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)
    desk.hears(remote.multicast(SeenIds(((0, (US,)),), True)))
    channel = desk.node._channels[0]
    while channel.outbox.take(1400, 1 << 30) is not None:
        pass

    assert desk.node._forwarder.multicast_again(
        make_gossip(number=1, hop=MAX_HOPS), [netid(2)], 0.0
    )

    batch = channel.outbox.take(1400, 1 << 30)
    assert batch is not None
    assert [one.hop for one in batch.records if isinstance(one, Gossip)] == [MAX_HOPS]


# What it measures for the planner


@pytest.mark.parametrize("pieces", [1, 7])
def test_the_hellos_of_a_connection_tell_both_sides_a_round_trip(pieces: int) -> None:
    """Also if they come in pieces; from our hello to the answer, on either side."""
    client, server = Desk(1), Desk(2)
    for began in (10.0, 20.0, 30.0):
        near, far = client.node.open_session(netid(2), began), server.node.open_session(None, began)
        ways = [(client, near, server, far), (server, far, client, near)]
        now = began
        for one, session, other, their in [*ways, ways[0]]:
            data = one.node.session_bytes(session, now)
            step = -(-len(data) // pieces)
            now += 0.04
            for start in range(0, len(data), step):
                at = now - 0.01 * (start + step < len(data))
                assert other.node.session_received(their, data[start : start + step], False, at)
        assert near.proven
        assert far.proven

    for desk, other in ((client, server), (server, client)):
        one_way_s = desk.node._context.timing.one_way_s(other.node.local)
        assert one_way_s == pytest.approx(0.04)


def asked(desk: Desk, now: float) -> list[NetID]:
    """Whom it asks for an echo in a tick."""
    desk.node.tick(now)
    found = []
    while (waiting := desk.node._context.udp.take()) is not None:
        netid, _, records = waiting
        if any(isinstance(one, Hello) and one.challenge for one in records):
            found.append(netid)
    return found


def test_a_question_on_a_connection_tells_a_round_trip_where_no_datagram_passes() -> None:
    asker, other = Desk(1, channels=()), Desk(2, channels=())
    near, far = connect(asker, other)
    for _ in range(LEAST_SENDS):
        asker.node.note_send(0.0001)
    timing = asker.node._context.timing
    for began in (2.0, 4.0):
        asker.node.tick(began)
        assert asker.node.udp_frame(began) is None
        there = asker.node.session_bytes(near, began)
        assert other.node.session_received(far, there, False, began + 0.02)
        back = other.node.session_bytes(far, began + 0.02)
        assert asker.node.session_received(near, back, False, began + 0.04)
    assert timing._round_trips[netid(2)].samples == 3  # the first by the hellos, which took no time
    assert timing.unanswered(netid(2)) == 0


def test_those_whom_branches_have_to_reach_are_asked_how_far_they_are() -> None:
    desk = Desk(failure_timeout_s=60)
    listener, deaf = Remote(2), Remote(3)
    for remote in (listener, deaf):
        desk.meet(remote)
    desk.hears(listener.multicast(SeenIds(((0, (US,)),), complete=True)), now=0.1)

    assert asked(desk, 1.0) == []  # it does not know what a send costs
    for _ in range(LEAST_SENDS):
        desk.node.note_send(0.0001)

    assert [asked(desk, now) for now in (2.0, 2.1, 12.0)] == [[deaf.netid], [], [deaf.netid]]
