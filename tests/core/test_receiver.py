"""What a node does with the records of others, in stories of two nodes and a connection."""

from __future__ import annotations

import random

from chatter.core.effects import Deliver, Edge, Gap, MulticastReady, Settled
from chatter.core.exchange import ACK_DELAY_S, LEAF_ACK_DELAY_S, LEAST_WINDOW_BYTES
from chatter.core.handlers import codec_handler
from chatter.core.membership import MAX_CHANNELS
from chatter.core.probes import GRACE_S
from chatter.ids import BroadcastID, epoch_of
from chatter.wire.frame import Sender, encode_body
from chatter.wire.gossip import Gossip
from chatter.wire.records import (
    Ack,
    Chunk,
    Credit,
    Grant,
    Hello,
    Highest,
    Probe,
    Record,
    Report,
    SeenIds,
    SessionCredit,
    Took,
    Top,
    Want,
    WantChunks,
    WantNumbers,
)
from tests.core.desk import Desk, connect, exchange, give, waiting
from tests.core.parts import GROUP, US, Remote, life, make_gossip, netid

SIZE = 120_000
PAYLOAD = random.Random(1).randbytes(SIZE)


class Pair:
    """A node, and the other end of a connection with it: who asks it to pass things on."""

    def __init__(self, *, transforms: bool = False) -> None:
        client = Desk(1, channels=())
        self.server = Desk(2, channels=())
        if transforms:
            handler = codec_handler("tag", "json", lambda body, message: body, transforms=True)
            self.server.handlers.add(handler)
        self.near, self.far = connect(client, self.server)
        self.server.node.take_effects()

    def give(self, *records: Record, now: float = 0.0) -> None:
        """The node gets these, each in a frame of its own."""
        for record in records:
            alive = self.server.node.session_received(
                self.far, self.near.seal([record]), False, now
            )
            assert alive

    def answers(self, now: float) -> list[Record]:
        """What the node says on the connection when it is this time, but for its credit."""
        self.server.node._probes.tick(now)
        self.server.node._duties.tick(now)
        self.server.node._links.tick(now)
        found: list[Record] = []
        while data := self.server.node.session_bytes(self.far, now):
            found += [one for body in self.near.receive(data) for one in body.records]
        return [one for one in found if not isinstance(one, SessionCredit)]

    def delivered(self) -> list[Deliver]:
        """What was delivered, taken out with all other effects."""
        return self.server.effects(Deliver)


def foreign(seqno: int = 1, **fields: object) -> Gossip:
    """A broadcast of a node that is neither."""
    gossip = make_gossip(seqno, **fields)  # type: ignore[arg-type]
    return gossip._replace(id=BroadcastID(netid(5), epoch_of(life(5)), seqno))


# Answers on a connection


def test_what_has_no_branch_is_done_at_once_and_said_within_the_delay() -> None:
    pair = Pair()
    pair.give(foreign(number=1))

    assert len(pair.delivered()) == 1
    assert pair.answers(LEAF_ACK_DELAY_S * 0.9) == []
    assert pair.answers(LEAF_ACK_DELAY_S) == [Ack(1, ((1, 1),))]
    assert pair.answers(9.0) == []


def test_a_branch_is_done_when_those_in_it_are() -> None:
    pair = Pair()
    pair.give(foreign(number=1, distribution=(netid(8), netid(2))))
    (duty,) = pair.server.node._duties._duties
    (handover,) = duty.heads
    assert (handover.head, handover.gossip.hop, handover.gossip.distribution) == (netid(8), 2, ())
    assert pair.answers(ACK_DELAY_S) == [Ack(1, ())]  # it lives, and works on it

    pair.server.node._duties.done(handover, 0.1)

    assert pair.answers(0.2) == [Ack(1, ((1, 1),))]


def test_a_duplicate_is_answered_too() -> None:
    pair = Pair()
    pair.give(foreign(number=1), foreign(number=1))

    assert len(pair.delivered()) == 1
    assert pair.answers(LEAF_ACK_DELAY_S) == [Ack(2, ((1, 2),))]


def test_of_a_large_one_it_is_said_sooner_as_its_chunks_come_until_then() -> None:
    pair = Pair()
    pair.give(foreign(number=1)._replace(payload=b"", size=50_000))
    assert pair.answers(ACK_DELAY_S) == [Ack(1, ())]


def test_our_own_that_comes_back_is_done() -> None:
    pair = Pair()
    own = pair.server.node.broadcast("tag", "json", b"\0\0{}", [], 0.0)[0]
    pair.give(make_gossip(1)._replace(id=own))

    assert pair.delivered() == []
    assert pair.answers(LEAF_ACK_DELAY_S) == [Ack(1, ((1, 1),))]


