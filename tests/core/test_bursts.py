"""What a node does with a burst: what it would do with its broadcasts one by one."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from chatter.core.duplicates import Verdict
from chatter.core.effects import Deliver
from chatter.core.exchange import ACK_DELAY_S
from chatter.core.handlers import codec_handler
from chatter.core.origins import Origins
from chatter.core.store import ENTRY_BYTES, Store
from chatter.ids import BroadcastID, epoch_of
from chatter.wire.burst import Broadcasts, Burst, encode_bodies
from chatter.wire.gossip import Gossip
from chatter.wire.records import Ack, WantNumbers
from tests.core.desk import Desk
from tests.core.parts import Remote, life, make_gossip, netid
from tests.core.test_receiver import Pair


def make_burst(first: int, last: int, **fields: object) -> Burst:
    """Broadcasts of node 2, with seqnos that are their numbers."""
    payload, one_size = encode_bodies([b"%d" % number for number in range(first, last + 1)])
    broadcast = BroadcastID(netid(2), 7, first)
    burst = Burst(broadcast, "tag", "bytes", payload, first, last - first + 1, one_size)
    return burst._replace(**fields)  # type: ignore[arg-type]


def one(number: int) -> Gossip:
    """One of them alone."""
    return make_gossip(number, b"\0\0%d" % number, number=number, codec="bytes")


def seqnos(delivers: list[Deliver]) -> list[int]:
    return [gossip.id.seqno for one in delivers for gossip in one.gossip.gossips()]


def hearing() -> tuple[Desk, Remote]:
    desk, remote = Desk(), Remote(2)
    desk.meet(remote)
    return desk, remote


def test_it_is_delivered_as_it_came() -> None:
    desk, remote = hearing()
    desk.hears(remote.multicast(make_burst(1, 5)))

    assert desk.effects(Deliver) == [Deliver(make_burst(1, 5), netid(2), "multicast", False)]
    assert desk.node.counts["gossip_received"] == 5
    assert desk.node._context.tags.values == {"tag": 5}
    assert len(desk.node._store) == 1


def test_of_what_was_here_nothing_is_delivered_again() -> None:
    desk, remote = hearing()
    desk.hears(remote.multicast(make_burst(1, 2), one(4), one(5), one(9)))
    desk.effects(Deliver)
    desk.hears(remote.multicast(make_burst(2, 10), make_burst(2, 10), make_burst(1, 10)))

    assert seqnos(desk.effects(Deliver)) == [3, 6, 7, 8, 10]
    assert desk.node.counts["duplicates"] == 4 + 9 + 10


@pytest.mark.parametrize("seed", range(20))
def test_any_mixture_is_taken_as_one_by_one(seed: int) -> None:
    rng = random.Random(seed)
    (bursts, one_remote), (singles, other_remote) = hearing(), hearing()
    got: list[list[int]] = [[], []]
    for _ in range(60):
        first = rng.randrange(1, 80)
        burst = make_burst(first, first + rng.randrange(1, 12))
        bursts.hears(one_remote.multicast(burst))
        singles.hears(other_remote.multicast(*burst.gossips()))
        for desk, seen in zip((bursts, singles), got, strict=True):
            seen += seqnos(desk.effects(Deliver))
    assert got[0] == got[1]
    assert len(got[0]) > 20
    names = ("gossip_received", "duplicates", "too_late")
    counts = [[desk.node.counts[name] for name in names] for desk in (bursts, singles)]
    assert counts[0] == counts[1]
    lives = [desk.node._origins.get(netid(2), 7) for desk in (bursts, singles)]
    assert lives[0] is not None
    assert lives[1] is not None
    assert lives[0].numbers.top == lives[1].numbers.top
    assert lives[0].numbers.missing(99) == lives[1].numbers.missing(99)


def test_it_is_passed_on_whole_and_answered_once() -> None:
    pair = Pair()
    burst = make_burst(1, 6, distribution=(netid(8), netid(9)), hop=2)
    pair.give(foreign(burst))
    duties = list(pair.server.node._duties._duties)
    handovers = [handover for duty in duties for handover in duty.heads]

    assert [(one.gossip.many, one.gossip.hop) for one in handovers] == [(6, 3), (6, 3)]
    assert {one.gossip.payload for one in handovers} == {burst.payload}
    assert pair.answers(ACK_DELAY_S) == [Ack(1, ())]
    for handover in handovers:
        pair.server.node._duties.done(handover, 0.1)
    assert pair.answers(0.2) == [Ack(1, ((1, 1),))]


def test_by_a_connection_and_ahead_of_all_it_tells_that_more_is_on_its_way() -> None:
    pair = Pair()
    pair.give(foreign(make_burst(1, 6)))
    node = pair.server.node
    (life,) = [one for one in node._origins if one.origin == foreign(make_burst(1, 6)).id.origin]
    since = life.flows_until
    assert since > 0.0

    life.flows_until = 0.0
    pair.give(foreign(make_burst(1, 6)))  # a repair of what is here tells nothing
    assert life.flows_until == 0.0


def test_our_own_that_comes_back_is_done() -> None:
    pair = Pair()
    node = pair.server.node
    node.gather("tag", "bytes", b"1", 0.0, 9999)
    own, _ = node.gather("tag", "bytes", b"2", 0.0, 9999)
    pair.give(make_burst(1, 2)._replace(id=own._replace(seqno=1)))

    assert pair.delivered() == []
    assert node.counts["gossip_own"] == 2
    assert Ack(1, ((1, 1),)) in pair.answers(ACK_DELAY_S)


def test_where_a_handler_transforms_each_goes_its_own_way() -> None:
    pair = Pair(transforms=True)
    burst = make_burst(1, 3, distribution=(netid(8),))
    pair.give(foreign(burst)._replace(codec="json"))

    delivered = pair.delivered()
    assert [(one.gossip.many, one.held) for one in delivered] == [(1, True)] * 3
    node = pair.server.node
    for deliver in delivered:
        node.transformed(deliver.gossip.id, b"\0\x00new", 0.0)
    handed = [handover.gossip for duty in node._duties._duties for handover in duty.heads]
    assert [(one.id.seqno, one.payload, one.distribution) for one in handed] == [
        (seqno, b"\0\x00new", ()) for seqno in (1, 2, 3)
    ]


def test_however_many_there_are_each_waits_for_its_handler() -> None:
    """A second's worth of tiny ones: none goes on as it came for want of room."""
    pair = Pair(transforms=True)
    for first in range(1, 5001, 1000):
        burst = make_burst(first, first + 999, distribution=(netid(8),))
        pair.give(foreign(burst)._replace(codec="json"))
    pair.server.node.tick(0.5)

    delivered = pair.delivered()
    assert [one.held for one in delivered] == [True] * 5000
    node = pair.server.node
    assert not any(duty.heads for duty in node._duties._duties)
    for deliver in delivered:
        node.transformed(deliver.gossip.id, b"\0\x00new", 0.6)
    handed = [handover.gossip for duty in node._duties._duties for handover in duty.heads]
    assert [one.payload for one in handed] == [b"\0\x00new"] * 5000


