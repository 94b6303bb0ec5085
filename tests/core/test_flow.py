"""The story of credit: senders and receivers, one channel, and what each lets the other do."""

from __future__ import annotations

from itertools import pairwise

from chatter.core.context import Context
from chatter.core.effects import MulticastReady
from chatter.core.flow import (
    FIRST_LIMIT_BYTES,
    FIRST_QUESTION_S,
    FORGET_ACTIVE_S,
    GRANTS_IN_BEACON,
    LAST_QUESTION_S,
    LEAST_PATIENCE,
    MAX_ASKED,
    MOST_PATIENCE,
    QUICK_S,
    ReceivingFlow,
    SendingFlow,
)
from chatter.core.outbox import CHARGE_BYTES
from chatter.core.peers import Peer
from chatter.ids import NetID
from chatter.wire.records import Credit, Grant
from chatter.wire.seal import MAX_FRAME_BYTES
from tests.core.parts import make_context, make_peer, netid

NEVER = float("inf")
DATAGRAM = 1000


def sender(*numbers: int, **fields: object) -> tuple[Context, SendingFlow, list[Peer]]:
    """A channel of ours that these peers hear."""
    context = make_context(**fields)  # type: ignore[arg-type]
    peers = [make_peer(number, hears={0: 0.0}) for number in numbers]
    for peer in peers:
        context.peers.add(peer)
    return context, SendingFlow(context, 0), peers


def slow(context: Context) -> list[NetID]:
    """Who is left behind."""
    return [peer.netid for peer in context.peers if peer.slow]


def flood(flow: SendingFlow) -> int:
    """Send datagrams as long as there is credit; how many."""
    sent = 0
    while flow.credit() >= DATAGRAM:
        flow.advance(DATAGRAM)
        sent += 1
        assert sent < 10_000
    return sent


class Listener:
    """A receiver, and what it grants."""

    def __init__(self, *numbers: int, buffer: int = 400_000) -> None:
        self.context = make_context()
        self.context.buffer = buffer
        self.accepting = True
        self.told: list[tuple[Peer, Credit]] = []
        self.flow = ReceivingFlow(
            self.context,
            lambda: self.accepting,
            lambda peer, credit: self.told.append((peer, credit)),
        )
        self.peers = [make_peer(number) for number in numbers]
        for peer in self.peers:
            self.context.peers.add(peer)

    def grants(self) -> list[Grant]:
        """What was granted, taken out."""
        found = [grant for _, credit in self.told for grant in credit.entries]
        self.told.clear()
        return found


# What we may send


def test_with_nobody_listening_nothing_is_held_up() -> None:
    _, flow, _ = sender()

    for _ in range(5000):
        assert flow.credit() >= MAX_FRAME_BYTES
        flow.advance(DATAGRAM)


def test_a_tight_loop_goes_as_far_as_the_slowest_lets_it() -> None:
    _, flow, (quick, slow) = sender(2, 3)
    quick.limits[0], slow.limits[0] = 500_000, 100_000

    flood(flow)

    assert flow.position <= 100_000 < flow.position + DATAGRAM + CHARGE_BYTES
    assert flow.position % (DATAGRAM + CHARGE_BYTES) == 0  # a kernel charges for each datagram
    assert flow.granted(slow, 200_000) is False  # nobody waits yet
    flood(flow)
    assert 190_000 < flow.position <= 200_000


def test_a_first_burst_is_what_a_listener_takes_unasked() -> None:
    _, flow, _ = sender(2)
    flood(flow)

    assert FIRST_LIMIT_BYTES - 2 * DATAGRAM < flow.position <= FIRST_LIMIT_BYTES


