from __future__ import annotations

from typing import cast

import pytest

from chatter.core import links as links_module
from chatter.core.context import Context
from chatter.core.effects import Connect, Disconnect, SessionReady
from chatter.core.exchange import ACK_DELAY_S, LEAF_ACK_DELAY_S, LEAST_WINDOW_BYTES, WINDOW_BYTES
from chatter.core.handover import Handover
from chatter.core.links import (
    CONNECTING_PATIENCE_S,
    IDLE_AFTER_S,
    LEAST_PATIENCE_S,
    MAX_OUTBOX_BYTES,
    Links,
)
from chatter.core.session import Session, State
from chatter.wire.burst import Broadcasts
from chatter.wire.frame import MAX_ROUTING_BYTES, encode_body
from chatter.wire.records import Ack, Leave, Record, Report, Served, SessionCredit
from tests.core.connections import FakeSession, bring_up, fetch
from tests.core.parts import hand_over, life, make_context, make_gossip, make_links, netid


def new_links() -> tuple[Context, Links]:
    context = make_context()
    return context, make_links(context)


def gossips(handovers: list[Handover]) -> list[Broadcasts]:
    return [one.gossip for one in handovers]


def give(links: Links, session: Session, number: int = 2, now: float = 0.0) -> Handover:
    """Hand over a gossip with a branch, and have it sent."""
    handover = Handover(netid(number), make_gossip(1, distribution=(netid(8),)), None, now)
    assert links.hand_over(handover, now)
    fetch(links, session, now)
    return handover


def test_the_first_record_asks_for_a_connection_and_the_next_ones_wait() -> None:
    context, links = new_links()
    for seqno in (1, 2):
        assert hand_over(links, make_gossip(seqno), netid(2))
    assert context.effects == [Connect(netid(2))]
    assert not links.warm(netid(2))

    session = bring_up(links, netid(2), expected=netid(2))

    assert links.warm(netid(2))
    assert SessionReady(session) in context.effects
    assert fetch(links, session) == [make_gossip(1), make_gossip(2)]
    assert not links.pending(1.0)


def test_a_connection_that_was_taken_serves_as_well() -> None:
    context, links = new_links()
    session = bring_up(links, netid(2))
    context.effects.clear()

    links.send(netid(2), Leave())

    assert context.effects == [SessionReady(session)]
    assert fetch(links, session) == [Leave()]


def test_what_could_not_be_sent_comes_back() -> None:
    _, links = new_links()
    hand_over(links, make_gossip(1), netid(2))

    assert gossips(links.failed(netid(2))) == [make_gossip(1)]
    assert links.failed(netid(2)) == []


def test_a_connection_that_worked_is_opened_once_more() -> None:
    context, links = new_links()
    session = bring_up(links, netid(2))
    hand_over(links, make_gossip(1), netid(2))
    context.effects.clear()

    assert links.down(session, 1.0) == ([], [])
    assert context.effects == [Connect(netid(2))]
    assert gossips(links.failed(netid(2))) == [make_gossip(1)]


def test_one_that_never_worked_is_not_tried_again_at_once() -> None:
    """Two nodes that share an address would connect and part in a tight loop."""
    context, links = new_links()
    hand_over(links, make_gossip(1), netid(2))
    session = cast(Session, FakeSession(netid(2), expected=netid(2)))
    links.opened(session, 0.0)
    session.state = State.PROVEN  # it proved itself, and yet we could not accept it
    context.effects.clear()

    sent, unsent = links.down(session, 1.0)
    assert (sent, gossips(unsent)) == ([], [make_gossip(1)])
    assert context.effects == []


def test_who_answers_under_another_name_gets_what_was_meant_for_the_first() -> None:
    _, links = new_links()
    hand_over(links, make_gossip(1), netid(9))

    session = bring_up(links, netid(2), expected=netid(9))

    assert fetch(links, session) == [make_gossip(1)]
    (handover,) = session.exchange.open.values()
    assert handover.head == netid(2)
    assert links.warm(netid(2))
    assert not links.warm(netid(9))