def test_where_no_more_can_wait_the_senders_do_and_what_still_comes_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatter.core.transforms.MAX_HELD", 10)
    pair = Pair(transforms=True)
    node = pair.server.node
    pair.give(foreign(make_burst(1, 5, distribution=(netid(8),)))._replace(codec="json"))
    assert node._accepting()
    pair.give(foreign(make_burst(6, 12, distribution=(netid(8),)))._replace(codec="json"))
    assert not node._accepting()
    delivered = pair.delivered()
    assert [one.held for one in delivered] == [True] * 10 + [False] * 2
    assert node.counts["transforms_left_out"] == 2
    for deliver in delivered[:5]:
        node.transformed(deliver.gossip.id, None, 0.0)
    assert node._accepting()


def test_a_handler_that_keeps_the_order_gets_it_whole_or_piece_by_piece() -> None:
    desk, remote = hearing()
    desk.handlers.add(codec_handler("tag", "bytes", lambda body, message: None, ordered=True))
    desk.hears(remote.multicast(make_burst(1, 4)))
    assert [one.gossip.many for one in desk.effects(Deliver)] == [4]

    desk.hears(remote.multicast(make_burst(9, 12)))  # a hole before it
    assert desk.effects(Deliver) == []
    desk.hears(remote.multicast(make_burst(4, 9)))
    assert seqnos(desk.effects(Deliver)) == [5, 6, 7, 8, 9, 10, 11, 12]


# The parts it rests on


