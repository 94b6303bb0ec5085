from __future__ import annotations

from typing import NamedTuple

import pytest

from chatter.core import contact
from chatter.core.contact import (
    CHALLENGES_PER_S,
    MAX_WAITING_PER_LIFE,
    Accepted,
    Contacts,
    NotOurBusiness,
    OurName,
    SupersededLife,
    UnprovenLife,
)
from chatter.core.context import Context
from chatter.errors import BadSeal, FrameError, Replayed, UnknownKey
from chatter.ids import NetID, epoch_of
from chatter.wire.frame import decode_body
from chatter.wire.records import CHALLENGE_BYTES, Hello, Leave, Record
from chatter.wire.seal import Channel, KeyRing, open_frame, read_header, udp_context
from tests.core.parts import GROUP, US, Remote, life, make_context, make_gossip, make_peer, netid


class Desk(NamedTuple):
    """Contacts of ours and what they say."""

    context: Context
    contacts: Contacts

    def hears(
        self, frame: bytes, group: NetID | None = GROUP, now: float = 0.0, loopback: bool = False
    ) -> list[Accepted]:
        return self.contacts.receive(frame, group, loopback, now)

    def asked(self) -> list[tuple[NetID, bytes, Hello]]:
        """The hellos that wait to be sent, taken out."""
        found = []
        while (waiting := self.context.udp.take()) is not None:
            where, whose, (hello,) = waiting
            assert isinstance(hello, Hello)
            found.append((where, whose, hello))
        return found

    def meet(self, remote: Remote, now: float = 0.0) -> None:
        """Let a remote prove itself: it is heard, asked, and echoes."""
        self.hears(remote.multicast(Leave()), now=now)
        ((_, _, question),) = self.asked()
        self.hears(remote.unicast(self.context.identity.life, echo_of(question, remote)), None, now)
        self.asked()


def echo_of(question: Hello, remote: Remote, known_epoch: int = 0) -> Hello:
    """What an honest node answers."""
    return Hello(None, question.challenge, remote.identity.nonce.value, known_epoch, 1000)


def question_of(remote: Remote) -> Hello:
    """What a node asks that has heard of us."""
    return Hello(bytes(CHALLENGE_BYTES), None, remote.identity.nonce.value, 0, 1000)


@pytest.fixture
def desk() -> Desk:
    context = make_context()
    return Desk(context, Contacts(context))


def records(accepted: list[Accepted]) -> list[Record]:
    return [record for one in accepted for record in one.body.records]


# Challenge and echo


def test_of_a_strange_life_nothing_is_believed_before_its_echo(desk: Desk) -> None:
    remote = Remote(2)

    assert desk.hears(remote.multicast(make_gossip())) == []
    ((where, whose, question),) = desk.asked()

    assert (where, whose) == (remote.netid, remote.life)
    assert question.challenge is not None
    assert question.echo is None
    assert desk.contacts.life(remote.netid) is None


def test_an_echo_proves_and_what_is_sent_from_then_on_is_accepted(desk: Desk) -> None:
    remote = Remote(2)
    desk.meet(remote)

    assert desk.contacts.life(remote.netid) == remote.life
    assert records(desk.hears(remote.multicast(make_gossip(2)))) == [make_gossip(2)]
    assert records(desk.hears(remote.unicast(life(1), Leave()), None)) == [Leave()]


def test_what_overtakes_the_echo_waits_for_it(desk: Desk) -> None:
    """The usual reason to wait: multicast and unicast leave by different sockets."""
    remote = Remote(2)
    desk.hears(remote.multicast(Leave()))
    ((_, _, question),) = desk.asked()
    echo = remote.unicast(life(1), echo_of(question, remote))
    overtaking = remote.multicast(make_gossip(7))

    assert desk.hears(overtaking) == []
    accepted = desk.hears(echo, None)

    assert [one for one in records(accepted) if not isinstance(one, Hello)] == [make_gossip(7)]


def test_captured_frames_are_worthless_to_who_has_restarted(desk: Desk) -> None:
    """They wait; the live node's echo names a higher counter; and they are dropped."""
    remote = Remote(2)
    captured = [remote.multicast(make_gossip(seqno)) for seqno in range(1, 6)]
    for frame in captured:
        assert desk.hears(frame) == []
    ((_, _, question),) = desk.asked()

    accepted = desk.hears(remote.unicast(life(1), echo_of(question, remote)), None)

    assert not [one for one in records(accepted) if not isinstance(one, Hello)]
    assert desk.context.counts["dropped_unproven_life"] == 5
    for frame in captured:
        with pytest.raises(Replayed):
            desk.hears(frame)


