"""Broadcasts that wait for those behind them, and go out together."""

from __future__ import annotations

import pytest

from chatter.core.channels import ChannelSpec
from chatter.core.effects import FlushSoon, MulticastReady
from chatter.core.gathering import MAX_BURST_BYTES, MAX_GATHERED, MAX_GATHERED_BYTES
from chatter.core.node import Node
from chatter.core.outbox import MORE_CHARGE_BYTES, charge_of
from chatter.ids import BroadcastID
from chatter.wire.burst import Broadcasts, Burst
from chatter.wire.gossip import Gossip
from chatter.wire.seal import MAX_FRAME_BYTES
from tests.core.desk import Desk, broadcast
from tests.core.parts import GROUP, US, Remote, netid, waiting_for


def gather(desk: Desk, body: bytes, tag: str = "tag", **fields: bool) -> BroadcastID:
    return desk.node.gather(tag, "bytes", body, 0.0, desk.node.room(0.0), **fields)[0]


def met(*, channels: tuple[ChannelSpec, ...] = ()) -> Desk:
    """A node that knows another, and reaches it by TCP unless there are channels."""
    desk = Desk(channels=channels or (ChannelSpec(GROUP, False, 1472),))
    desk.meet(Remote(2))
    return desk


def sent(desk: Desk) -> list[Broadcasts]:
    """What waits for node 2."""
    records = waiting_for(desk.node._links, netid(2))
    return [one for one in records if isinstance(one, (Gossip, Burst))]


def test_those_of_one_turn_become_a_burst_with_ids_and_numbers_in_a_row() -> None:
    desk = met()
    ids = [gather(desk, body) for body in (b"one", b"two", b"three")]
    assert ids == [BroadcastID(US, desk.node.epoch, seqno) for seqno in (1, 2, 3)]
    assert len(desk.effects(FlushSoon)) == 1  # asked for once
    assert sent(desk) == []

    desk.node.flush(0.0)

    (burst,) = sent(desk)
    assert isinstance(burst, Burst)
    assert (burst.id, burst.number, burst.bodies()) == (ids[0], 1, [b"one", b"two", b"three"])
    assert (burst.tag, burst.codec, burst.hop) == ("tag", "bytes", 1)
    assert desk.node.counts["broadcasts"] == 3


def test_one_alone_is_a_gossip() -> None:
    desk = met()
    broadcast_id = gather(desk, b"one")
    desk.node.flush(0.0)

    assert sent(desk) == [Gossip(broadcast_id, "tag", "bytes", b"\0\0one", 1)]
    desk.node.flush(0.0)
    assert sent(desk) == []


def test_what_differs_in_more_than_the_body_begins_anew() -> None:
    desk = met()
    gather(desk, b"1")
    gather(desk, b"2")
    gather(desk, b"3", "other")
    gather(desk, b"4", "other", compress=False)
    gather(desk, b"5", "other", compress=False)
    desk.node.gather("other", "json", b"6", 0.0, 9999, compress=False)
    desk.node.flush(0.0)

    shape = [(one.tag, one.codec, one.compress, one.number, one.many) for one in sent(desk)]
    assert shape == [
        ("tag", "bytes", True, 1, 2),
        ("other", "bytes", True, 3, 1),
        ("other", "bytes", False, 4, 2),
        ("other", "json", False, 6, 1),
    ]


def test_a_newcomer_gets_what_is_broadcast_after_it_was_met() -> None:
    desk = met()
    _, before = desk.node.gather("tag", "bytes", b"1", 0.0, 9999)
    desk.meet(Remote(3))
    _, after = desk.node.gather("tag", "bytes", b"2", 0.0, 9999)
    desk.node.flush(0.0)

    assert before == (netid(2),)
    assert after == (netid(2), netid(3))
    assert [one.many for one in sent(desk)] == [1, 1]


