from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import pytest

from chatter.core.channels import ChannelSpec, MulticastChannels
from chatter.core.contact import Contacts
from chatter.core.context import Context
from chatter.core.effects import Connect, PeerEvent
from chatter.core.flow import Flow
from chatter.core.links import Links
from chatter.core.membership import EARLY_BEACON_S, Membership
from chatter.ids import NetID, epoch_of
from chatter.wire.frame import decode_body, encode_body
from chatter.wire.records import (
    Beacon,
    Hello,
    Highest,
    Leave,
    OtherId,
    OtherIds,
    Record,
    SeenIds,
    Top,
)
from chatter.wire.seal import Channel, multicast_context, open_frame, read_header
from tests.core.connections import bring_up
from tests.core.parts import GROUP, US, life, make_context, make_membership, netid, waiting_for

LAN = ChannelSpec(GROUP, False, 1472)


class Desk(NamedTuple):
    """A membership, and what it says."""

    context: Context
    membership: Membership
    contacts: Contacts
    links: Links
    channels: MulticastChannels

    def events(self) -> list[tuple[NetID, str]]:
        """What was told of peers since the last time."""
        told = [
            (one.address, one.state) for one in self.context.effects if isinstance(one, PeerEvent)
        ]
        self.context.effects.clear()
        return told

    def said(self) -> list[Record]:
        """What went to the group, taken out."""
        found: list[Record] = []
        while (frame := self.channels[0].next_frame(0.0)) is not None:
            header = read_header(frame)
            ring, where = self.context.identity.ring, multicast_context(header.life, GROUP)
            body, _ = open_frame(ring, Channel.MULTICAST, where, header.hint, frame)
            found += decode_body(body).records
        return found

    def unicast(self) -> list[tuple[NetID, list[Record]]]:
        """What went out by unicast, taken out."""
        found = []
        while (waiting := self.context.udp.take()) is not None:
            found.append((waiting[0], waiting[2]))
        return found

    def hear(self, number: int, now: float, *, mutual: bool = True) -> None:
        """A neighbour's beacon came; it hears us too."""
        peer = self.membership.heard(netid(number), life(number), now)
        assert peer is not None
        self.membership.note_multicast(peer, 0, now)
        if mutual:
            peer.hears[0] = now


def make_desk(*specs: ChannelSpec) -> Desk:
    context = make_context()
    return Desk(context, *make_membership(context, specs))


@pytest.fixture
def desk() -> Desk:
    return make_desk(LAN)


def other(number: int, age_ds: int = 0, *, left: bool = False, newer: int = 0) -> OtherId:
    epoch_ms = 1_700_000_000_000 + newer
    return OtherId(netid(number), life(number, epoch_ms), age_ds, left, None)


# What is heard


def test_a_proven_frame_makes_a_live_peer(desk: Desk) -> None:
    desk.membership.heard(netid(2), life(2), 1.0)
    desk.membership.heard(netid(2), life(2), 2.0)

    assert desk.events() == [(netid(2), "alive")]
    (summary,) = desk.membership.summaries(5.0)
    assert (summary.address, summary.state, summary.heard_s_ago) == (netid(2), "alive", 3.0)


def test_another_life_ends_the_former_one(desk: Desk) -> None:
    desk.hear(2, 1.0)
    desk.events()

    desk.membership.heard(netid(2), life(2, 1_700_000_005_000), 2.0)

    assert desk.events() == [(netid(2), "failed"), (netid(2), "alive")]
    assert not desk.membership.summaries(2.0)[0].multicast


def test_hearsay_makes_a_peer_unless_it_is_stale_or_of_one_that_left(desk: Desk) -> None:
    entries = [
        other(2, 20),
        other(3, 200),
        other(4, left=True),
        OtherId(US, life(9), 0, False, None),
    ]

    desk.membership.note_others(netid(7), entries, 100.0)

    assert desk.events() == [(netid(2), "alive")]
    assert desk.membership.summaries(100.0)[0].heard_s_ago == pytest.approx(2.0)