def test_a_guessed_or_late_echo_is_none(desk: Desk) -> None:
    remote = Remote(2)
    desk.hears(remote.multicast(Leave()))
    ((_, _, question),) = desk.asked()

    for echo in (bytes(CHALLENGE_BYTES), None):
        frame = remote.unicast(life(1), Hello(None, echo or b"\1" * 16, 5, 0, 0))
        with pytest.raises(Replayed):
            desk.hears(frame, None)
    assert desk.contacts.life(remote.netid) is None
    assert question.challenge != bytes(CHALLENGE_BYTES)


def test_an_echo_of_a_question_to_somebody_else_is_none(desk: Desk) -> None:
    asked, other = Remote(2), Remote(3)
    desk.hears(asked.multicast(Leave()))
    ((_, _, question),) = desk.asked()

    with pytest.raises(Replayed):
        desk.hears(other.unicast(life(1), echo_of(question, other)), None)


def test_one_exchange_proves_both(desk: Desk) -> None:
    """Asked by a stranger we answer and ask back; two hellos each way are never needed."""
    remote = Remote(2)
    assert desk.hears(remote.unicast(life(1), question_of(remote)), None) == []
    ((where, whose, answer),) = desk.asked()

    assert (where, whose) == (remote.netid, remote.life)
    assert answer.echo == bytes(CHALLENGE_BYTES)
    assert answer.challenge is not None
    desk.hears(remote.unicast(life(1), echo_of(answer, remote)), None)
    assert desk.contacts.life(remote.netid) == remote.life
    assert desk.asked() == []


def test_a_replayed_question_is_answered_once(desk: Desk) -> None:
    remote = Remote(2)
    question = remote.unicast(life(1), question_of(remote))
    desk.hears(question, None)
    assert len(desk.asked()) == 1

    for _ in range(10):
        with pytest.raises(Replayed):
            desk.hears(question, None)
    assert desk.asked() == []
    desk.hears(remote.unicast(life(1), question_of(remote)), None)
    assert len(desk.asked()) == 1


def test_our_hello_names_our_counter_and_the_epoch_we_know(desk: Desk) -> None:
    desk.meet(Remote(2))
    desk.context.identity.hello_sealer.seal(b"one more frame")

    hello = desk.contacts.own_hello(netid(2))

    assert hello.counter == desk.context.identity.nonce.value == 1
    assert hello.known_epoch == epoch_of(life(2))
    assert hello.buffer == 212_992
    assert desk.contacts.own_hello(netid(3)).known_epoch == 0
    desk.context.peers.add(make_peer(3))
    assert desk.contacts.own_hello(netid(3)).known_epoch == epoch_of(life(3))


# Limits


def test_one_question_at_a_time_for_each_address(desk: Desk) -> None:
    remote = Remote(2)
    for _ in range(5):
        desk.hears(remote.multicast(Leave()), now=0.5)
    assert len(desk.asked()) == 1

    desk.hears(remote.multicast(Leave()), now=1.6)
    assert len(desk.asked()) == 1


def test_at_most_so_many_questions_a_second(desk: Desk) -> None:
    for number in range(2, 102):
        desk.hears(Remote(number).multicast(Leave()), now=100.0)

    assert len(desk.asked()) == CHALLENGES_PER_S
    assert desk.context.counts["challenges_withheld"] == 100 - CHALLENGES_PER_S
    for number in range(200, 300):
        desk.hears(Remote(number).multicast(Leave()), now=100.5)
    assert len(desk.asked()) == CHALLENGES_PER_S / 2


def test_so_many_frames_of_a_life_wait(desk: Desk) -> None:
    remote = Remote(2)
    for _ in range(MAX_WAITING_PER_LIFE):
        desk.hears(remote.multicast(Leave()))

    with pytest.raises(UnprovenLife):
        desk.hears(remote.multicast(Leave()))


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_WAITING_LIVES", 10), ("MAX_WAITING_BYTES", 5000)]
)
def test_lives_that_never_prove_themselves_keep_nobody_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(contact, limit, value)
    for number in range(3, 103):
        desk.hears(Remote(number).multicast(make_gossip(payload=bytes(400), compress=False)))
    assert desk.context.counts["dropped_unproven_life"] >= 85

    remote = Remote(2)
    desk.asked()
    desk.hears(remote.multicast(Leave()), now=10.0)
    ((_, _, question),) = desk.asked()
    echo = remote.unicast(life(1), echo_of(question, remote))
    desk.hears(remote.multicast(make_gossip(9)), now=10.0)

    assert make_gossip(9) in records(desk.hears(echo, None, 10.0))


def test_so_many_addresses_and_no_more(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact, "MAX_PEERS", 2)
    for number in (2, 3):
        assert desk.contacts.prove(netid(number), life(number), 0)
        desk.context.peers.add(make_peer(number))

    assert not desk.contacts.prove(netid(4), life(4), 0)
    desk.contacts.forget(netid(2))
    assert desk.contacts.prove(netid(4), life(4), 0)


