"""Lone messages on connections are dispatched before the rest is done, and nobody can tell."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from chatter.core.effects import Deliver, Gap, SessionReady
from chatter.core.exchange import LEAF_ACK_DELAY_S
from chatter.core.handlers import codec_handler
from chatter.core.lone import FEW_NOTED, MOST_NOTED
from chatter.core.node import Node
from chatter.core.origins import OriginLife
from chatter.core.peers import SUSPECT, Peer
from chatter.ids import BroadcastID, NetID, epoch_of
from chatter.wire.gossip import Gossip
from chatter.wire.records import Ack, Probe, Record
from tests.core.desk import Desk, connect
from tests.core.parts import life, make_gossip, netid

ORIGIN = BroadcastID(netid(5), epoch_of(life(5)), 0)
NEVER = float("inf")


class Relay:
    """A node, and the one that passes on to it, over a connection, what a third one broadcasts."""

    def __init__(self, ordered: str | None = None) -> None:
        self.client = Desk(1, channels=())
        self.server = Desk(2, channels=())
        if ordered is not None:
            handler = codec_handler(ordered, "json", lambda body: None, ordered=True)
            self.server.handlers.add(handler)
        self.near, self.far = connect(self.client, self.server)
        self.server.node.take_effects()
        self.number = 0

    @property
    def node(self) -> Node:
        return self.server.node

    @property
    def peer(self) -> Peer:
        peer = self.node._context.peers.get(netid(1))
        assert peer is not None
        return peer

    @property
    def origin(self) -> OriginLife:
        origin = self.node._origins.get(ORIGIN.origin, ORIGIN.epoch)
        assert origin is not None
        return origin

    def next(self, tag: str = "tag", payload: bytes = b"\0\0{}", **fields: Any) -> Gossip:
        """The next broadcast of the origin."""
        self.number += 1
        gossip = make_gossip(self.number, number=self.number, **fields)
        broadcast = ORIGIN._replace(seqno=self.number)
        return gossip._replace(id=broadcast, tag=tag, payload=payload)

    def says(self, *records: Record) -> bytes:
        """The bytes of a frame with these, or with the next broadcast."""
        return self.near.seal(list(records) or [self.next()])

    def hears(self, data: bytes, now: float = 0.0) -> Deliver | None:
        """As a shell does it; what was taken as a lone message."""
        taken = self.node.lone_sessions.take(self.far, data, now)
        if taken is None:
            self.receives(data, now)
        return taken

    def receives(self, data: bytes, now: float = 0.0) -> None:
        assert self.node.session_received(self.far, data, False, now)

    def delivered(self) -> list[int]:
        """The numbers that were delivered the long way."""
        return [one.gossip.number for one in self.server.effects(Deliver)]

    def refuses(self, now: float = 0.0, **fields: Any) -> bool:
        """Whether the next one goes the long way, and arrives."""
        taken = self.hears(self.says(self.next(**fields)), now)
        return taken is None and self.delivered() == [self.number]


def acquainted(ordered: str | None = None) -> Relay:
    """One that has passed on a first message."""
    relay = Relay(ordered)
    assert relay.refuses()
    return relay


def test_the_first_is_received_as_anything_and_those_like_it_at_once() -> None:
    relay = acquainted()
    for number in (2, 3):
        payload = b"\0\0[%d]" % number * 40
        taken = relay.hears(relay.says(relay.next(payload=payload)), now=number)
        assert taken is not None
        assert taken.gossip == make_gossip(number, number=number)._replace(
            id=ORIGIN._replace(seqno=number), payload=payload
        )
        assert (taken.sender, taken.via, taken.held) == (netid(1), "tcp", False)
    assert relay.delivered() == []


def test_it_is_answered_in_time_with_the_others() -> None:
    relay = acquainted()
    relay.node.tick(LEAF_ACK_DELAY_S)
    answers(relay, LEAF_ACK_DELAY_S)
    relay.node.next_wakeup()
    for now in (1.0, 1.05):
        assert relay.hears(relay.says(), now) is not None
    due = 1.0 + LEAF_ACK_DELAY_S
    assert relay.node.due <= due
    assert answers(relay, due - 0.01) == []

    relay.node.tick(due)

    assert SessionReady(relay.far) in relay.server.effects(SessionReady)
    assert answers(relay, due) == [Ack(3, ((2, 3),))]


def answers(relay: Relay, now: float) -> list[Ack]:
    found: list[Record] = []
    while data := relay.node.session_bytes(relay.far, now):
        found += [one for body in relay.near.receive(data) for one in body.records]
    return [one for one in found if isinstance(one, Ack)]


def test_another_tag_is_a_first_one_again() -> None:
    relay = acquainted()
    assert relay.refuses(tag="other")
    assert relay.hears(relay.says(relay.next("other"))) is not None
    assert relay.refuses()


def test_one_that_is_missing_has_the_next_received_as_anything() -> None:
    relay = acquainted()
    relay.next()
    assert relay.refuses()


def test_a_second_copy_is_dispatched_no_more() -> None:
    relay = acquainted()
    gossip = relay.next()
    assert relay.hears(relay.says(gossip)) is not None
    assert relay.hears(relay.says(gossip)) is None
    assert relay.delivered() == []
    assert relay.node.counts["duplicates"] == 1


@pytest.mark.parametrize("where", [4, 20, 26, 40, -1])
def test_an_altered_one_ends_the_connection(where: int) -> None:
    relay = acquainted()
    data = bytearray(relay.says())
    data[where] ^= 1
    assert relay.node.lone_sessions.take(relay.far, bytes(data), 0.0) is None
    assert not relay.node.session_received(relay.far, bytes(data), False, 0.0)
    assert relay.delivered() == []


def test_a_frame_comes_once_and_in_its_place() -> None:
    relay = acquainted()
    first, second = relay.says(), relay.says()
    assert relay.node.lone_sessions.take(relay.far, second, 0.0) is None
    assert relay.hears(first) is not None
    assert relay.node.lone_sessions.take(relay.far, first, 0.0) is None
    assert relay.hears(second) is not None


def test_what_is_more_or_less_than_a_frame_goes_the_long_way() -> None:
    relay = acquainted()
    assert relay.hears(relay.says() + relay.says()) is None
    assert relay.delivered() == [2, 3]
    data = relay.says()
    assert relay.hears(data[:50]) is None
    assert relay.hears(data[50:]) is None
    assert relay.delivered() == [4]
    half, rest = (both := relay.says() + relay.says())[:-9], both[-9:]
    assert relay.hears(half) is None
    assert relay.hears(rest) is None
    assert relay.delivered() == [5, 6]
    assert relay.hears(relay.says()) is not None


def test_what_was_looked_into_is_not_opened_again() -> None:
    relay = acquainted()
    opened: list[bytes] = []
    real = relay.far._opener

    class Opener:
        def open(self, frame: bytes) -> bytes:
            opened.append(frame)
            assert real is not None
            return real.open(frame)

    relay.far._opener = Opener()  # type: ignore[assignment]
    assert relay.refuses(tag="other")
    assert len(opened) == 1
    assert relay.hears(relay.says(relay.next("other"))) is not None
    assert len(opened) == 2


ENTRIES: list[Callable[[Relay], object]] = [
    lambda relay: relay.node.receive_datagram(b"", None, False, 1.0),
    lambda relay: relay.node.session_bytes(relay.far, 1.0),
    lambda relay: relay.node.session_received(relay.far, relay.says(), False, 1.0),
    lambda relay: relay.node.session_closed(relay.far, 1.0),
    lambda relay: relay.node.tick(1.0),
    lambda relay: relay.node.settle(1.0),
    lambda relay: relay.node.broadcast("tag", "json", b"\0\0{}", None, 1.0),
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_before_the_node_does_anything_else_it_settles(entry: Callable[[Relay], object]) -> None:
    relay = acquainted()
    before = relay.node._context.appetite.bytes
    assert relay.hears(relay.says(), now=0.5) is not None
    assert relay.peer.heard_at == 0.0
    entry(relay)
    assert relay.peer.heard_at >= 0.5
    assert relay.far.used_at >= 0.5
    assert ORIGIN._replace(seqno=2) in relay.node._store
    assert relay.node._context.tags.values["tag"] >= 2
    assert relay.node._context.appetite.messages >= 2
    assert relay.node._context.appetite.bytes > before


def test_what_it_owes_us_is_a_sign_of_life_too() -> None:
    relay = acquainted()
    relay.node.broadcast("tag", "json", b"\0\0{}", [netid(1)], 0.0)
    while relay.node.session_bytes(relay.far, 0.0):
        pass
    link = relay.node._links._links[netid(1)]
    assert relay.hears(relay.says(), now=0.1) is not None
    relay.node.settle(0.2)
    assert link.silent_since == 0.1


def test_after_a_handful_it_wants_to_settle() -> None:
    relay = acquainted()
    handfuls = []
    for _ in range(20):
        taken = 0
        while True:
            assert relay.hears(relay.says()) is not None
            taken += 1
            if relay.node.lone_sessions.enough:
                break
        handfuls.append(taken)
        relay.node.settle(0.0)
        while relay.node.session_bytes(relay.far, 0.0):
            pass  # credit
    assert not relay.node.lone_sessions.enough
    assert max(handfuls) <= MOST_NOTED
    assert len({one for one in handfuls if one >= FEW_NOTED}) > 5  # the others: credit was due
    assert relay.node.counts["gossip_received"] == sum(handfuls) + 1


def test_credit_that_is_owed_is_granted_at_once() -> None:
    relay = acquainted()
    large = b"\0\0" + bytes(8000)
    count = 0
    while not relay.node.lone_sessions.enough:
        assert relay.hears(relay.says(relay.next(payload=large))) is not None
        count += 1
    assert count < FEW_NOTED
    relay.server.node.take_effects()
    relay.node.settle(0.0)
    assert SessionReady(relay.far) in relay.server.effects(SessionReady)
    assert relay.node.session_bytes(relay.far, 0.0)


def test_after_a_long_silence_it_is_news_that_this_peer_is_heard() -> None:
    relay = acquainted()
    assert relay.hears(relay.says(), now=9.9) is not None
    assert relay.refuses(now=20.0)
    for now in (20.1, 29.0, 38.0):
        assert relay.hears(relay.says(), now) is not None


def test_a_new_handler_has_the_next_message_go_the_long_way() -> None:
    relay = acquainted()
    relay.server.handlers.add(codec_handler("tag", "json", lambda body: None, ordered=True))
    assert relay.refuses()
    assert relay.hears(relay.says()) is not None


def test_an_ordered_handler_keeps_its_order() -> None:
    """What comes below one that was dispatched is a gap, also if that one was a lone message."""
    relay = acquainted("tag")
    assert relay.hears(relay.says()) is not None
    missed = relay.next()
    assert relay.hears(relay.says()) is None  # the fourth waits for the third
    assert relay.delivered() == []
    assert relay.hears(relay.says(missed)) is None
    assert relay.delivered() == [3, 4]
    assert relay.hears(relay.says()) is not None
    assert relay.origin.order is not None
    assert relay.origin.order._released == 5


def test_while_some_wait_for_their_turn_so_do_all_of_that_origin() -> None:
    relay = acquainted()
    waits = Deliver(make_gossip(9, after=9), netid(2), "tcp", False)
    relay.origin.ordered().hold(9, 9, waits)
    assert relay.refuses()


def test_while_somebody_watches_each_is_traced() -> None:
    relay = acquainted()
    relay.node.watch(0.0)
    relay.node.take_effects()
    assert relay.refuses()


def test_a_peer_that_changed_is_looked_at_anew() -> None:
    relay = acquainted()
    relay.node._context.peers.version += 1
    assert relay.refuses()
    assert relay.hears(relay.says()) is not None


@pytest.mark.parametrize("what", ["state", "life", "doubt"])
def test_a_peer_of_whom_it_is_news_that_it_lives_is_heard_the_long_way(what: str) -> None:
    """Also where nothing raised the version of all peers."""
    relay = acquainted()
    peer = relay.peer
    if what == "state":
        peer.state = SUSPECT
    elif what == "life":
        peer.life = life(1, 1_600_000_000_000)
    else:
        peer.doubtful_until = 30.0
    assert relay.refuses()
    assert relay.peer.life == relay.far.life
    assert relay.peer.doubtful_until < 0.0


def test_an_origin_that_was_forgotten_is_not_remembered_here() -> None:
    relay = acquainted()
    while relay.node._origins.get(ORIGIN.origin, ORIGIN.epoch) is not None:
        relay.node._origins._make_room()
    assert relay.refuses()
    assert relay.far.lane is not None
    assert relay.far.lane.life is relay.origin


def test_a_life_that_was_replaced_is_not_believed() -> None:
    relay = acquainted()
    relay.node._contacts._lives[netid(1)] = life(1, 1_700_000_000_009)
    data = relay.says()
    assert relay.node.lone_sessions.take(relay.far, data, 0.0) is None
    assert not relay.node.session_received(relay.far, data, False, 0.0)
    assert relay.node.counts["dropped_superseded_life"] == 1


def test_a_connection_that_was_closed_takes_nothing() -> None:
    relay = acquainted()
    relay.far.close()
    assert relay.node.lone_sessions.take(relay.far, relay.says(), 0.0) is None


@pytest.mark.parametrize("rare", [{"confirm_ms": 500}, {"distribution": (netid(8), netid(2))}])
def test_what_needs_more_goes_the_long_way(rare: dict[str, Any]) -> None:
    relay = acquainted()
    assert relay.refuses(**rare)
    taken = relay.hears(relay.says())  # the former pattern still holds
    assert taken is not None
    assert (taken.gossip.confirm_ms, taken.gossip.distribution) == (0, ())


@pytest.mark.parametrize("rare", [{"confirm_ms": 500}, {"distribution": (netid(8), netid(2))}])
def test_what_follows_one_that_needs_more_is_a_first_one(rare: dict[str, Any]) -> None:
    relay = Relay()
    assert relay.refuses(**rare)
    assert relay.refuses()
    assert relay.hears(relay.says()) is not None


def test_one_who_relays_for_several_is_remembered_with_the_last_of_them() -> None:
    relay = acquainted()

    def other(number: int) -> bool:
        gossip = make_gossip(number, number=number)._replace(id=BroadcastID(netid(6), 3, number))
        return relay.hears(relay.says(gossip)) is not None

    assert not other(1)
    assert other(2)
    assert relay.hears(relay.says()) is None
    assert relay.hears(relay.says()) is not None


def test_a_copy_of_what_came_by_another_way_is_no_pattern() -> None:
    relay = Relay()
    gossip = relay.next()
    relay.receives(relay.says(gossip), 1.0)
    relay.node._context.peers.version += 1
    relay.receives(relay.says(gossip), 2.0)
    relay.node.take_effects()
    assert relay.refuses(3.0)
    assert relay.hears(relay.says(), 4.0) is not None


@pytest.mark.parametrize("seed", range(12))
def test_a_node_that_takes_them_ends_as_one_that_does_not(seed: int) -> None:
    """The same frames, some missing, some twice: all that can be seen is equal."""
    chance = random.Random(seed)
    ordered = [None, "tag", "other"][seed % 3]
    quick, slow = Relay(ordered), Relay(ordered)
    got: list[list[tuple[NetID, int]]] = [[], []]
    gaps: list[list[Gap]] = [[], []]
    acks: list[list[Ack]] = [[], []]
    now, taken, behind = 0.0, 0, list[Gossip]()
    for _ in range(300):
        now += chance.choice([0.001, 0.02, 0.3])
        kind = chance.random()
        tag = "other" if chance.random() < 0.1 else "tag"
        payload = b"\0\0" + chance.randbytes(chance.choice([3, 200, 900]))
        gossip = quick.next(tag, payload)
        record: Record = gossip
        if kind < 0.02:
            behind.append(gossip)
            continue
        if kind < 0.4 and behind:
            record = behind.pop()
            quick.number -= 1
        elif kind > 0.95:
            record = Probe(())
            quick.number -= 1
        for _ in range(2 if kind > 0.93 else 1):
            lone = quick.hears(quick.says(record), now)
            slow.receives(slow.says(record), now)
            if lone is not None:
                taken += 1
                got[0].append((lone.gossip.id.origin, lone.gossip.number))
                if quick.node.lone_sessions.enough:
                    quick.node.settle(now)
            for index, relay in enumerate((quick, slow)):
                effects = relay.node.take_effects()
                got[index] += [
                    (one.gossip.id.origin, one.gossip.number)
                    for one in effects
                    if isinstance(one, Deliver)
                ]
                gaps[index] += [one for one in effects if isinstance(one, Gap)]
        if chance.random() < 0.1:
            for index, relay in enumerate((quick, slow)):
                relay.node.tick(now)
                acks[index] += answers(relay, now)
    assert taken > 50
    assert got[0] == got[1]
    assert gaps[0] == gaps[1]
    assert acks[0] == acks[1]
    # Grants follow what was asked for between two of them, which settling puts together.
    ignored = {"frames_sent", "bytes_sent", "beacons_sent"}
    for relay in (quick, slow):
        relay.node.tick(now)
    counts = [
        {name: count for name, count in relay.node.counts.items() if name not in ignored and count}
        for relay in (quick, slow)
    ]
    assert counts[0] == counts[1]
    assert quick.peer.heard_at == slow.peer.heard_at
    assert quick.far.used_at == slow.far.used_at
    assert quick.far.exchange.received == slow.far.exchange.received
    assert quick.far.exchange._taken_in == slow.far.exchange._taken_in
    assert quick.origin.numbers.missing(99) == slow.origin.numbers.missing(99)
    assert quick.origin.window.floor == slow.origin.window.floor
    assert quick.node._store.bytes == slow.node._store.bytes
    assert quick.node._context.tags.values == slow.node._context.tags.values
    assert quick.node._context.appetite.bytes == slow.node._context.appetite.bytes