def test_hearsay_keeps_alive_and_brings_back(desk: Desk) -> None:
    desk.membership.heard(netid(2), life(2), 0.0)
    desk.membership.note_others(netid(7), [other(2, 10)], 9.0)
    desk.membership.tick(15.0)
    assert desk.events() == [(netid(2), "alive")]

    desk.membership.tick(30.0)
    desk.membership.note_others(netid(7), [other(2, 150)], 31.0)
    assert desk.events() == [(netid(2), "failed")]
    desk.membership.note_others(netid(7), [other(2, 5)], 32.0)
    assert desk.events() == [(netid(2), "alive")]


def test_older_hearsay_does_not_make_a_peer_look_older(desk: Desk) -> None:
    desk.membership.heard(netid(2), life(2), 9.0)
    desk.membership.note_others(netid(7), [other(2, 80)], 10.0)

    assert desk.membership.summaries(10.0)[0].heard_s_ago == pytest.approx(1.0)


def test_a_newer_life_by_hearsay_replaces_one_known_by_hearsay(desk: Desk) -> None:
    desk.membership.note_others(netid(7), [other(2)], 0.0)
    desk.membership.note_others(netid(7), [other(2, newer=5)], 1.0)
    desk.membership.note_others(netid(7), [other(2)], 2.0)

    assert desk.events() == [(netid(2), "alive"), (netid(2), "failed"), (netid(2), "alive")]
    assert desk.membership.summaries(2.0)[0].epoch == epoch_of(life(2, 1_700_000_000_005))


def test_a_newer_life_by_hearsay_of_one_that_has_proven_itself_is_asked(desk: Desk) -> None:
    desk.contacts.prove(netid(2), life(2), 0)
    desk.membership.heard(netid(2), life(2), 0.0)
    desk.events()

    desk.membership.note_others(netid(7), [other(2, newer=5)], 1.0)

    assert desk.events() == []
    ((where, (hello,)),) = desk.unicast()
    assert where == netid(2)
    assert isinstance(hello, Hello)


def test_loopback_is_believed_of_those_on_loopback_alone(desk: Desk) -> None:
    entry = OtherId(NetID("127.0.0.1", 5), life(5), 0, False, None)

    desk.membership.note_others(netid(7), [entry], 0.0)
    assert desk.events() == []
    desk.membership.note_others(NetID("127.0.0.1", 7), [entry], 0.0)
    assert desk.events() == [(NetID("127.0.0.1", 5), "alive")]


def test_one_that_left_stays_gone_in_this_life(desk: Desk) -> None:
    desk.hear(2, 0.0)
    desk.membership.left(netid(2), life(2), 1.0)
    desk.membership.left(netid(2), life(2), 1.0)
    desk.membership.heard(netid(2), life(2), 2.0)
    desk.membership.note_others(netid(7), [other(2)], 2.0)
    assert desk.events() == [(netid(2), "alive"), (netid(2), "left")]

    desk.membership.heard(netid(2), life(2, 1_700_000_005_000), 3.0)
    assert desk.events() == [(netid(2), "alive")]


def test_leaving_of_another_life_is_not_this_ones(desk: Desk) -> None:
    desk.hear(2, 0.0)
    desk.membership.left(netid(2), life(99), 1.0)

    assert desk.events() == [(netid(2), "alive")]


# What is said


def test_a_beacon_names_our_segment_and_whom_we_hear(desk: Desk) -> None:
    desk.hear(5, 0.0)
    desk.hear(3, 0.0, mutual=False)
    desk.membership.tick(0.0)

    beacon, seen, *_ = desk.said()

    assert beacon == Beacon(US)
    assert seen == SeenIds(((0, (netid(3), netid(5))),), True)


def test_whom_we_no_longer_hear_is_not_named(desk: Desk) -> None:
    desk.hear(5, 0.0)
    desk.hear(3, 11.0)
    desk.membership.tick(11.0)

    assert SeenIds(((0, (netid(3),)),), True) in desk.said()


def spoken_until(desk: Desk, now: float, until: float) -> list[float]:
    """When it spoke, of its own accord."""
    spoken = []
    while now < until:
        desk.membership.tick(now)
        if desk.said():
            spoken.append(now)
        now = max(now + 0.001, desk.membership.next_wakeup())
    return spoken