def test_a_newcomer_takes_the_place_of_one_that_is_gone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact, "MAX_PEERS", 3)
    for number, state in ((2, "alive"), (3, "failed"), (4, "alive")):
        assert desk.contacts.prove(netid(number), life(number), 0)
        desk.context.peers.add(make_peer(number, state=state))

    assert desk.contacts.prove(netid(5), life(5), 0)

    known = [desk.contacts.life(netid(number)) is not None for number in (2, 3, 4, 5)]
    assert known == [True, False, True, True]


# Whose frames are refused


def test_each_frame_is_accepted_once(desk: Desk) -> None:
    remote = Remote(2)
    desk.meet(remote)
    frames = [remote.multicast(make_gossip(seqno)) for seqno in range(1, 20)]

    for frame in reversed(frames):
        desk.hears(frame)
    for frame in frames:
        with pytest.raises(Replayed):
            desk.hears(frame)


def test_a_frame_for_one_receiver_or_group_opens_nowhere_else(desk: Desk) -> None:
    remote = Remote(2)
    desk.meet(remote)

    for frame, group in (
        (remote.unicast(life(9), Leave()), None),
        (remote.multicast(Leave()), None),
        (remote.unicast(life(1), Leave()), GROUP),
        (remote.multicast(Leave()), NetID("224.1.1.2", 29999)),
    ):
        with pytest.raises(BadSeal):
            desk.hears(frame, group)


def test_another_key_is_not_even_tried(desk: Desk) -> None:
    stranger = Remote(2, KeyRing([b"\7" * 32]))

    with pytest.raises(UnknownKey):
        desk.hears(stranger.multicast(Leave()))
    assert desk.asked() == []


def test_a_frame_that_names_another_sender_than_its_life_has(desk: Desk) -> None:
    remote = Remote(2)
    desk.meet(remote)

    for frame, group in (
        (remote.multicast(Leave(), as_netid=netid(3)), GROUP),
        (remote.unicast(life(1), Leave(), as_netid=netid(3)), None),
    ):
        with pytest.raises(NotOurBusiness):
            desk.hears(frame, group)


def test_a_life_has_one_address_and_keeps_it(desk: Desk) -> None:
    """Else what is remembered of its datagrams would be taken for another sender's."""
    remote = Remote(2)
    desk.meet(remote)
    first = remote.multicast(make_gossip(1))
    assert [one.netid for one in desk.hears(first)] == [remote.netid]

    with pytest.raises(NotOurBusiness):
        desk.contacts.prove(netid(3), remote.life, 9)
    assert desk.contacts.life(netid(3)) is None
    assert [one.netid for one in desk.hears(remote.multicast(make_gossip(2)))] == [remote.netid]
    desk.contacts.forget(remote.netid)
    assert desk.contacts.prove(netid(3), remote.life, 9)


def test_a_challenge_goes_to_the_netid_inside_the_frame(desk: Desk) -> None:
    """Whoever sends it, so nobody can aim our answers at a third party's address."""
    desk.hears(Remote(2).multicast(Leave()))

    assert [where for where, _, _ in desk.asked()] == [netid(2)]


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.3.2.1", "::1"])
def test_a_loopback_address_is_believed_from_loopback_only(desk: Desk, ip: str) -> None:
    frame = Remote(2).multicast(Leave(), as_netid=NetID(ip, 29999))

    with pytest.raises(NotOurBusiness):
        desk.hears(frame)
    assert desk.asked() == []
    desk.hears(frame, loopback=True)
    assert len(desk.asked()) == 1


def test_our_own_frames_come_back_and_are_nothing(desk: Desk) -> None:
    frame = desk.context.identity.multicast_sealer(GROUP).seal(b"\0\0\0")

    assert desk.hears(frame) == []
    assert desk.asked() == []


def test_our_own_name_on_a_strange_life_is_refused(desk: Desk) -> None:
    with pytest.raises(OurName):
        desk.hears(Remote(2).multicast(Leave(), as_netid=US))


def test_a_datagram_without_a_sender_is_refused(desk: Desk) -> None:
    identity = Remote(2).identity
    frame = identity.multicast_sealer(GROUP).seal(b"\0\0\0")

    with pytest.raises(FrameError, match="sender"):
        desk.hears(frame)


# Lives


def test_a_newer_life_supersedes_and_the_old_one_never_comes_back(desk: Desk) -> None:
    old, new = Remote(2), Remote(2, epoch_ms=1_700_000_001_000)
    desk.meet(old)
    desk.meet(new, now=5.0)

    assert desk.contacts.life(netid(2)) == new.life
    with pytest.raises(SupersededLife):
        desk.hears(old.multicast(Leave()), now=6.0)
    assert not desk.contacts.prove(netid(2), old.life, 1 << 40)