def test_a_refused_answer_under_another_name_frees_the_one_that_was_called() -> None:
    """Or nobody would ever call there again."""
    context, links = new_links()
    hand_over(links, make_gossip(1), netid(9))
    session = cast(Session, FakeSession(netid(2), expected=netid(9)))
    links.opened(session, 0.0)

    sent, unsent = links.down(session, 1.0)
    assert (sent, gossips(unsent)) == ([], [make_gossip(1)])
    context.effects.clear()
    links.connect(netid(9))
    assert context.effects == [Connect(netid(9))]


def test_the_other_one_of_two_connections_takes_over() -> None:
    _, links = new_links()
    first, second = bring_up(links, netid(2)), bring_up(links, netid(2), expected=netid(2))
    hand_over(links, make_gossip(1), netid(2))

    assert fetch(links, first) == []
    assert links.down(second, 1.0) == ([], [])
    assert fetch(links, first) == [make_gossip(1)]


def test_a_full_queue_refuses_and_changes_nothing() -> None:
    context, links = new_links()
    while hand_over(links, make_gossip(1, bytes(50_000)), netid(2)):
        pass
    effects = len(context.effects)

    assert not hand_over(links, make_gossip(1, bytes(50_000)), netid(2))
    assert len(context.effects) == effects
    assert hand_over(links, make_gossip(1), netid(3))


def test_so_many_links_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links_module, "MAX_LINKS", 2)
    _, links = new_links()

    assert [links.send(netid(number), Leave()) for number in (2, 3, 4)] == [True, True, False]


def test_idle_connections_are_closed_by_who_opened_them() -> None:
    context, links = new_links()
    ours, theirs = bring_up(links, netid(2), expected=netid(2)), bring_up(links, netid(3))
    context.effects.clear()

    links.close_idle(IDLE_AFTER_S)
    assert context.effects == []
    links.close_idle(IDLE_AFTER_S + 1)
    assert context.effects == [Disconnect(ours)]
    assert theirs in list(links.sessions())


def test_connections_of_a_life_end_with_it_and_others_stay() -> None:
    context, links = new_links()
    old, new, other = (bring_up(links, netid(number)) for number in (2, 2, 3))
    new.life = life(77)
    context.effects.clear()

    links.close_life(netid(2), life(2))
    assert context.effects == [Disconnect(old)]
    links.close(netid(2))
    assert set(context.effects) == {Disconnect(old), Disconnect(new)}
    assert other in list(links.sessions())


def test_room_is_that_of_the_fullest_queue_that_moves() -> None:
    _, links = new_links()
    assert links.room(0.0) == MAX_OUTBOX_BYTES // 2
    session = bring_up(links, netid(2), expected=netid(2))
    for seqno in range(20):
        hand_over(links, make_gossip(seqno, bytes(50_000)), netid(2))
    hand_over(links, make_gossip(1, bytes(10_000)), netid(3))
    full = links.room(0.0)
    assert full < MAX_OUTBOX_BYTES // 2 - 1_000_000

    fetch(links, session)
    assert links.room(1.0) > full


def test_a_stalled_peer_holds_up_no_sender() -> None:
    context, links = new_links()
    session = bring_up(links, netid(2), expected=netid(2))
    for seqno in range(80):
        hand_over(links, make_gossip(seqno, bytes(50_000)), netid(2))
    fetch(links, session, 0.0)  # as far as it grants; the rest waits
    for seqno in range(80, 100):
        hand_over(links, make_gossip(seqno, bytes(50_000)), netid(2))
    assert links.room(0.5) < 0
    assert links.crowded(0.5)
    assert links.pending(0.5)

    late = context.config.slow_after_s + 0.1
    assert links.room(late) == MAX_OUTBOX_BYTES // 2
    assert not links.crowded(late)
    assert not links.pending(late)


# Credit


def test_a_connection_goes_as_far_as_the_other_side_grants() -> None:
    context, links = new_links()
    session = bring_up(links, netid(2))
    for seqno in range(40):
        hand_over(links, make_gossip(seqno, bytes(50_000)), netid(2))
    links.send(netid(2), Leave())
    first = len(fetch(links, session))
    assert first * 50_000 > LEAST_WINDOW_BYTES * 7 // 10
    assert session.exchange.credit < 51_000
    context.effects.clear()

    links.granted(session, SessionCredit(LEAST_WINDOW_BYTES - 1))
    assert context.effects == []  # what it said before
    links.granted(session, SessionCredit(LEAST_WINDOW_BYTES + 110_000))

    assert context.effects == [SessionReady(session)]
    assert len(fetch(links, session)) == 2