def test_beacons_come_seldom_while_nothing_changes_and_at_once_when_there_is_news(
    desk: Desk,
) -> None:
    spoken = spoken_until(desk, 0.0, 60.0)
    pauses = [after - before for before, after in pairwise(spoken)]
    assert pauses[:6] == pytest.approx([1.0, 1.0, 1.0, 1.0, 1.0, 2.0], rel=0.1)
    assert pauses[6:] == pytest.approx([4.0] * len(pauses[6:]), rel=0.1)

    desk.hear(5, 60.0)
    soon, *later = spoken_until(desk, 60.0, 64.0)
    assert soon <= 60.0 + 1.5 * EARLY_BEACON_S
    assert [one - soon for one in later] == pytest.approx([1.0, 2.0, 3.0], rel=0.1)


def test_who_shares_no_multicast_with_somebody_speaks_each_second(desk: Desk) -> None:
    """What others hear of our neighbours, they hear through us: its age must not grow old."""
    desk.membership.note_others(netid(2), [OtherId(netid(9), life(9), 0, False, netid(9))], 0.0)

    spoken = spoken_until(desk, 0.0, 8.0)

    assert [after - before for before, after in pairwise(spoken)] == pytest.approx(
        [1.0] * (len(spoken) - 1), rel=0.11
    )


def test_a_large_segment_speaks_less_often(desk: Desk) -> None:
    for number in range(2, 202):
        desk.hear(number, 0.0)
    desk.membership.tick(0.0)

    assert desk.membership.evidence_timeout_s(0.0) >= 15.0
    spoken = spoken_until(desk, 0.0, 13.0)  # none has been silent for too long until then
    pauses = [after - before for before, after in pairwise(spoken)]
    assert pauses[-2:] == pytest.approx([201 / 50] * 2, rel=0.1)


def hear_many(desk: Desk, everybody: set[NetID]) -> None:
    for one in everybody:
        peer = desk.membership.heard(one, life(1), 0.0)
        assert peer is not None
        desk.membership.note_multicast(peer, 0, 0.0)


def test_a_thousand_neighbours_are_named_at_once(desk: Desk) -> None:
    """Each costs a byte, as their addresses follow each other."""
    hear_many(desk, {netid(number) for number in range(2, 1002)})
    desk.membership.tick(0.0)

    (seen,) = [one for one in desk.said() if isinstance(one, SeenIds)]

    assert seen.complete
    assert len(seen.heard[0][1]) == 1000


def test_seen_ids_that_do_not_fit_go_in_turns(desk: Desk) -> None:
    rng = desk.context.rng
    everybody = {
        NetID(f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}", port)
        for port in range(2000, 3000)
    }
    hear_many(desk, everybody)
    named: list[NetID] = []
    turns = 0
    while len(set(named)) < len(everybody):
        desk.membership.tick(max(0.0, desk.membership.next_wakeup()))
        for seen in desk.said():
            if isinstance(seen, SeenIds):
                assert len(encode_body([seen])) <= desk.channels[0].budget
                assert not seen.complete
                named += seen.heard[0][1]
                turns += 1
        assert turns < 20

    assert sorted(named) == sorted(everybody)
    assert desk.membership.evidence_timeout_s(0.0) >= 3.5 * turns * 1000 / 50


def test_a_node_apart_gets_a_digest_and_a_neighbour_does_not(desk: Desk) -> None:
    desk.hear(2, 0.0)
    desk.membership.note_others(netid(2), [other(3)], 0.0)
    desk.membership.tick(0.0)

    (digest,) = desk.unicast()

    where, (beacon, seen, others) = digest
    assert where == netid(3)
    assert isinstance(beacon, Beacon)
    assert seen == SeenIds((), True)
    assert isinstance(others, OtherIds)
    assert [entry.netid for entry in others.entries] == [netid(2)]


@pytest.mark.parametrize("v6", [False, True])
def test_a_digest_fits_in_what_every_path_takes_whole(v6: bool) -> None:
    """Addresses, segments and lives that have nothing in common."""
    desk = make_desk()
    rng = desk.context.rng
    for number in range(2, 300):
        net = rng.randrange(250)
        ip = f"2001:db8:{net:x}::{number:x}" if v6 else f"10.{net}.{number % 250}.7"
        where = NetID(ip, rng.randrange(1, 65536))
        peer = desk.membership.heard(where, rng.randbytes(16), 0.0)
        assert peer is not None
        peer.segment = NetID(f"10.9.{rng.randrange(250)}.{rng.randrange(250)}", 1)

    desk.membership.tick(0.0)

    digests = desk.unicast()
    assert digests
    for _, records in digests:
        assert len(encode_body(records)) <= 1300
        assert len(records[2].entries) >= 10  # type: ignore[union-attr]