def test_a_joiner_enters_the_window_where_it_is() -> None:
    context, flow, (old,) = sender(2)
    old.limits[0] = 10_000_000
    flow.advance(5_000_000)

    newcomer = make_peer(3, hears={0: 0.0})
    context.peers.add(newcomer)
    old.limits[0] = flow.position + 100_000
    before = flow.position
    flood(flow)

    assert newcomer.limits[0] == before + FIRST_LIMIT_BYTES
    assert flow.position <= newcomer.limits[0]


def test_who_does_not_hear_this_channel_or_is_gone_limits_nobody() -> None:
    context, flow, (here, gone) = sender(2, 3)
    context.peers.add(make_peer(4, hears={1: 0.0}, limits={0: 0}))
    here.limits[0], gone.limits[0] = 100_000, 0
    gone.state = "failed"

    assert flood(flow) > 50


def test_a_grant_wakes_who_waits_and_an_old_one_does_not() -> None:
    context, flow, (peer,) = sender(2)
    peer.limits[0] = 5000
    flood(flow)
    flow.blocked(1.0)

    assert flow.granted(peer, 5000) is False
    assert flow.granted(peer, 50_000) is True
    assert flood(flow) > 10
    assert context.counts["multicast_blocked"] == 1
    assert flow.next_wakeup() == NEVER


def test_who_holds_us_up_is_asked_and_ever_less_often() -> None:
    _, flow, (tight, other) = sender(2, 3, slow_after_s=100)
    tight.limits[0], other.limits[0] = 0, 1_000_000
    flow.blocked(0.0)
    assert flow.next_wakeup() == FIRST_QUESTION_S
    assert flow.tick(FIRST_QUESTION_S / 2) == ()
    moments = []
    while flow.next_wakeup() < 5.0:
        now = flow.next_wakeup()
        assert list(flow.tick(now)) == [tight]
        moments.append(now)

    pauses = [round(later - earlier, 6) for earlier, later in pairwise(moments)]
    assert pauses == sorted(pauses)
    assert max(pauses) == LAST_QUESTION_S
    assert len(moments) < 20


def test_who_leaves_too_little_is_asked_as_well_as_who_leaves_nothing() -> None:
    _, flow, (tight, other) = sender(2, 3)
    tight.limits[0], other.limits[0] = DATAGRAM, 1_000_000
    assert flow.credit() < DATAGRAM
    flow.blocked(0.0)

    assert list(flow.tick(FIRST_QUESTION_S)) == [tight]


def test_so_many_are_asked_in_one_go() -> None:
    _, flow, peers = sender(*range(2, 100))
    for peer in peers:
        peer.limits[0] = 0
    flow.blocked(0.0)

    assert len(flow.tick(FIRST_QUESTION_S)) == MAX_ASKED


def test_a_listener_that_takes_nothing_is_left_behind_and_is_back_when_it_has_caught_up() -> None:
    context, flow, (stopped, other) = sender(2, 3, slow_after_s=1)
    stopped.limits[0], other.limits[0] = 20_000, 10_000_000
    flood(flow)
    flow.blocked(5.0)
    while flow.next_wakeup() < 6.0:
        flow.tick(flow.next_wakeup())
        assert slow(context) == []
    context.effects.clear()

    flow.tick(flow.next_wakeup())

    assert slow(context) == [stopped.netid]
    assert context.effects == [MulticastReady(0)]
    assert context.counts["slow_peers"] == 1
    assert flood(flow) > 1000

    flow.granted(stopped, 30_000)  # it goes on, and is far behind
    assert slow(context) == [stopped.netid]
    flow.granted(stopped, flow.position + 50_000)
    assert slow(context) == []
    assert context.counts["slow_peers_back"] == 1


def test_each_datagram_that_goes_ends_the_wait_that_makes_one_slow() -> None:
    _, flow, (peer,) = sender(2, slow_after_s=1)
    for turn in range(50):
        peer.limits[0] = flow.position + DATAGRAM + CHARGE_BYTES
        flow.advance(DATAGRAM)
        flow.blocked(turn * 0.5)
        flow.tick(turn * 0.5 + 0.4)

    assert not peer.slow