def test_a_confirmed_one_is_reported_and_done_at_once() -> None:
    pair = Pair()
    pair.give(foreign(confirm_ms=500))

    assert pair.answers(0.0) == [Report(1, ()), Ack(1, ((1, 1),))]


def test_a_receipt_over_a_connection_is_full() -> None:
    client, server = Desk(1, channels=()), Desk(2, channels=())
    near, far = connect(client, server)
    broadcast, targets = client.node.broadcast(
        "tag", "json", b"\0\0{}", [netid(2)], 0.0, confirm_s=1.0
    )
    exchange(client, near, server, far, 0.001)

    ((told, outcome),) = client.effects(Settled)
    assert targets == (netid(2),)
    assert told == broadcast
    assert (outcome.delivered, outcome.missing) == ((netid(2),), ())
    assert outcome.edges == (Edge(US, netid(2), 1, False, 0),)
    assert near.exchange.open == {}


def test_chunks_and_gossips_are_taken_in_and_credit_given_back() -> None:
    client, server = Desk(1, channels=()), Desk(2, channels=())
    near, far = connect(client, server)
    for seqno in range(1, 16):
        give(client, near, server, far, foreign(seqno, payload=bytes(45_000), number=seqno))

    assert near.exchange.limit > LEAST_WINDOW_BYTES
    assert near.exchange.credit > LEAST_WINDOW_BYTES // 2


def test_while_handlers_are_behind_no_credit_is_granted() -> None:
    client, server = Desk(1, channels=()), Desk(2, channels=())
    near, far = connect(client, server)
    server.node.note_handlers(True, 0.0)
    for seqno in range(1, 16):
        give(client, near, server, far, foreign(seqno, payload=bytes(45_000), number=seqno))
    assert near.exchange.limit == LEAST_WINDOW_BYTES

    server.node.note_handlers(False, 1.0)
    exchange(client, near, server, far, 1.0)

    assert near.exchange.limit > LEAST_WINDOW_BYTES


# By multicast


def heard(*records: Record, channel: int = 0, position: int = 0) -> tuple[Desk, Remote]:
    """A node that hears a remote say this by multicast."""
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)
    body = encode_body(records, Sender(remote.netid, channel, position))
    desk.hears(remote.identity.multicast_sealer(GROUP).seal(body))
    return desk, remote


def datagrams(desk: Desk) -> list[Record]:
    """The records that wait to go out by unicast, taken out."""
    found: list[Record] = []
    while (waiting := desk.node._context.udp.take()) is not None:
        found += waiting[2]
    return [one for one in found if not isinstance(one, Hello)]


def test_who_takes_a_targeted_multicast_says_so_by_datagram() -> None:
    one = make_gossip(1, distribution=(US,))
    for gossip, told in (
        (one, [Took((one.id,))]),
        (make_gossip(1, number=1, confirm_ms=100), [Took((one.id,))]),
        (make_gossip(1, number=1), []),
        (make_gossip(1, distribution=(netid(8),)), []),
    ):
        desk, _ = heard(gossip)
        desk.node.tick(0.1)
        assert [record for record in datagrams(desk) if isinstance(record, Took)] == told


def test_a_second_copy_of_a_targeted_multicast_is_answered_again() -> None:
    """The first answer may be what was lost."""
    gossip = make_gossip(1, distribution=(US,))
    desk, remote = heard(gossip)
    desk.node.tick(0.1)
    datagrams(desk)

    desk.hears(remote.multicast(gossip), now=0.2)
    desk.node.tick(0.3)

    assert Took((gossip.id,)) in datagrams(desk)
    assert len(desk.effects(Deliver)) == 1


def test_datagrams_that_are_heard_are_granted_by_datagram() -> None:
    desk, remote = heard(make_gossip(number=1), position=1000)
    body = encode_body([make_gossip(2, number=2)], Sender(remote.netid, 0, 60_000))
    desk.hears(remote.identity.multicast_sealer(GROUP).seal(body))

    (credit,) = [one for one in datagrams(desk) if isinstance(one, Credit)]
    ((sender, channel, limit),) = credit.entries
    assert (sender, channel) == (netid(2), 0)
    assert limit > 60_000


def test_a_sender_that_is_held_up_is_granted_when_it_asks() -> None:
    desk, remote = heard()
    ask = Credit((Grant(remote.netid, 0, 500_000),))

    desk.hears(remote.unicast(desk.node.life, ask), None)

    (credit,) = [one for one in datagrams(desk) if isinstance(one, Credit)]
    assert credit.entries[0].limit > 500_000