def test_an_older_life_is_told_of_the_newer_one(desk: Desk) -> None:
    new, old = Remote(2), Remote(2, epoch_ms=1_600_000_000_000)
    desk.meet(new)

    desk.hears(old.multicast(Leave()), now=5.0)
    ((_, whose, question),) = desk.asked()
    assert whose == old.life
    assert question.known_epoch == epoch_of(new.life)

    assert desk.hears(old.unicast(life(1), echo_of(question, old)), None, 5.0) == []
    assert desk.contacts.life(netid(2)) == new.life
    assert desk.context.counts["stale_epochs"] == 1


def test_superseded_lives_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact, "MAX_SUPERSEDED", 3)
    for number in range(2, 7):
        desk.contacts.supersede(life(number))

    assert not desk.contacts.prove(netid(6), life(6), 0)
    assert desk.contacts.prove(netid(2), life(2), 0)  # the oldest is out


def test_with_a_new_life_of_ours_unicast_opens_again(desk: Desk) -> None:
    remote = Remote(2)
    desk.meet(remote)
    desk.hears(remote.unicast(life(1), Leave()), None)

    desk.context.identity = type(desk.context.identity)(desk.context.identity.ring, life(11))
    desk.contacts.renew()

    assert records(desk.hears(remote.unicast(life(11), Leave()), None)) == [Leave()]
    with pytest.raises(BadSeal):
        desk.hears(remote.unicast(life(1), Leave()), None)


def test_who_is_forgotten_proves_itself_again(desk: Desk) -> None:
    remote = Remote(2)
    desk.meet(remote)
    desk.contacts.forget(remote.netid)

    assert desk.hears(remote.multicast(Leave()), now=5.0) == []
    assert len(desk.asked()) == 1


def test_a_hello_of_ours_opens_at_its_receiver_alone(desk: Desk) -> None:
    """The frame that a challenge travels in is sealed for one life."""
    remote = Remote(2)
    desk.hears(remote.multicast(Leave()))
    ((_, whose, question),) = desk.asked()
    frame = desk.context.identity.udp_sealer(whose).seal(b"\0\0\0")
    header = read_header(frame)
    opened, _ = open_frame(
        remote.identity.ring, Channel.UDP, udp_context(life(1), remote.life), header.hint, frame
    )

    assert decode_body(opened)[:3] == (None, [], 0)
    assert question.challenge is not None
    with pytest.raises(BadSeal):
        open_frame(
            remote.identity.ring, Channel.UDP, udp_context(life(1), life(9)), header.hint, frame
        )


def test_a_hello_says_from_which_number_on_our_broadcasts_are_meant() -> None:
    context = make_context()
    contacts = Contacts(context)
    context.number, context.young = 12, False
    context.peers.add(make_peer(2, since=7))

    assert contacts.own_hello(netid(2)).since == 7
    assert contacts.own_hello(netid(3)).since == 12  # whom we meet now
    assert contacts.own_hello(None).since == 12
    assert contacts.own_hello(netid(2), life=life(2)).since == 7
    assert contacts.own_hello(netid(2), life=life(99)).since == 12  # a life that is new to us
    context.young = True
    assert contacts.own_hello(netid(3)).since == 0


# How far away they are


def test_each_echo_of_our_question_tells_a_round_trip(desk: Desk) -> None:
    """As long as the echo took, not what waited for it or was asked by others."""
    remote = Remote(2)
    desk.hears(remote.multicast(Leave()), now=5.0)
    ((_, _, question),) = desk.asked()
    desk.hears(remote.unicast(desk.context.identity.life, echo_of(question, remote)), None, 5.08)
    desk.asked()
    for at, took_s in ((20.0, 0.04), (30.0, 0.06)):
        assert desk.contacts.challenge(remote.netid, remote.life, at)
        ((_, _, question),) = desk.asked()
        desk.contacts.answer(remote.netid, remote.life, echo_of(question, remote), at + took_s)

    assert desk.context.timing.one_way_s(remote.netid) == pytest.approx(0.02)


def test_an_echo_of_something_else_tells_none(desk: Desk) -> None:
    """Nobody can seem nearer than it is."""
    remote = Remote(2)
    for at in (10.0, 20.0, 30.0, 40.0):
        assert desk.contacts.challenge(remote.netid, remote.life, at)
        ((_, _, question),) = desk.asked()
        guessed = question._replace(challenge=bytes(CHALLENGE_BYTES))
        desk.contacts.answer(remote.netid, remote.life, echo_of(guessed, remote), at)
        desk.contacts.answer(remote.netid, remote.life, question_of(remote), at)
        desk.contacts.answer(remote.netid, remote.life, echo_of(question, remote), at + 0.5)
        desk.asked()

    assert desk.context.timing.one_way_s(remote.netid) == pytest.approx(0.25)