# What we let others send


def test_a_good_part_that_is_used_is_granted_again() -> None:
    listener = Listener(2)
    (peer,) = listener.peers
    listener.flow.heard(peer, 0, 1000, 0.0)  # where it was when we came
    listener.flow.heard(peer, 0, 1000 + FIRST_LIMIT_BYTES // 4 - 1, 0.0)
    assert listener.grants() == []

    listener.flow.heard(peer, 0, 1000 + FIRST_LIMIT_BYTES // 4, 0.09)

    position = 1000 + FIRST_LIMIT_BYTES // 4
    assert listener.grants() == [Grant(netid(2), 0, position + 200_000)]
    listener.flow.heard(peer, 0, position + 49_999, 0.2)
    assert listener.grants() == []
    listener.flow.heard(peer, 0, position + 50_000, 0.2)
    assert len(listener.grants()) == 1


def test_a_slow_sender_is_granted_more_when_half_of_it_or_more_is_used() -> None:
    """Each time at another point: else all who hear it would answer the same message."""
    listener = Listener(2, buffer=200_000)
    (peer,) = listener.peers
    listener.flow.heard(peer, 0, 0, 0.0)
    listener.flow.asked(peer, 0, 0, 0.0)
    listener.grants()
    granted, parts = 0, []
    for step in range(1, 2001):
        given = peer.flow[0].limit - granted
        listener.flow.heard(peer, 0, step * 1000, step * 0.02)
        if listener.grants():
            parts.append((step * 1000 - granted) / given)
            granted = step * 1000

    assert len(parts) > 20
    assert min(parts) >= LEAST_PATIENCE
    assert max(parts) <= MOST_PATIENCE + 0.02  # messages come whole
    assert max(parts) - min(parts) > 0.15


def test_a_quarter_that_is_used_at_once_is_granted_again_however_slow_it_was_before() -> None:
    listener = Listener(2, buffer=200_000)
    (peer,) = listener.peers
    listener.flow.heard(peer, 0, 0, 0.0)
    listener.flow.asked(peer, 0, 0, 0.0)
    listener.grants()
    limit = peer.flow[0].limit

    listener.flow.heard(peer, 0, limit // 8, 100.0)
    assert listener.grants() == []
    listener.flow.heard(peer, 0, limit // 4 + 1, 100.0 + QUICK_S / 2)
    assert len(listener.grants()) == 1


def test_half_of_the_buffer_is_shared_by_those_who_send() -> None:
    listener = Listener(2, 3, 4, buffer=1_200_000)
    for peer in listener.peers:
        listener.flow.heard(peer, 0, 0, 0.0)
    for at, peer in enumerate(listener.peers):
        listener.flow.heard(peer, 0, 50_000, at / 10)

    assert [grant.limit - 50_000 for grant in listener.grants()] == [600_000, 300_000, 200_000]
    listener.flow.heard(listener.peers[0], 0, 700_000, 5.0)  # alone by now
    assert listener.grants() == [Grant(netid(2), 0, 700_000 + 600_000)]


def test_a_limit_is_never_taken_back() -> None:
    listener = Listener(2, 3, buffer=1_200_000)
    first, second = listener.peers
    for peer in (first, second):
        listener.flow.heard(peer, 0, 0, 0.0)
    listener.flow.heard(first, 0, 20_000, 0.0)
    (before,) = listener.grants()
    listener.flow.heard(second, 0, 20_000, 0.0)
    listener.grants()

    listener.flow.asked(first, 0, 20_001, 0.0)

    assert listener.grants() == [before]


def test_the_largest_datagram_may_always_go() -> None:
    listener = Listener(*range(2, 50), buffer=200_000)
    for peer in listener.peers:
        listener.flow.heard(peer, 0, 0, 0.0)
        listener.flow.heard(peer, 0, 30_000, 0.0)

    least = min(grant.limit for grant in listener.grants())
    assert least == 30_000 + MAX_FRAME_BYTES + CHARGE_BYTES


def test_who_cannot_take_in_more_grants_nothing_until_it_can() -> None:
    listener = Listener(2)
    (peer,) = listener.peers
    listener.accepting = False
    listener.flow.heard(peer, 0, 0, 0.0)
    listener.flow.heard(peer, 0, 50_000, 0.0)
    listener.flow.asked(peer, 0, 50_000, 0.1)
    listener.flow.pay(0.2)
    assert listener.grants() == []
    assert listener.flow.for_beacon(0.2) is None

    listener.accepting = True
    listener.flow.pay(0.3)

    assert [grant.limit for grant in listener.grants()] == [250_000]
    listener.flow.pay(0.4)
    assert listener.grants() == []


def test_a_lost_tail_is_made_good_by_asking() -> None:
    """The last datagrams before the sender was blocked never came: nothing would grant more."""
    listener = Listener(2)
    (peer,) = listener.peers
    context, flow, (us,) = sender(7)
    us.limits[0] = FIRST_LIMIT_BYTES
    listener.flow.heard(peer, 0, 0, 0.0)
    flood(flow)  # all of it lost
    flow.blocked(0.0)
    assert list(flow.tick(FIRST_QUESTION_S)) == [us]

    listener.flow.asked(peer, 0, flow.position, 0.01)

    ((_, credit),) = listener.told
    assert flow.granted(us, credit.entries[0].limit)
    assert flood(flow) > 30
    assert context.counts["slow_peers"] == 0


def test_what_was_lost_on_the_way_costs_no_credit_for_ever() -> None:
    """Nine of ten datagrams are lost, and the sender goes on: positions cover what is missing."""
    listener = Listener(2)
    (peer,) = listener.peers
    _, flow, (us,) = sender(7)
    listener.flow.heard(peer, 0, 0, 0.0)
    for turn in range(2000):
        assert flow.credit() >= DATAGRAM
        flow.advance(DATAGRAM)
        if turn % 10 == 0:
            listener.flow.heard(peer, 0, flow.position, 0.0)
        for grant in listener.grants():
            flow.granted(us, grant.limit)


def test_a_beacon_grants_what_little_was_used_and_says_nothing_else() -> None:
    listener = Listener(2, 3)
    assert listener.flow.for_beacon(0.0) is None
    for peer in listener.peers:
        listener.flow.heard(peer, 0, 1000, 0.0)
    assert listener.flow.for_beacon(0.0) is None
    listener.flow.heard(listener.peers[0], 0, 2000, 0.0)

    told = listener.flow.for_beacon(1.0)

    assert told is not None
    assert [(grant.sender, grant.channel) for grant in told.entries] == [(netid(2), 0)]
    assert told.entries[0].limit >= 2000 + 199_000
    assert listener.flow.for_beacon(1.0) is None


def test_a_beacon_has_room_for_some_and_the_next_one_for_the_others() -> None:
    listener = Listener(*range(2, 2 + GRANTS_IN_BEACON + 3))
    for peer in listener.peers:
        listener.flow.heard(peer, 0, 0, 0.0)
        listener.flow.heard(peer, 0, 100, 0.0)

    told = [listener.flow.for_beacon(0.0) for _ in range(3)]

    assert [one and len(one.entries) for one in told] == [GRANTS_IN_BEACON, 3, None]


def test_senders_that_are_gone_or_quiet_for_long_are_forgotten() -> None:
    listener = Listener(2, 3)
    for peer in listener.peers:
        listener.flow.heard(peer, 0, 0, 0.0)
        listener.flow.heard(peer, 0, 100, 0.0)
    listener.context.peers.forget(netid(2))

    assert listener.flow.for_beacon(FORGET_ACTIVE_S + 1) is None
    assert listener.flow._active == {}