def test_whatever_the_node_does_next_comes_behind_them() -> None:
    """A targeted one, above all: those who keep the order wait for what was before it."""
    desk = met()
    gather(desk, b"1")
    gather(desk, b"2")
    broadcast(desk, [netid(2)])
    gather(desk, b"3")
    desk.node.tick(0.0)

    order = [(one.number, one.many) for one in sent(desk)]
    assert order == [(1, 2), (0, 1), (3, 1)]


@pytest.mark.parametrize(
    "entry",
    [
        lambda node: node.multicast_frame(0, 0.0),
        lambda node: node.receive_datagram(b"", None, False, 0.0),
        lambda node: node.tick(0.0),
        lambda node: node.leave(0.0),
        lambda node: node.note_handlers(False, 0.0),
        lambda node: node.connect_failed(netid(9), 0.0),
        lambda node: node.watch(0.0),
        lambda node: node.udp_frame(0.0),
    ],
)
def test_each_turn_of_the_node_sends_them(entry) -> None:  # type: ignore[no-untyped-def]
    desk = met()
    gather(desk, b"1")
    assert desk.node.pending(0.0)
    entry(desk.node)
    assert len(sent(desk)) == 1


def test_a_burst_fits_in_the_largest_datagram_and_in_the_queue() -> None:
    desk = met(channels=(ChannelSpec(GROUP, True, 61_440),))
    node = desk.node
    room = node.room(0.0)
    body = bytes(1000)
    for _ in range(20):
        gather(desk, body)
    assert node.room(0.0) == room - 20 * 1002  # what is gathered takes room already
    for _ in range(80):
        gather(desk, body)
    node.flush(0.0)

    bursts = sent(desk)
    assert [type(one) for one in bursts] == [Burst] * len(bursts)
    assert all(len(one.payload) <= MAX_BURST_BYTES for one in bursts)
    assert len(bursts) == 2
    assert sum(one.many for one in bursts) == 100


def test_where_datagrams_are_small_bursts_are() -> None:
    desk = met()
    hearing(desk)
    for number in range(100):
        gather(desk, b"%03d" % number + bytes(97))
    desk.node.flush(0.0)
    assert desk.effects(MulticastReady)
    frames = [one for one in iter(lambda: desk.node.multicast_frame(0, 0.0), None) if one]
    assert len(frames) == 9  # twelve to a datagram
    assert max(map(len, frames)) <= 1472


def test_however_small_they_are_a_burst_never_takes_more_credit_than_the_least_grant() -> None:
    """A sender of tiny messages would outrun its receivers by tens of thousands, or stand still."""
    desk = met(channels=(ChannelSpec(GROUP, True, 61_440),))
    for _ in range(1000):
        gather(desk, b"!")
    desk.node.flush(0.0)
    bursts = sent(desk)
    assert sum(one.many for one in bursts) == 1000
    assert max(one.many for one in bursts) == MAX_GATHERED
    assert all(charge_of(one) >= MORE_CHARGE_BYTES * (one.many - 1) for one in bursts)
    assert all(charge_of(one) <= MAX_FRAME_BYTES for one in bursts)


def test_of_the_largest_seven_go_together() -> None:
    desk = met()
    for _ in range(8):
        gather(desk, bytes(MAX_GATHERED_BYTES))
    desk.node.flush(0.0)
    assert [one.many for one in sent(desk)] == [7, 1]


def test_a_broadcast_to_nobody_is_still_numbered_and_kept() -> None:
    desk = Desk()
    ids = [gather(desk, b"1"), gather(desk, b"2")]
    desk.node.flush(0.0)
    assert desk.node.counts["broadcasts_to_nobody"] == 2
    assert [desk.node._store.get(one).payload for one in ids] == [b"\0\x001", b"\0\x002"]  # type: ignore[union-attr]


def hearing(desk: Desk) -> None:
    """Let node 2 hear our multicasts, and grant what we want."""
    node: Node = desk.node
    peer = node._context.peers.get(netid(2))
    assert peer is not None
    peer.hears[0] = 0.0
    peer.limits[0] = 1 << 40
    node._context.peers.version += 1