def test_what_was_taken_in_is_granted_again_unless_we_are_full() -> None:
    context = make_context()
    full = True
    links = Links(context, lambda: not full)
    session = bring_up(links, netid(2))
    links.taken_in(session, LEAST_WINDOW_BYTES // 2 + 1)
    links.pay()
    assert SessionReady(session) not in context.effects[1:]
    assert fetch(links, session) == []

    full = False
    links.pay()

    assert context.effects[-1] == SessionReady(session)
    assert fetch(links, session) == [SessionCredit(LEAST_WINDOW_BYTES // 2 + 1 + WINDOW_BYTES)]
    assert fetch(links, session) == []


def test_what_lacks_no_credit_is_not_granted_any() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    links.taken_in(session, 1000)
    links.pay()

    assert fetch(links, session) == []


# What is done


def test_what_was_handed_over_on_a_connection_that_ended_comes_back() -> None:
    """It may have arrived or not; what was never sent is told apart."""
    context, links = new_links()
    session = bring_up(links, netid(2))
    sent = give(links, session)
    waiting = Handover(netid(2), make_gossip(2), None, 0.0)
    links.hand_over(waiting, 0.0)
    context.effects.clear()

    assert links.down(session, 1.0) == ([sent], [])
    assert context.effects == [Connect(netid(2))]
    assert links.failed(netid(2)) == [waiting]
    assert links.down(session, 1.0) == ([], [])


def test_what_is_done_does_not_come_back() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    first, second = give(links, session), give(links, session)

    assert links.acknowledged(session, Ack(2, ((1, 1),)), 0.5) == [first]

    assert links.down(session, 1.0) == ([second], [])


def test_a_head_that_says_nothing_is_noticed_and_its_branches_named() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    branch = give(links, session)
    hand_over(links, make_gossip(2), netid(2))  # for itself alone: nobody else suffers
    assert links.next_wakeup() == LEAST_PATIENCE_S

    assert links.silent(LEAST_PATIENCE_S - 0.01) == []
    assert links.silent(LEAST_PATIENCE_S) == [(netid(2), [branch])]
    assert links.silent(10.0) == []


def test_one_that_is_up_but_not_connected_yet_is_noticed_too() -> None:
    _, links = new_links()
    handover = Handover(netid(2), make_gossip(1, distribution=(netid(8),)), None, 0.0)
    links.hand_over(handover, 0.0)

    assert links.silent(LEAST_PATIENCE_S) == []  # there are round trips before it can answer
    assert links.silent(CONNECTING_PATIENCE_S) == [(netid(2), [handover])]


def test_once_it_is_connected_it_has_as_long_to_answer_as_any() -> None:
    _, links = new_links()
    gossip = make_gossip(1, distribution=(netid(8),))
    links.hand_over(Handover(netid(2), gossip, None, 0.0), 0.0)
    session = bring_up(links, netid(2))
    links.up(session, 0.4)
    while links.bytes_for(session, 0.4):
        pass  # it is sent

    assert links.silent(0.4 + LEAST_PATIENCE_S * 0.9) == []
    assert len(links.silent(0.41 + LEAST_PATIENCE_S)) == 1


def test_who_serves_nobody_else_may_answer_later() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    hand_over(links, make_gossip(1), netid(2))
    fetch(links, session, 0.0)

    assert links.next_wakeup() == LEAST_PATIENCE_S + LEAF_ACK_DELAY_S
    assert links.silent(LEAST_PATIENCE_S + LEAF_ACK_DELAY_S * 0.9) == []
    assert links.silent(LEAST_PATIENCE_S + LEAF_ACK_DELAY_S) == [(netid(2), [])]


def test_a_branch_is_waited_for_from_when_it_was_handed_over() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    hand_over(links, make_gossip(1), netid(2))
    branch = give(links, session, now=0.14)
    links.tick(0.14)

    assert links.next_wakeup() == 0.14 + LEAST_PATIENCE_S
    assert links.silent(0.13 + LEAST_PATIENCE_S) == []
    assert links.silent(0.14 + LEAST_PATIENCE_S) == [(netid(2), [branch])]


def test_a_second_branch_does_not_make_the_first_be_waited_for_longer() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    branches = [give(links, session), give(links, session, now=0.1)]

    assert links.silent(LEAST_PATIENCE_S) == [(netid(2), branches)]


def test_late_answers_for_one_alone_make_nobody_patient_with_branches() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    for turn in range(1, 30):
        hand_over(links, make_gossip(turn), netid(2), now=float(turn))
        while links.bytes_for(session, float(turn)):
            pass
        links.acknowledged(session, Ack(turn, ((turn, turn),)), turn + 0.1)

    assert links.answer_s(netid(2)) == pytest.approx(0.0)


def test_once_its_branch_is_done_it_may_answer_later_again() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    give(links, session)
    hand_over(links, make_gossip(2), netid(2))
    fetch(links, session, 0.0)
    links.acknowledged(session, Ack(1, ((1, 1),)), 0.001)
    links.heard(session, 0.001)

    assert links.silent(0.001 + LEAST_PATIENCE_S) == []
    assert links.silent(0.001 + LEAST_PATIENCE_S + LEAF_ACK_DELAY_S) == [(netid(2), [])]


def test_patience_follows_the_round_trips_to_who_serves_nobody_too() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    for turn in range(1, 30):
        hand_over(links, make_gossip(turn), netid(2), now=float(turn))
        fetch(links, session, float(turn))
        links.acknowledged(session, Ack(turn, ((turn, turn),)), turn + LEAF_ACK_DELAY_S + 0.3)

    assert links.answer_s(netid(2)) == pytest.approx(0.3)


def test_what_more_there_is_to_send_is_said() -> None:
    """Whoever sends asks again only then: here, an outbox of several frames."""
    _, links = new_links()
    session = bring_up(links, netid(2))
    hand_over(links, make_gossip(1), netid(2))
    assert links.bytes_for(session, 0.0)
    assert says_more(session) is False
    for seqno in (2, 3):
        hand_over(links, make_gossip(seqno, payload=bytes(40_000)), netid(2))
    assert links.bytes_for(session, 0.0)
    assert says_more(session) is True
    assert links.bytes_for(session, 0.0)
    assert says_more(session) is False


def test_answers_that_did_not_fit_are_more() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    for position in range(2 * 9000):  # every other one is done: a range for each
        index = session.exchange.take(0.0)
        if position % 2:
            session.exchange.done(index, at=0.0)
    links.answer_soon(session)
    assert links.bytes_for(session, 0.0)
    assert says_more(session) is True
    while links.bytes_for(session, 0.0):
        pass
    assert says_more(session) is False


def says_more(session: Session) -> bool:
    return session.more


def test_each_frame_is_a_sign_of_life() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    give(links, session)

    links.heard(session, 0.1)

    assert links.silent(LEAST_PATIENCE_S + 0.05) == []
    assert len(links.silent(LEAST_PATIENCE_S + 0.1)) == 1


def test_who_owes_nothing_may_be_silent() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    give(links, session)
    links.acknowledged(session, Ack(1, ((1, 1),)), 0.01)
    links.heard(session, 0.02)

    assert links.silent(10.0) == []


def test_one_that_was_given_up_and_is_back_is_watched_again_for_longer() -> None:
    """It was stopped for a moment, and is under load: something is always open."""
    _, links = new_links()
    session = bring_up(links, netid(2))
    give(links, session)
    assert len(links.silent(0.2)) == 1

    links.heard(session, 1.0)
    give(links, session, now=1.0)
    links.tick(1.0)

    assert links.next_wakeup() == 1.0 + 2 * LEAST_PATIENCE_S
    assert links.silent(1.0 + LEAST_PATIENCE_S) == []
    assert len(links.silent(1.0 + 2 * LEAST_PATIENCE_S)) == 1


def test_patience_follows_how_long_a_peer_usually_takes() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    for turn in range(1, 30):
        give(links, session, now=float(turn))
        links.acknowledged(session, Ack(turn, ((turn, turn),)), turn + 0.1)
    assert links.answer_s(netid(2)) == pytest.approx(0.1)
    assert links.answer_s(netid(3)) == 0.0

    give(links, session, now=50.0)

    assert links.silent(50.0 + LEAST_PATIENCE_S) == []
    assert len(links.silent(50.41)) == 1


# What we answer


def test_answers_go_when_they_are_due_and_at_once_with_what_goes_anyway() -> None:
    context, links = new_links()
    session = bring_up(links, netid(2))
    index = session.exchange.take(0.0)
    session.exchange.done(index, at=ACK_DELAY_S)
    links.answer_soon(session)
    context.effects.clear()
    links.tick(ACK_DELAY_S / 2)
    assert context.effects == []
    assert fetch(links, session, ACK_DELAY_S / 2) == []
    assert links.next_wakeup() == ACK_DELAY_S

    links.tick(ACK_DELAY_S)
    assert context.effects == [SessionReady(session)]
    assert fetch(links, session, ACK_DELAY_S) == [Ack(1, ((1, 1),))]
    links.tick(ACK_DELAY_S)
    assert links.next_wakeup() == float("inf")

    session.exchange.done(session.exchange.take(1.0), at=2.0)
    links.answer_soon(session)
    links.send(netid(2), Leave())
    assert fetch(links, session, 1.0) == [Leave(), Ack(2, ((2, 2),))]


def test_while_something_is_undone_the_other_side_hears_that_we_live() -> None:
    _, links = new_links()
    session = bring_up(links, netid(2))
    session.exchange.take(0.0)
    links.answer_soon(session)

    for beat in range(1, 5):
        assert fetch(links, session, beat * ACK_DELAY_S) == [Ack(1, ())]
    session.exchange.done(1, at=1.0)
    assert fetch(links, session, 1.0) == [Ack(1, ((1, 1),))]
    assert fetch(links, session, 9.0) == []


def test_however_much_there_is_to_answer_each_frame_holds_what_it_can() -> None:
    """A relay of many broadcasts to a thousand, whose connection was held up for a moment."""
    _, links = new_links()
    session = bring_up(links, netid(2))
    frames: list[list[Record]] = []
    fake = cast(FakeSession, session)
    hand_over(links, make_gossip(1, bytes(45_000)), netid(2))
    recipients = tuple(netid(number) for number in range(500))
    for index in range(1, 101):
        session.exchange.take(0.0)
        served = Served(netid(1), 1, True, recipients, (2**32 - 1,) * 500)
        session.exchange.report(Report(index, (served,)), at=0.0)
    for _ in range(101, 10_001):
        session.exchange.take(0.0)
    for index in range(1, 10_001, 2):
        session.exchange.done(index, at=0.0)
    links.answer_soon(session)

    while links.bytes_for(session, 1.0):
        frames.append(fake.sealed)
        fake.sealed = []

    assert all(len(encode_body(records)) <= MAX_ROUTING_BYTES for records in frames)
    answers = [one for records in frames for one in records if isinstance(one, (Ack, Report))]
    reports = [one.index for one in answers if isinstance(one, Report)]
    assert reports == list(range(1, 101))
    done = [first for one in answers if isinstance(one, Ack) for first, _ in one.done]
    assert done == list(range(1, 10_001, 2))
    # What is called done is no longer answered for.
    assert all(isinstance(one, Report) for one in answers[:100])


def test_answers_that_are_due_are_not_held_up_by_a_full_queue() -> None:
    """A busy relay that never has room beside its data would else answer nobody in time."""
    _, links = new_links()
    session = bring_up(links, netid(2))
    session.exchange.limit = WINDOW_BYTES
    recipients = tuple(netid(number) for number in range(100, 300))
    served = Served(netid(9), 2, False, recipients, (1,) * len(recipients))
    session.exchange.report(Report(session.exchange.take(0.0), (served,)), at=0.0)
    session.exchange.done(1, at=0.0)
    links.answer_soon(session)
    for seqno in range(1, 500):
        hand_over(links, make_gossip(seqno, bytes(200)), netid(2))

    assert links.bytes_for(session, 0.0)

    sealed = cast(FakeSession, session).sealed
    assert sealed == [Report(1, (served,)), Ack(1, ((1, 1),))]
    assert len(fetch(links, session)) == 2 + 499
