"""Lone broadcasts of ours go straight into a datagram, to the same effect as any other way."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from chatter.core.channels import ChannelSpec
from chatter.core.effects import Deliver
from chatter.core.node import Node
from chatter.core.straight import LONE_AFTER_S, Straight
from chatter.ids import BroadcastID
from chatter.wire.gossip import Gossip
from chatter.wire.records import Probe
from tests.core.desk import LAN, Desk
from tests.core.parts import GROUP, Remote, netid
from tests.core.test_lone import ENTRIES


def heard_by(desk: Desk, *numbers: int, now: float = 0.0) -> None:
    """These peers hear its multicasts, and let it send much."""
    for number in numbers:
        desk.meet(Remote(number), now)
        peer = desk.node._context.peers.get(netid(number))
        assert peer is not None
        peer.hears[0] = now
        peer.limits[0] = 1 << 40
    desk.node._context.peers.version += 1


def hears(desk: Desk, number: int, at: float) -> None:
    peer = desk.node._context.peers.get(netid(number))
    assert peer is not None
    peer.hears[0] = at


def send(desk: Desk, body: bytes, now: float, tag: str = "tag") -> tuple[list[bytes], bool]:
    """As a shell does it: the frames that went out, and whether it went straight."""
    node = desk.node
    straight = node.straightway.send(tag, "bytes", body, True, now)
    if straight is not None:
        node.settle(now)
        return [straight.frame, *frames(desk, now)], True
    node.gather(tag, "bytes", body, now, 100_000)
    node.flush(now)
    return frames(desk, now), False


def frames(desk: Desk, now: float) -> list[bytes]:
    found = []
    while (frame := desk.node.multicast_frame(0, now)) is not None:
        found.append(frame)
    return found


def went(desk: Desk, body: bytes = b"body", now: float = 0.0, tag: str = "tag") -> bool:
    return send(desk, body, now, tag)[1]


def warm(**fields: object) -> Desk:
    """One whose last broadcast went out by one multicast."""
    desk = Desk(**fields)  # type: ignore[arg-type]
    heard_by(desk, 2, 3)
    assert not went(desk)
    return desk


def test_the_first_goes_as_any_and_lone_ones_like_it_straight() -> None:
    desk = warm()
    assert went(desk, b"other", 1.0)
    assert went(desk, b"", 2.0)


def test_what_follows_at_once_is_gathered() -> None:
    desk = warm()
    assert went(desk, now=1.0)
    assert not went(desk, now=1.0 + LONE_AFTER_S * 0.9)
    assert not went(desk, now=1.0 + LONE_AFTER_S * 1.8)  # a loop is one, however long it lasts
    assert went(desk, now=1.1)


def test_of_two_that_were_sent_none_is_forgotten() -> None:
    desk = warm()
    first = desk.node.straightway.send("tag", "bytes", b"2", True, 1.0)
    assert first is not None
    assert desk.node.straightway.send("tag", "bytes", b"3", True, 2.0) is None
    desk.node.gather("tag", "bytes", b"3", 2.0, 100_000)
    assert first.id in desk.node._store


def test_what_ended_it_is_looked_at_once() -> None:
    desk = warm()
    desk.node._context.peers.version += 1
    assert [went(desk, now=now) for now in (1.0, 1.1)] == [False, True]
    assert [went(desk, now=now, tag="other") for now in (5.0, 5.1)] == [False, True]
    for number in (2, 3):
        hears(desk, number, at=20.0)
    assert [went(desk, now=now, tag="other") for now in (20.0, 20.1)] == [False, True]


def test_one_that_is_too_long_leaves_the_way_open_to_others() -> None:
    desk = warm()
    assert not went(desk, random.Random(1).randbytes(5000), 1.0)
    assert went(desk, now=1.5)


def test_nothing_overtakes_what_is_gathered() -> None:
    desk = warm()
    desk.node.gather("tag", "bytes", b"1", 1.0, 100_000)
    assert desk.node.straightway.send("tag", "bytes", b"2", True, 2.0) is None


def test_nothing_overtakes_what_waits_for_credit() -> None:
    desk = warm()
    peer = desk.node._context.peers.get(netid(2))
    assert peer is not None
    peer.limits[0] = desk.node._channels[0].flow.position
    desk.node._channels[0].flow._limit = 0
    assert not went(desk, now=1.0)
    assert desk.node._channels[0].outbox
    peer.limits[0] = 1 << 40
    assert desk.node.straightway.send("tag", "bytes", b"2", True, 2.0) is None


def test_without_credit_it_waits_as_any() -> None:
    desk = warm()
    peer = desk.node._context.peers.get(netid(2))
    assert peer is not None
    peer.limits[0] = desk.node._channels[0].flow.position + 500
    desk.node._channels[0].flow._limit = 0
    assert desk.node.straightway.send("tag", "bytes", b"2", True, 2.0) is None


def test_who_joins_is_not_sent_more_than_it_grants() -> None:
    desk = warm()
    assert went(desk, now=1.0)
    heard_by(desk, 4, now=1.5)
    peers = desk.node._context.peers
    newcomer = peers.get(netid(4))
    assert newcomer is not None
    peers.joins += 1
    newcomer.limits[0] = 0
    assert not went(desk, now=2.0)
    assert desk.node._channels[0].outbox
    newcomer.limits[0] = desk.node._channels[0].flow.position + 2500
    frames(desk, 2.1)
    assert desk.node.straightway.send("tag", "bytes", b"2", True, 2.2) is not None
    desk.node.settle(2.2)
    newcomer.limits[0] = 1 << 40
    assert desk.node._channels[0].flow.credit() > 1 << 30  # it is known that much is left
    newcomer.limits[0] = desk.node._channels[0].flow.position
    peers.joins += 1
    assert desk.node.straightway.send("tag", "bytes", b"2", True, 2.3) is None


@pytest.mark.parametrize(
    ("what", "tag", "codec", "compress", "size"),
    [
        ("tag", "other", "bytes", True, 4),
        ("codec", "tag", "json", True, 4),
        ("compression", "tag", "bytes", False, 4),
        ("size", "tag", "bytes", True, 1400),
    ],
)
def test_another_kind_is_looked_at_anew(
    what: str, tag: str, codec: str, compress: bool, size: int
) -> None:
    desk = warm()
    sent = desk.node.straightway.send(tag, codec, bytes(size), compress, 1.0)
    assert sent is None, what
    assert desk.node.straightway.send("tag", "bytes", b"2", True, 2.0) is not None


def test_whoever_has_to_be_served_by_a_connection_is_not_left_out() -> None:
    desk = warm()
    desk.meet(Remote(4))
    desk.node._context.peers.version += 1
    assert not went(desk, now=1.0)
    assert not went(desk, now=2.0)  # the plan has a branch


def test_evidence_that_grows_old_ends_it() -> None:
    desk = warm()
    timeout_s = desk.node._membership.evidence_timeout_s(0.0)
    hears(desk, 3, at=5.0)
    assert not went(desk, now=1.0, tag="other")
    assert went(desk, now=timeout_s - 0.1, tag="other")
    assert not went(desk, now=timeout_s + 0.1, tag="other")  # of the other one we know nothing


def test_while_frames_wait_for_the_system_it_is_queued_too() -> None:
    desk = warm()
    desk.node.straightway.clogged.add(0)
    assert not went(desk, now=1.0)
    desk.node.straightway.clogged.discard(0)
    assert went(desk, now=2.0)


def test_while_somebody_watches_it_is_traced() -> None:
    desk = warm()
    desk.node.watch(1.0)
    assert not went(desk, now=1.0)


def test_while_ours_go_in_bulk_it_does_too() -> None:
    desk = warm()
    bulk = desk.node._forwarder._bulk
    bulk._origins[desk.node.local] = (9.0, [])
    assert not went(desk, now=1.0)


def test_a_worn_out_key_changes_nothing() -> None:
    desk = warm()
    number = desk.node._context.number
    desk.node._context.identity.nonce.value = 1 << 40
    assert desk.node.straightway.send("tag", "bytes", b"2", True, 1.0) is None
    assert desk.node._context.number == number
    assert desk.node._publishing.seqno == number


def test_another_life_begins_with_one_that_goes_as_any() -> None:
    desk = warm()
    epoch = desk.node.epoch
    desk.node._lives.begin_anew(epoch)
    assert desk.node.epoch > epoch
    assert not went(desk, now=1.0)


@pytest.mark.parametrize("entry", ENTRIES)
def test_before_the_node_does_anything_else_it_settles(entry: Callable[[Node], object]) -> None:
    desk = warm()
    node = desk.node
    sent = node.straightway.send("tag", "bytes", b"2", True, 0.5)
    assert isinstance(sent, Straight)
    assert sent.id == BroadcastID(node.local, node.epoch, 2)
    assert sent.recipients == (netid(2), netid(3))
    assert sent.id not in node._store
    entry(node)
    kept = node._store.get(sent.id)
    assert kept is not None
    assert kept.payload == b"\0\x002"
    assert node._context.counts["broadcasts"] >= 2
    assert node._notices.next_wakeup() < 2.0  # the tail is watched over


@pytest.mark.parametrize("seed", range(8))
def test_what_receivers_see_is_the_same_either_way(seed: int) -> None:
    """The same broadcasts, one node with its shortest way and one without: equal frames."""
    chance = random.Random(seed)
    quick, slow = Desk(), Desk()
    for desk in (quick, slow):
        heard_by(desk, 2, 3)
    receiver = Desk(2)
    receiver.node._contacts.prove(quick.node.local, quick.node.life, 0)
    now, straight, bodies = 0.0, 0, []
    for _ in range(30):
        now += chance.choice([0.001, 0.02, 0.5])
        body = chance.randbytes(chance.choice([0, 20, 500])) * chance.choice([1, 1, 2])
        tag = chance.choice(["tag", "tag", "tag", "other"])
        bodies.append((tag, b"\0\0" + body))
        sent, quickly = send(quick, body, now, tag)
        straight += quickly
        slow.node.gather(tag, "bytes", body, now, 100_000)
        slow.node.flush(now)
        assert sent == frames(slow, now)
        for desk in (quick, slow):
            desk.node.tick(now)
            desk.node.take_effects()
            frames(desk, now)  # beacons and notices
        for frame in sent:
            receiver.hears(frame, now=now)
    assert straight > 5
    got = [one.gossip for one in receiver.effects(Deliver)]
    assert [(one.tag, one.payload) for one in got] == bodies
    assert all(isinstance(one, Gossip) and one.hop == 1 for one in got)
    assert {n: c for n, c in quick.node.counts.items() if c} == {
        n: c for n, c in slow.node.counts.items() if c
    }


def test_on_loopback_and_an_interface_it_goes_by_the_one_that_reaches_all() -> None:
    desk = Desk(channels=(LAN, ChannelSpec(GROUP, True, 61_440)))
    heard_by(desk, 2, 3)
    assert not went(desk)
    assert went(desk, now=1.0)
    desk.node._context.peers.get(netid(3)).hears = {1: 1.0}  # type: ignore[union-attr]
    desk.node._context.peers.version += 1
    assert not went(desk, now=2.0)
    assert not went(desk, now=2.2)  # two multicasts


def test_probes_go_along_as_with_others() -> None:
    desk = warm()
    assert went(desk, now=1.5)
    links = desk.node._links._links
    queued = [
        record
        for link in links.values()
        for _, record in link.outbox._control
        if isinstance(record, Probe)
    ]
    assert queued