def test_a_life_takes_at_once_only_what_comes_next_in_every_respect() -> None:
    life = Origins().open(netid(2), 7)
    assert not life.takes_next(1, 1, 3, netid(3), 1.0)  # nothing is known of its numbers yet
    life.numbers.tell_since(0)
    assert life.takes_next(1, 1, 3, netid(3), 1.0)
    assert (life.window.floor, life.window.top, life.numbers.top) == (3, 3, 3)
    assert (life.source, life.named_at) == (netid(3), 1.0)
    assert [life.window.look(seqno) for seqno in (1, 3, 4)] == [
        Verdict.DUPLICATE,
        Verdict.DUPLICATE,
        Verdict.NEW,
    ]
    before = (life.window.floor, life.numbers.top, life.source)
    assert not life.takes_next(3, 3, 2, netid(4), 2.0)  # some of it is here
    assert not life.takes_next(5, 4, 2, netid(4), 2.0)  # a seqno before it is missing
    assert not life.takes_next(4, 5, 2, netid(4), 2.0)  # a number before it is
    assert (life.window.floor, life.numbers.top, life.source) == before
    life.window.take(6)
    assert not life.takes_next(4, 4, 2, netid(4), 2.0)  # something above it is here


def test_a_life_that_misses_numbers_has_each_looked_at() -> None:
    life = Origins().open(netid(2), 7)
    life.numbers.tell_since(0)
    life.numbers.name(2)
    assert not life.takes_next(1, 3, 1, netid(3), 1.0)
    assert life.numbers.missing(9) == [(1, 2)]


def spread(found: list[Broadcasts]) -> list[int]:
    return [gossip.number for broadcasts in found for gossip in broadcasts.gossips()]


def test_a_store_gives_any_stretch_of_what_it_keeps() -> None:
    store = Store()
    store.add_burst(make_burst(1, 10), 0.0)
    store.add_burst(make_burst(21, 30), 0.0)
    store.add(one(11), 0.0)
    store.add(one(15), 0.0)
    store.add_burst(make_burst(16, 18), 0.0)  # it was late

    assert spread(store.held(netid(2), 7, [(1, 99)], 99)) == [*range(1, 12), 15, 16, 17, 18,
                                                              *range(21, 31)]  # fmt: skip
    assert spread(store.held(netid(2), 7, [(4, 5), (9, 15), (17, 22)], 99)) == [
        4, 5, 9, 10, 11, 15, 17, 18, 21, 22,
    ]  # fmt: skip
    assert spread(store.held(netid(2), 7, [(9, 99)], 5)) == [9, 10, 11, 15, 16]
    assert spread(store.held(netid(2), 7, [(19, 20)], 5)) == []
    assert store.get(BroadcastID(netid(2), 7, 23)) == one(23)
    assert store.get(BroadcastID(netid(2), 7, 19)) is None
    assert store.get(BroadcastID(netid(2), 7, 31)) is None


@pytest.mark.parametrize("seed", range(10))
def test_a_store_of_bursts_and_single_ones_keeps_its_bounds(seed: int) -> None:
    rng = random.Random(seed)
    store = Store(max_bytes=20 * ENTRY_BYTES, max_age_s=1e9)
    edges = sorted(rng.sample(range(1, 3000), 400))
    stretches = [(first, last - 1) for first, last in pairwise(edges)]
    rng.shuffle(stretches)
    kept: list[tuple[int, int]] = []
    for now, (first, last) in enumerate(stretches):
        if last > first:
            store.add_burst(make_burst(first, last), float(now))
        else:
            store.add(one(first), float(now))
        kept.append((first, last))
        assert store.bytes <= 20 * ENTRY_BYTES
    kept = kept[-len(store) :]
    numbers = sorted(number for first, last in kept for number in range(first, last + 1))
    assert spread(store.held(netid(2), 7, [(1, 4000)], 10_000)) == numbers
    store.expire(1e10)
    assert (len(store), store.bytes, store._streams) == (0, 0, {})


def test_what_is_missing_of_a_burst_is_answered_by_a_part_of_it() -> None:
    pair = Pair()
    pair.give(foreign(make_burst(1, 50)))
    pair.answers(1.0)
    origin, epoch = netid(5), epoch_of(life(5))
    pair.give(WantNumbers(origin, epoch, ((20, 30), (41, 41))), now=1.0)

    answered = [one for one in pair.answers(1.0) if isinstance(one, (Burst, Gossip))]
    assert spread(list(answered)) == [*range(20, 31), 41]
    assert [one.many for one in answered] == [11, 1]


def foreign(burst: Burst) -> Burst:
    """The same from a node that is neither of a pair."""
    return burst._replace(id=burst.id._replace(origin=netid(5), epoch=epoch_of(life(5))))
