from __future__ import annotations

from typing import cast

import pytest

from chatter.core import links as links_module
from chatter.core.context import Context
from chatter.core.effects import Connect, Disconnect, SessionReady
from chatter.core.links import IDLE_AFTER_S, MAX_OUTBOX_BYTES, STALLED_AFTER_S, Links
from chatter.core.session import Session, State
from chatter.wire.records import Leave, Record
from tests.core.connections import FakeSession, bring_up
from tests.core.parts import life, make_context, make_gossip, netid


def make_links() -> tuple[Context, Links]:
    context = make_context()
    return context, Links(context)


def fetch(links: Links, session: Session) -> list[Record]:
    while links.bytes_for(session, 1.0):
        pass
    return cast(FakeSession, session).sealed


def test_the_first_record_asks_for_a_connection_and_the_next_ones_wait() -> None:
    context, links = make_links()
    for seqno in (1, 2):
        assert links.send(netid(2), make_gossip(seqno))
    assert context.effects == [Connect(netid(2))]
    assert not links.warm(netid(2))

    session = bring_up(links, netid(2), expected=netid(2))

    assert links.warm(netid(2))
    assert SessionReady(session) in context.effects
    assert fetch(links, session) == [make_gossip(1), make_gossip(2)]
    assert not links.pending()


def test_a_connection_that_was_taken_serves_as_well() -> None:
    context, links = make_links()
    session = bring_up(links, netid(2))
    context.effects.clear()

    links.send(netid(2), Leave())

    assert context.effects == [SessionReady(session)]
    assert fetch(links, session) == [Leave()]


def test_what_could_not_be_sent_comes_back() -> None:
    _, links = make_links()
    links.send(netid(2), make_gossip(1))

    assert links.failed(netid(2)) == [make_gossip(1)]
    assert links.failed(netid(2)) == []


def test_a_connection_that_worked_is_opened_once_more() -> None:
    context, links = make_links()
    session = bring_up(links, netid(2))
    links.send(netid(2), make_gossip(1))
    context.effects.clear()

    assert links.down(session) == []
    assert context.effects == [Connect(netid(2))]
    assert links.failed(netid(2)) == [make_gossip(1)]


def test_one_that_never_worked_is_not_tried_again_at_once() -> None:
    """Two nodes that share an address would connect and part in a tight loop."""
    context, links = make_links()
    links.send(netid(2), make_gossip(1))
    session = cast(Session, FakeSession(netid(2), expected=netid(2)))
    links.opened(session, 0.0)
    session.state = State.PROVEN  # it proved itself, and yet we could not accept it
    context.effects.clear()

    assert links.down(session) == [(netid(2), [make_gossip(1)])]
    assert context.effects == []


def test_who_answers_under_another_name_gets_what_was_meant_for_the_first() -> None:
    _, links = make_links()
    links.send(netid(9), make_gossip(1))

    session = bring_up(links, netid(2), expected=netid(9))

    assert fetch(links, session) == [make_gossip(1)]
    assert links.warm(netid(2))
    assert not links.warm(netid(9))


def test_a_refused_answer_under_another_name_frees_the_one_that_was_called() -> None:
    """Or nobody would ever call there again."""
    context, links = make_links()
    links.send(netid(9), make_gossip(1))
    session = cast(Session, FakeSession(netid(2), expected=netid(9)))
    links.opened(session, 0.0)

    assert links.down(session) == [(netid(9), [make_gossip(1)])]
    context.effects.clear()
    links.connect(netid(9))
    assert context.effects == [Connect(netid(9))]


def test_the_other_one_of_two_connections_takes_over() -> None:
    _, links = make_links()
    first, second = bring_up(links, netid(2)), bring_up(links, netid(2), expected=netid(2))
    links.send(netid(2), make_gossip(1))

    assert fetch(links, first) == []
    assert links.down(second) == []
    assert fetch(links, first) == [make_gossip(1)]


def test_a_full_queue_refuses_and_changes_nothing() -> None:
    context, links = make_links()
    while links.send(netid(2), make_gossip(1, bytes(50_000))):
        pass
    effects = len(context.effects)

    assert not links.send(netid(2), make_gossip(1, bytes(50_000)))
    assert len(context.effects) == effects
    assert links.send(netid(3), make_gossip(1))


def test_so_many_links_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links_module, "MAX_LINKS", 2)
    _, links = make_links()

    assert [links.send(netid(number), Leave()) for number in (2, 3, 4)] == [True, True, False]


def test_idle_connections_are_closed_by_who_opened_them() -> None:
    context, links = make_links()
    ours, theirs = bring_up(links, netid(2), expected=netid(2)), bring_up(links, netid(3))
    context.effects.clear()

    links.close_idle(IDLE_AFTER_S)
    assert context.effects == []
    links.close_idle(IDLE_AFTER_S + 1)
    assert context.effects == [Disconnect(ours)]
    assert theirs in list(links.sessions())


def test_connections_of_a_life_end_with_it_and_others_stay() -> None:
    context, links = make_links()
    old, new, other = (bring_up(links, netid(number)) for number in (2, 2, 3))
    new.life = life(77)
    context.effects.clear()

    links.close_life(netid(2), life(2))
    assert context.effects == [Disconnect(old)]
    links.close(netid(2))
    assert set(context.effects) == {Disconnect(old), Disconnect(new)}
    assert other in list(links.sessions())


def test_room_is_that_of_the_fullest_queue_that_moves() -> None:
    _, links = make_links()
    assert links.room(0.0) == MAX_OUTBOX_BYTES
    session = bring_up(links, netid(2), expected=netid(2))
    links.send(netid(2), make_gossip(1, bytes(1_000_000)))
    links.send(netid(3), make_gossip(1, bytes(10_000)))
    full = links.room(0.0)
    assert full < MAX_OUTBOX_BYTES - 1_000_000

    fetch(links, session)
    assert links.room(1.0) > full


def test_a_stalled_peer_holds_up_no_sender() -> None:
    _, links = make_links()
    session = bring_up(links, netid(2), expected=netid(2))
    for seqno in (1, 2, 3):
        links.send(netid(2), make_gossip(seqno, bytes(60_000)))
    while links.bytes_for(session, 0.0) and links.room(0.0) < MAX_OUTBOX_BYTES - 130_000:
        pass  # one frame is with the connection, and does not come back
    assert links.room(0.5) < MAX_OUTBOX_BYTES - 50_000

    assert links.room(STALLED_AFTER_S + 0.1) == MAX_OUTBOX_BYTES
