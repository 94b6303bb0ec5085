"""Lone messages are dispatched before all else is done for them, and nobody can tell."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from chatter.core.channels import ChannelSpec
from chatter.core.effects import Deliver, Gap, UdpReady
from chatter.core.handlers import codec_handler
from chatter.core.lone import FEW_NOTED, MOST_NOTED
from chatter.core.node import Node
from chatter.ids import BroadcastID, NetID
from chatter.wire.frame import Sender, encode_body
from chatter.wire.gossip import Gossip
from chatter.wire.records import Probe, Record
from chatter.wire.seal import Channel, Sealer, multicast_context
from tests.core.desk import LAN, Desk
from tests.core.parts import GROUP, Remote, life, make_gossip, netid


class Speaker(Remote):
    """A member that counts what it multicasts, as real ones do."""

    def __init__(self, number: int, epoch_ms: int = 0) -> None:
        super().__init__(number, epoch_ms=epoch_ms)
        self.number = 0
        self.position = 0
        self.step = 1000
        self._sealer = Sealer(
            self.identity.ring,
            Channel.MULTICAST,
            multicast_context(self.life, GROUP),
            self.life,
            self.identity.nonce,
        )

    def says(self, tag: str = "tag", payload: bytes = b"\0\0{}", *, channel: int = 0) -> bytes:
        """The datagram of its next broadcast."""
        self.number += 1
        broadcast = BroadcastID(self.netid, 7, self.number)
        gossip = Gossip(broadcast, tag, "json", payload, self.number)
        return self.datagram(gossip, channel=channel)

    def datagram(self, *records: Record, channel: int = 0) -> bytes:
        if any(isinstance(one, Gossip) for one in records):
            self.position += self.step
        return self._sealer.seal(encode_body(records, Sender(self.netid, channel, self.position)))


def hears(desk: Desk, frame: bytes, now: float = 0.0) -> Deliver | None:
    """As a shell does it; what was taken as a lone message."""
    taken = desk.node.lone.take(frame, 0, now)
    if taken is None:
        desk.hears(frame, now=now)
    return taken


def delivered(desk: Desk) -> list[int]:
    """The numbers that were delivered the long way."""
    return [one.gossip.number for one in desk.effects(Deliver)]


def acquainted(**fields: object) -> tuple[Desk, Speaker]:
    """A node that has heard a first message of a speaker."""
    desk, speaker = Desk(**fields), Speaker(2)  # type: ignore[arg-type]
    desk.meet(speaker)
    assert hears(desk, speaker.says()) is None
    assert delivered(desk) == [1]
    return desk, speaker


def test_the_first_is_received_as_anything_and_those_like_it_at_once() -> None:
    desk, speaker = acquainted()
    for number in (2, 3):
        taken = hears(desk, speaker.says(payload=b"\0\0[%d]" % number), now=number)
        assert taken is not None
        assert taken.gossip.id == BroadcastID(netid(2), 7, number)
        assert taken.gossip.payload == b"\0\0[%d]" % number
        assert (taken.sender, taken.via, taken.held) == (netid(2), "multicast", False)
    assert delivered(desk) == []


def test_another_tag_is_a_first_one_again() -> None:
    desk, speaker = acquainted()
    assert hears(desk, speaker.says("other")) is None
    assert hears(desk, speaker.says("other")) is not None
    assert hears(desk, speaker.says()) is None


def test_one_that_is_missing_has_the_next_received_as_anything() -> None:
    desk, speaker = acquainted()
    speaker.says()
    assert hears(desk, speaker.says()) is None
    assert delivered(desk) == [3]


def test_a_second_copy_is_dispatched_no_more() -> None:
    desk, speaker = acquainted()
    frame = speaker.says()
    assert hears(desk, frame) is not None
    assert hears(desk, frame) is None
    # Repaired by multicast: the same broadcast in another frame.
    assert hears(desk, speaker.datagram(make_gossip(2, number=2))) is None
    assert delivered(desk) == []
    assert desk.node.counts["dropped_replay"] == 1
    assert desk.node.counts["duplicates"] == 1


def test_a_forged_one_is_counted_once() -> None:
    desk, speaker = acquainted()
    frame = bytearray(speaker.says())
    frame[-1] ^= 1
    assert hears(desk, bytes(frame)) is None
    assert hears(desk, speaker.says()[:30]) is None
    assert desk.node.counts["dropped_bad_seal"] == 1
    assert delivered(desk) == []


def test_what_was_looked_into_is_not_opened_again() -> None:
    desk, speaker = acquainted()
    source = desk.node._contacts.source(GROUP, speaker.life)
    assert source is not None
    opened: list[bytes] = []
    real = source.opener

    class Opener:
        def open(self, frame: bytes) -> bytes:
            opened.append(frame)
            return real.open(frame)

    source.opener = Opener()  # type: ignore[assignment]
    assert hears(desk, speaker.says("other")) is None  # remembered with this opener now
    opened.clear()
    frame = speaker.datagram(Probe(()))
    assert hears(desk, frame) is None
    assert opened == [frame]
    assert desk.node.counts["frames_received"] == 4


ENTRIES: list[Callable[[Node], object]] = [
    lambda node: node.multicast_frame(0, 1.0),
    lambda node: node.receive_datagram(b"", None, False, 1.0),
    lambda node: node.tick(1.0),
    lambda node: node.settle(1.0),
    lambda node: node.flush(1.0),
    lambda node: node.leave(1.0),
    lambda node: node.note_handlers(False, 1.0),
    lambda node: node.connect_failed(netid(9), 1.0),
    lambda node: node.watch(1.0),
    lambda node: node.udp_frame(1.0),
    lambda node: node.broadcast("tag", "json", b"\0\0{}", None, 1.0),
    lambda node: node.transformed(BroadcastID(netid(9), 1, 1), None, 1.0),
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_before_the_node_does_anything_else_it_settles(entry: Callable[[Node], object]) -> None:
    desk, speaker = acquainted()
    assert hears(desk, speaker.says(), now=0.5) is not None
    peer = desk.node._context.peers.get(netid(2))
    assert peer is not None
    assert peer.heard_at == 0.0
    entry(desk.node)
    assert peer.heard_at == 0.5
    assert peer.heard[0] == 0.5
    assert BroadcastID(netid(2), 7, 2) in desk.node._store
    assert peer.flow[0].seen == speaker.position
    assert desk.node._context.tags.values == {"tag": 2}
    assert desk.node._context.appetite.messages == 2


def test_after_a_handful_it_wants_to_settle() -> None:
    desk, speaker = acquainted()
    speaker.step = 100
    handfuls = []
    for _ in range(20):
        taken = 0
        while not desk.node.lone.enough:
            assert hears(desk, speaker.says()) is not None
            taken += 1
        handfuls.append(taken)
        desk.node.settle(0.0)
        assert not desk.node.lone.enough
    # Not after the same one as all others who hear them.
    assert min(handfuls) >= FEW_NOTED
    assert max(handfuls) <= MOST_NOTED
    assert len(set(handfuls)) > 5
    assert desk.node.counts["gossip_received"] == sum(handfuls) + 1


def test_credit_is_never_late_by_more_than_an_eighth_of_a_grant() -> None:
    desk, speaker = acquainted()
    peer = desk.node._context.peers.get(netid(2))
    assert peer is not None
    flow = peer.flow[0]
    speaker.position = flow.seen + (flow.limit - flow.paid) // 8 - 1001
    assert hears(desk, speaker.says()) is not None
    before = desk.node.lone.enough
    assert hears(desk, speaker.says()) is not None
    assert (before, desk.node.lone.enough) == (False, True)


def test_what_is_granted_with_them_is_sent() -> None:
    desk, speaker = acquainted()
    peer = desk.node._context.peers.get(netid(2))
    assert peer is not None
    speaker.position = peer.flow[0].limit - 2000
    assert hears(desk, speaker.says()) is not None
    desk.node.settle(0.01)
    assert desk.effects(UdpReady)


def refused(desk: Desk, speaker: Speaker, now: float = 0.0) -> bool:
    return hears(desk, speaker.says(), now) is None and delivered(desk) == [speaker.number]


def test_after_a_long_silence_it_is_news_that_this_peer_is_heard() -> None:
    desk, speaker = acquainted()
    assert hears(desk, speaker.says(), now=9.9) is not None
    assert refused(desk, speaker, now=20.0)
    for now in (20.1, 29.0, 38.0):
        assert hears(desk, speaker.says(), now) is not None


def test_once_the_group_was_found_dead_it_is_news_too() -> None:
    desk, speaker = acquainted()
    peer = desk.node._context.peers.get(netid(2))
    assert peer is not None
    peer.heard.clear()
    assert refused(desk, speaker)
    assert peer.heard


def test_a_new_handler_has_the_next_message_go_the_long_way() -> None:
    desk, speaker = acquainted()
    desk.handlers.add(codec_handler("tag", "json", lambda body: None, ordered=True))
    assert refused(desk, speaker)
    assert hears(desk, speaker.says()) is not None


def test_an_ordered_handler_keeps_its_order() -> None:
    """What comes below one that was dispatched is a gap, also if that one was a lone message."""
    desk, speaker = Desk(), Speaker(2)
    desk.handlers.add(codec_handler("tag", "json", lambda body: None, ordered=True))
    desk.meet(speaker)
    assert hears(desk, speaker.says()) is None
    assert hears(desk, speaker.says()) is not None
    desk.node.take_effects()
    missed = speaker.says()
    assert hears(desk, speaker.says()) is None  # the fourth waits for the third
    assert desk.effects(Deliver) == []
    assert hears(desk, missed) is None
    assert delivered(desk) == [3, 4]
    assert hears(desk, speaker.says()) is not None
    origin = desk.node._origins.get(netid(2), 7)
    assert origin is not None
    assert origin.order is not None
    assert origin.order._released == 5


def test_while_some_wait_for_their_turn_so_do_all_of_that_origin() -> None:
    desk, speaker = acquainted()
    origin = desk.node._origins.get(netid(2), 7)
    assert origin is not None
    waits = Deliver(make_gossip(9, after=9), netid(2), "tcp", False)
    origin.ordered().hold(9, 9, waits)
    assert refused(desk, speaker)


def test_while_somebody_watches_each_is_traced() -> None:
    desk, speaker = acquainted()
    desk.node.watch(0.0)
    desk.node.take_effects()
    assert refused(desk, speaker)


def test_a_peer_that_changed_is_looked_at_anew() -> None:
    desk, speaker = acquainted()
    desk.node._context.peers.version += 1
    assert refused(desk, speaker)
    assert hears(desk, speaker.says()) is not None


def test_an_origin_that_was_forgotten_is_not_remembered_here() -> None:
    desk, speaker = acquainted()
    desk.node._origins._make_room()
    assert refused(desk, speaker)
    (lane,) = desk.node.lone._lanes[0].values()
    assert lane.life is desk.node._origins.get(netid(2), 7)


def test_a_life_that_was_replaced_is_not_believed() -> None:
    desk, speaker = acquainted()
    desk.node._contacts.prove(netid(2), life(2, 1_700_000_000_009), 0)
    assert hears(desk, speaker.says()) is None
    assert delivered(desk) == []
    assert desk.node.counts["dropped_superseded_life"] == 1


def test_what_needs_an_answer_goes_the_long_way() -> None:
    desk, speaker = acquainted()
    gossip = make_gossip(2, number=2, confirm_ms=500)
    speaker.number = 2
    assert hears(desk, speaker.datagram(gossip)) is None
    assert delivered(desk) == [2]
    assert hears(desk, speaker.says()) is not None  # the former pattern still holds


def test_what_follows_one_that_needs_an_answer_needs_none() -> None:
    desk, speaker = Desk(), Speaker(2)
    desk.meet(speaker)
    assert hears(desk, speaker.datagram(make_gossip(1, number=1, confirm_ms=500))) is None
    speaker.number = 1
    assert hears(desk, speaker.says()) is None
    taken = hears(desk, speaker.says())
    assert taken is not None
    assert taken.gossip.confirm_ms == 0


def test_one_who_relays_for_several_is_remembered_with_the_last_of_them() -> None:
    desk, speaker = acquainted()

    def relayed(number: int) -> bool:
        gossip = make_gossip(number, number=number)._replace(id=BroadcastID(netid(5), 3, number))
        return hears(desk, speaker.datagram(gossip)) is not None

    assert not relayed(1)
    assert relayed(2)
    assert hears(desk, speaker.says()) is None
    assert hears(desk, speaker.says()) is not None


def test_one_for_others_and_one_by_an_impossible_channel_leave_nothing_behind() -> None:
    desk, speaker = Desk(), Speaker(2)
    desk.meet(speaker)
    for_others = make_gossip(1, distribution=(netid(7),))
    assert hears(desk, speaker.datagram(for_others)) is None
    assert hears(desk, speaker.datagram(make_gossip(2, number=1), channel=200)) is None
    assert [one.gossip.id.seqno for one in desk.effects(Deliver)] == [2]


def test_a_copy_by_another_channel_is_no_pattern() -> None:
    desk = Desk(channels=(LAN, ChannelSpec(GROUP, True, 61_440)))
    speaker = Speaker(2)
    desk.meet(speaker)
    first = make_gossip(1, number=1)
    hears(desk, speaker.datagram(first, channel=0), 1.0)
    desk.node._context.peers.version += 1
    hears(desk, speaker.datagram(first, channel=1), 1.001)
    desk.node.take_effects()
    speaker.number = 1
    assert hears(desk, speaker.says(), 2.0) is None
    assert hears(desk, speaker.says(), 3.0) is not None


def test_of_two_channels_the_one_that_is_first_is_remembered() -> None:
    """A host's own workers hear both the interface and loopback: each message comes twice."""
    two = (LAN, ChannelSpec(GROUP, True, 61_440))
    desk, speaker = Desk(channels=two), Speaker(2)
    desk.meet(speaker)
    taken = []
    for number in range(1, 5):
        for channel in (0, 1):
            frame = speaker.datagram(make_gossip(number, number=number), channel=channel)
            taken.append(hears(desk, frame, number + channel / 1000) is not None)
    assert taken == [False, False] + [True, False] * 3
    assert delivered(desk) == [1]
    assert desk.node.counts["duplicates"] == 4