def test_nobody_makes_us_keep_account_of_ever_new_channels() -> None:
    desk, remote = heard(channel=MAX_CHANNELS, position=5)
    for channel in range(2 * MAX_CHANNELS):
        ask = Credit((Grant(remote.netid, channel, 500_000),))
        desk.hears(remote.unicast(desk.node.life, ask), None)

    peer = desk.node._context.peers.get(remote.netid)
    assert peer is not None
    assert MAX_CHANNELS not in peer.flow
    assert len(peer.flow) == MAX_CHANNELS


def test_a_grant_lets_our_channel_go_on() -> None:
    desk, remote = heard(SeenIds(((0, (US,)),), True))
    peer = desk.node._context.peers.get(remote.netid)
    assert peer is not None
    peer.limits[0] = 0
    desk.node.broadcast("tag", "json", b"\0\0{}", None, 0.0)
    assert desk.node.multicast_frame(0, 0.0) is None
    desk.node.take_effects()

    grant = Credit((Grant(US, 0, 100_000),))
    desk.hears(remote.unicast(desk.node.life, grant), None)

    assert desk.effects(MulticastReady) == [MulticastReady(0)]
    assert desk.node.multicast_frame(0, 0.0) is not None


# Repair


def numbered(number: int) -> Gossip:
    remote = Remote(2)
    gossip = make_gossip(number, number=number)
    return gossip._replace(id=BroadcastID(netid(2), epoch_of(remote.life), number))


def test_a_number_that_somebody_names_is_asked_for() -> None:
    desk, remote = heard(numbered(1))
    named = Highest((Top(netid(2), epoch_of(remote.life), 3),))

    desk.hears(remote.multicast(named))
    desk.node.tick(1.0)

    wanted = WantNumbers(netid(2), epoch_of(remote.life), ((2, 3),))
    assert wanted in desk.node._links._links[netid(2)].outbox.drain()[0]


def test_what_was_before_our_time_is_not_asked_for() -> None:
    desk, remote = heard()
    desk.node._contacts._lives.clear()
    desk.node._contacts._proven.clear()
    desk.node._contacts.challenge(netid(2), remote.life, 0.0)
    waited = desk.node._context.udp.take()
    assert waited is not None
    (question,) = waited[2]
    assert isinstance(question, Hello)
    echo = Hello(None, question.challenge, 1 << 20, 0, 0, 40)

    desk.hears(remote.unicast(desk.node.life, echo), None)

    origin = desk.node._origins.get(netid(2), epoch_of(remote.life))
    assert origin is not None
    assert origin.numbers.floor == 40


def test_an_ordered_handler_waits_for_what_is_missing_and_others_do_not() -> None:
    for ordered, before in ((True, [1]), (False, [1, 3])):
        desk, remote = heard()
        handler = codec_handler("tag", "json", lambda body, message: None, ordered=ordered)
        desk.handlers.add(handler)
        for number in (1, 3):
            desk.hears(remote.multicast(numbered(number)))
        assert [one.gossip.number for one in desk.effects(Deliver)] == before

        desk.hears(remote.multicast(numbered(2)))
        after = [one.gossip.number for one in desk.effects(Deliver)]
        assert before + after == ([1, 2, 3] if ordered else [1, 3, 2])
        assert desk.effects(Gap) == []


def test_what_a_probe_asks_about_is_answered() -> None:
    pair = Pair()
    pair.give(foreign(1), Probe((foreign(1).id, foreign(2).id), answer=True))

    assert pair.answers(0.0) == [Took((foreign(1).id,)), Ack(1, ((1, 1),))]
    assert pair.answers(GRACE_S) == [Want((foreign(2).id,))]


# Large payloads


def header(**fields: object) -> Gossip:
    return foreign(payload=b"", size=SIZE, number=1)._replace(**fields)  # type: ignore[arg-type]


def chunk(start: int, stop: int) -> Chunk:
    return Chunk(header().id, start, PAYLOAD[start:stop])


def chunks() -> list[Record]:
    return [chunk(start, min(SIZE, start + 40_000)) for start in range(0, SIZE, 40_000)]


def test_a_large_payload_is_delivered_whole_and_done_then() -> None:
    pair = Pair()
    first, *rest = chunks()
    pair.give(header(), first)
    assert pair.delivered() == []
    assert pair.answers(0.5) == [Ack(1, ())]

    pair.give(*rest)

    (deliver,) = pair.delivered()
    assert deliver.gossip.payload == PAYLOAD
    assert (deliver.sender, deliver.via) == (US, "tcp")
    assert pair.answers(1.0) == [Ack(1, ((1, 1),))]