def test_an_age_never_shrinks_by_being_told() -> None:
    """Two who tell each other what they know would keep a dead peer alive."""
    a, b = make_desk(), make_desk()
    for one in (a, b):
        one.membership.heard(netid(2), life(2), 0.0)
        one.contacts.prove(netid(2), life(2), 0)
    now = 0.0
    for _ in range(100):
        now += 0.07
        for teller, listener, name in ((a, b, 3), (b, a, 4)):
            (entry,) = teller.membership._entries(list(teller.context.peers), now)
            listener.membership.note_others(netid(name), [entry], now)

    assert a.membership.summaries(now)[0].heard_s_ago == pytest.approx(now)


def test_a_newcomer_is_told_all_and_an_old_friend_some() -> None:
    desk = make_desk()
    for number in range(2, 202):
        desk.membership.heard(netid(number), life(number), 0.0)

    def told(now: float) -> int:
        desk.membership.greet(netid(2), now)
        records = waiting_for(desk.links, netid(2))
        return sum(len(one.entries) for one in records if isinstance(one, OtherIds))

    assert told(1.0) == 199
    assert told(20.0) == 50


def test_failed_peers_are_told_to_nobody_and_those_that_left_are() -> None:
    desk = make_desk()
    for number in (2, 3, 4):
        desk.membership.heard(netid(number), life(number), 0.0)
    desk.membership.left(netid(2), life(2), 5.0)
    desk.membership.heard(netid(4), life(4), 11.0)
    desk.membership.tick(11.0)  # 3 is failed

    desk.membership.greet(netid(4), 11.0)

    (others,) = [one for one in waiting_for(desk.links, netid(4)) if isinstance(one, OtherIds)]
    assert [(entry.netid, entry.left) for entry in others.entries] == [(netid(2), True)]


def test_leaving_is_said_to_the_group_and_to_those_apart(desk: Desk) -> None:
    desk.hear(2, 0.0)
    desk.membership.note_others(netid(2), [other(3)], 0.0)
    desk.said()
    desk.membership.leave(1.0)

    assert Leave() in desk.said()
    assert desk.unicast() == [(netid(3), [Leave()])]


def test_what_there_is_to_repair_goes_with_beacons_digests_greetings_and_the_last_word() -> None:
    context = make_context()
    _, contacts, links, channels = make_membership(context, [LAN])
    tail = Highest((Top(US, 7, 3),))
    membership = Membership(context, contacts, links, channels, lambda now: [tail])
    membership.start(0.0)
    desk = Desk(context, membership, contacts, links, channels)
    desk.membership.note_others(netid(2), [other(3)], 0.0)

    membership.tick(0.0)
    assert tail in desk.said()
    ((_, digest),) = desk.unicast()
    assert tail in digest
    membership.greet(netid(4), 0.0)
    assert tail in waiting_for(links, netid(4))
    membership.leave(1.0)
    assert desk.said() == [tail, Leave()]


def test_what_came_before_a_peer_is_not_meant_for_it(desk: Desk) -> None:
    """Unless we are young: then it most likely was there before us."""
    desk.context.number = 5
    young = desk.membership.heard(netid(2), life(2), 0.0)
    desk.context.young = False
    later = desk.membership.heard(netid(3), life(3), 0.0)
    desk.membership.note_others(netid(2), [other(4)], 0.0)
    told = desk.context.peers.get(netid(4))
    assert young is not None
    assert later is not None
    assert told is not None
    assert (young.since, later.since, told.since) == (0, 5, 5)

    desk.context.number = 9
    desk.membership.heard(netid(3), life(3, 1_700_000_005_000), 1.0)
    assert later.since == 9