def twins(ordered: str | None) -> tuple[Desk, Desk]:
    pair = Desk(), Desk()
    for desk in pair:
        if ordered is not None:
            desk.handlers.add(codec_handler(ordered, "json", lambda body: None, ordered=True))
    return pair


@pytest.mark.parametrize("seed", range(12))
def test_a_node_that_takes_them_ends_as_one_that_does_not(seed: int) -> None:
    """The same datagrams, in disorder, with losses and copies: all that can be seen is equal."""
    chance = random.Random(seed)
    quick, slow = twins([None, "tag", "other"][seed % 3])
    speakers = [Speaker(number) for number in (2, 3, 4)]
    for desk in (quick, slow):
        for speaker in speakers:
            desk.node._contacts.prove(speaker.netid, speaker.life, 0)
    now, frames = 0.0, [one.datagram(Probe(())) for one in speakers]
    for _ in range(300):
        speaker = chance.choice(speakers)
        kind = chance.random()
        if kind < 0.9:
            tag = "other" if chance.random() < 0.1 else "tag"
            frame = speaker.says(tag, b"\0\0" + chance.randbytes(chance.choice([3, 200, 900])))
        else:
            frame = speaker.datagram(Probe(()))
        frames.append(frame)
        if kind < 0.02:
            frames.append(frame)
        if kind > 0.98:
            frames.pop()
    for position in range(0, len(frames) - 3, 40):
        frames[position], frames[position + 2] = frames[position + 2], frames[position]

    got: dict[str, list[tuple[NetID, int]]] = {"quick": [], "slow": []}
    gaps: dict[str, list[Gap]] = {"quick": [], "slow": []}
    taken = 0
    for frame in frames:
        now += chance.choice([0.001, 0.02, 0.3])
        lone = hears(quick, frame, now)
        slow.hears(frame, now=now)
        if lone is not None:
            taken += 1
            got["quick"].append((lone.gossip.id.origin, lone.gossip.number))
            if quick.node.lone.enough:
                quick.node.settle(now)
        for name, desk in (("quick", quick), ("slow", slow)):
            effects = desk.node.take_effects()
            got[name] += [
                (one.gossip.id.origin, one.gossip.number)
                for one in effects
                if isinstance(one, Deliver)
            ]
            gaps[name] += [one for one in effects if isinstance(one, Gap)]
        if chance.random() < 0.05:
            for desk in (quick, slow):
                desk.node.tick(now)
    assert taken > 50
    assert got["quick"] == got["slow"]
    assert gaps["quick"] == gaps["slow"]
    # One grant instead of several, or at another moment; and chance is asked for more.
    ignored = {"credits_sent", "beacons_sent"}
    for desk in (quick, slow):
        desk.node.tick(now)
    counts = [
        {name: count for name, count in desk.node.counts.items() if name not in ignored and count}
        for desk in (quick, slow)
    ]
    assert counts[0] == counts[1]
    for speaker in speakers:
        peers = [desk.node._context.peers.get(speaker.netid) for desk in (quick, slow)]
        assert peers[0] is not None
        assert peers[1] is not None
        assert peers[0].heard == peers[1].heard
        assert peers[0].heard_at == peers[1].heard_at
        assert peers[0].flow[0].seen == peers[1].flow[0].seen
        origins = [desk.node._origins.get(speaker.netid, 7) for desk in (quick, slow)]
        assert origins[0] is not None
        assert origins[1] is not None
        assert origins[0].numbers.missing(99) == origins[1].numbers.missing(99)
        assert origins[0].window.floor == origins[1].window.floor
    assert quick.node._store.bytes == slow.node._store.bytes
    assert quick.node._context.tags.values == slow.node._context.tags.values