def test_a_relay_passes_the_header_on_before_it_has_anything() -> None:
    pair = Pair()
    pair.give(header(distribution=(netid(8),)))

    assert waiting(pair.server, 8) == [header(hop=2)]


def test_a_branch_that_has_it_before_us_does_not_make_it_done() -> None:
    pair = Pair()
    pair.give(header(distribution=(netid(8),)))
    (duty,) = pair.server.node._duties._duties
    for handover in list(duty.heads):
        pair.server.node._duties.done(handover, 0.1)
    assert pair.answers(0.1) == [Ack(1, ())]

    pair.give(*chunks(), now=0.2)

    assert pair.answers(0.3) == [Ack(1, ((1, 1),))]


def test_a_confirmed_large_one_is_reported_when_it_is_whole() -> None:
    pair = Pair()
    first, *rest = chunks()
    pair.give(header(confirm_ms=9000), first)
    assert pair.answers(0.1) == [Ack(1, ())]

    pair.give(*rest, now=0.2)

    assert pair.answers(0.2) == [Report(1, ()), Ack(1, ((1, 1),))]


def test_what_has_come_already_as_a_header_again_is_a_duplicate_and_done() -> None:
    pair = Pair()
    pair.give(header(), *chunks())
    pair.delivered()
    pair.give(header(), chunk(0, 1000))

    assert pair.delivered() == []
    assert pair.server.node.counts["duplicates"] == 1
    assert pair.server.node.counts["chunks_needless"] == 1
    assert pair.answers(1.0) == [Ack(2, ((1, 2),))]


def test_two_who_send_the_same_large_payload_both_hear_that_it_is_done() -> None:
    pair = Pair()
    first, *rest = chunks()
    pair.give(header(), first, header(), *rest)

    assert len(pair.delivered()) == 1
    assert pair.answers(1.0) == [Ack(2, ((1, 2),))]


def test_more_than_we_take_is_dropped_and_counted() -> None:
    pair = Pair()
    pair.give(header(size=pair.server.node._context.config.max_message_bytes + 3))

    assert pair.server.node.counts["dropped_too_large"] == 1
    assert not pair.server.node._large.under_way(header().id)


def test_a_chunk_that_does_not_fit_is_counted_and_the_connection_stays() -> None:
    pair = Pair()
    pair.give(header(), Chunk(header().id, SIZE, b"beyond"), *chunks())

    assert len(pair.delivered()) == 1
    assert sum(n for name, n in pair.server.node.counts.items() if name.startswith("dropped_")) == 1


def test_a_large_one_that_may_be_transformed_goes_on_whole_after_its_handler() -> None:
    pair = Pair(transforms=True)
    pair.give(header(distribution=(netid(8),)), *chunks())
    (deliver,) = pair.delivered()
    assert deliver.held
    assert waiting(pair.server, 8) == []

    pair.server.node.transformed(deliver.gossip.id, b"\0\0[]", 0.5)

    (gossip,) = waiting(pair.server, 8)
    assert (gossip.payload, gossip.size, gossip.revision) == (b"\0\0[]", 0, 1)


def test_a_large_one_that_is_given_up_is_answered_for_no_more() -> None:
    pair = Pair()
    pair.give(header(confirm_ms=60_000), chunk(0, 1000))
    timeout_s = pair.server.node._context.config.repair_timeout_s
    pair.server.node._arrivals.tick(timeout_s)

    assert pair.server.node.counts["assemblies_given_up"] == 1
    answers = pair.answers(timeout_s)
    assert Ack(1, ((1, 1),)) in answers
    assert not any(isinstance(one, Report) for one in answers)  # we do not have it


def test_a_large_multicast_is_answered_when_it_is_whole() -> None:
    gossip = make_gossip(1, b"", size=3000, distribution=(US,))
    first, second = (Chunk(gossip.id, at, PAYLOAD[at : at + 1500]) for at in (0, 1500))
    desk, remote = heard(gossip, first)
    desk.node.tick(0.1)
    assert Took((gossip.id,)) not in datagrams(desk)

    desk.hears(remote.multicast(gossip, second), now=0.2)
    desk.node.tick(0.3)

    (deliver,) = desk.effects(Deliver)
    assert (deliver.gossip.payload, deliver.via) == (PAYLOAD[:3000], "multicast")
    assert Took((gossip.id,)) in datagrams(desk)


def test_who_lacks_chunks_gets_them() -> None:
    pair = Pair()
    pair.server.node._store.add(header(payload=PAYLOAD), 0.0)
    pair.give(WantChunks(header().id, ((0, 99), (500, 599))))

    assert pair.answers(0.0) == [chunk(0, 100), chunk(500, 600)]