def test_a_new_life_owes_and_is_owed_nothing_of_the_former_one(desk: Desk) -> None:
    peer = desk.membership.heard(netid(2), life(2), 0.0)
    assert peer is not None
    peer.slow, peer.limits[0], peer.flow[0] = True, 5, Flow(5)

    desk.membership.heard(netid(2), life(2, 1_700_000_005_000), 1.0)

    assert (peer.slow, peer.limits, peer.flow) == (False, {}, {})


def test_who_is_gone_is_told_of_once_it_is_known_as_such() -> None:
    context = make_context()
    _, contacts, links, channels = make_membership(context, [])
    gone: list[tuple[NetID, str]] = []

    def note(netid: NetID, now: float) -> None:
        peer = context.peers.get(netid)
        assert peer is not None
        gone.append((netid, peer.state))

    membership = Membership(context, contacts, links, channels, gone=note)
    membership.start(0.0)
    for number in (2, 3):
        membership.heard(netid(number), life(number), 0.0)
    membership.left(netid(2), life(2), 1.0)
    assert gone == [(netid(2), "left")]

    membership.tick(11.0)

    assert gone == [(netid(2), "left"), (netid(3), "failed")]


# Who is silent


def test_a_silent_peer_is_asked_by_datagram_then_by_tcp_then_failed() -> None:
    desk = make_desk()
    desk.membership.heard(netid(2), life(2), 0.0)
    asked: dict[str, float] = {}
    now = 0.0
    while now < 14:
        desk.membership.tick(now)
        for _, records in desk.unicast():
            if isinstance(records[0], Hello):
                asked.setdefault("udp", now)
        if Connect(netid(2)) in desk.context.effects:
            asked.setdefault("tcp", now)
            queued = waiting_for(desk.links, netid(2))
            assert any(isinstance(one, Hello) and one.challenge for one in queued)
        if (netid(2), "failed") in desk.events():
            asked.setdefault("failed", now)
        now = max(now + 0.01, desk.membership.next_wakeup())

    assert 5 < asked["udp"] < 6.5
    assert 7.5 < asked["tcp"] < 9.7
    assert 10 < asked["failed"] < 11.5


def test_who_answers_no_datagram_is_talked_to_over_tcp_from_then_on() -> None:
    """A firewall that was changed: datagrams passed until now."""
    desk = make_desk()
    peer = desk.membership.heard(netid(2), life(2), 0.0)
    assert peer is not None
    peer.udp_heard = True
    bring_up(desk.links, netid(2))
    desk.membership.tick(0.0)
    assert [where for where, _ in desk.unicast()] == [netid(2)]

    desk.membership.tick(8.0)
    desk.unicast()
    desk.membership.heard(netid(2), life(2), 8.1)  # it answered on the connection
    desk.membership.tick(9.5)

    assert desk.unicast() == []


def test_one_that_failed_is_back_when_it_is_heard() -> None:
    desk = make_desk()
    desk.membership.heard(netid(2), life(2), 0.0)
    desk.membership.tick(11.0)
    desk.membership.heard(netid(2), life(2), 12.0)

    assert desk.events() == [(netid(2), "alive"), (netid(2), "failed"), (netid(2), "alive")]


def test_failed_peers_are_tried_again_one_at_a_time() -> None:
    desk = make_desk()
    for number in (2, 3, 4):
        desk.membership.heard(netid(number), life(number), 0.0)
    desk.membership.tick(12.0)
    for number in (2, 3, 4):
        desk.links.failed(netid(number))
    desk.context.effects.clear()
    tried: list[NetID] = []
    now = 12.0
    while now < 112:
        desk.membership.tick(now)
        for one in desk.context.effects:
            if isinstance(one, Connect):
                tried.append(one.netid)
                desk.links.failed(one.netid)
        desk.context.effects.clear()
        now = max(now + 0.01, desk.membership.next_wakeup())

    assert set(tried) == {netid(2), netid(3), netid(4)}
    assert 15 <= len(tried) <= 27


def test_with_a_new_life_nobody_is_taken_to_hear_us(desk: Desk) -> None:
    desk.hear(2, 0.0)
    desk.membership.tick(0.0)
    assert desk.membership.summaries(0.1)[0].multicast

    desk.membership.reintroduce()

    assert not desk.membership.summaries(0.1)[0].multicast
    assert desk.membership.next_wakeup() <= 0.1
