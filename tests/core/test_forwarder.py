from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chatter.core.channels import ChannelSpec, MulticastChannels
from chatter.core.context import Context
from chatter.core.duplicates import Duplicates
from chatter.core.forwarder import DOUBTFUL_S, Forwarder
from chatter.core.links import MAX_OUTBOX_BYTES, Links
from chatter.core.membership import Membership
from chatter.core.probes import Probes
from chatter.core.store import Store
from chatter.ids import NetID
from chatter.wire.frame import MAX_ROUTING_BYTES
from chatter.wire.gossip import MAX_HOPS, Gossip
from chatter.wire.records import Record
from tests.core.parts import GROUP, make_context, make_gossip, make_membership, make_peer, netid


class Desk(NamedTuple):
    """A forwarder among peers that hear us or not."""

    context: Context
    forwarder: Forwarder
    channels: MulticastChannels
    links: Links
    membership: Membership

    def multicasts(self) -> list[Gossip]:
        """What waits for the group, taken out."""
        return [one for one in self.channels[0].outbox.drain() if isinstance(one, Gossip)]

    def branches(self) -> dict[NetID, list[Gossip]]:
        """What waits for each peer, taken out."""
        found = {}
        for number in range(2, 3000):
            gossips = [one for one in self.links.failed(netid(number)) if isinstance(one, Gossip)]
            if gossips:
                found[netid(number)] = gossips
        return found


LAN, LOOPBACK = ChannelSpec(GROUP, False, 1472), ChannelSpec(GROUP, True, 61_440)


def make_desk(hearing: int = 0, deaf: int = 0, specs: Sequence[ChannelSpec] = (LAN,)) -> Desk:
    context = make_context()
    membership, _, links, channels = make_membership(context, specs)
    probes = Probes(context, links, Duplicates(), Store())
    for number in range(2, 2 + hearing + deaf):
        hears = {0: 0.0} if number < 2 + hearing else {}
        context.peers.add(make_peer(number, hears=hears))
    return Desk(
        context,
        Forwarder(context, channels, links, membership, probes),
        channels,
        links,
        membership,
    )


def targets(desk: Desk) -> list[NetID]:
    return [peer.netid for peer in desk.context.peers]


def test_those_who_hear_us_share_one_multicast_and_the_others_are_branches() -> None:
    desk = make_desk(hearing=3, deaf=5)

    desk.forwarder.forward(make_gossip(hop=0, number=1), targets(desk), 0.0)

    (multicast,) = desk.multicasts()
    assert (multicast.hop, multicast.distribution) == (1, ())
    branches = desk.branches()
    reached = {*branches, *(one for (gossip,) in branches.values() for one in gossip.distribution)}
    assert reached == {netid(number) for number in range(5, 10)}
    assert {gossip.hop for (gossip,) in branches.values()} == {1}


def test_a_targeted_multicast_names_those_who_shall_take_it() -> None:
    desk = make_desk(hearing=4)

    desk.forwarder.forward(make_gossip(hop=0), [netid(3), netid(5)], 0.0)

    (multicast,) = desk.multicasts()
    assert sorted(multicast.distribution) == [netid(3), netid(5)]


def test_a_long_list_is_spread_over_several_datagrams() -> None:
    desk = make_desk(hearing=200)

    desk.forwarder.forward(make_gossip(hop=0), targets(desk), 0.0)

    parts = desk.multicasts()
    assert len(parts) > 10
    assert sorted(one for part in parts for one in part.distribution) == sorted(targets(desk))


def test_a_targeted_message_has_to_fit_with_one_name_at_least() -> None:
    """The payload alone would fit, with nobody named."""
    desk = make_desk(hearing=3)
    budget = desk.channels[0].budget
    size = budget - make_gossip(payload=b"").size_bound()

    desk.forwarder.forward(make_gossip(payload=bytes(size), hop=0, number=1), targets(desk), 0.0)
    assert len(desk.multicasts()) == 1
    desk.forwarder.forward(make_gossip(payload=bytes(size), hop=0), targets(desk), 0.0)
    assert desk.multicasts() == []
    assert desk.branches() != {}


def test_evidence_that_has_aged_is_none() -> None:
    desk = make_desk(hearing=3)

    desk.forwarder.forward(make_gossip(hop=0, number=1), targets(desk), 15.1)

    assert desk.multicasts() == []
    assert len(desk.branches()) == 2


def test_a_list_and_its_payload_fit_in_a_frame() -> None:
    desk = make_desk(deaf=2500)

    desk.forwarder.forward(make_gossip(payload=bytes(49_152), hop=0), targets(desk), 0.0)

    branches = desk.branches()
    for gossips in branches.values():
        for gossip in gossips:
            assert gossip.size_bound() <= MAX_ROUTING_BYTES
    listed = [one for some in branches.values() for gossip in some for one in gossip.distribution]
    assert sorted([*branches, *listed]) == sorted(targets(desk))


def test_what_only_loopback_takes_enters_a_segment_by_several_branches() -> None:
    """No head can multicast it to its own segment, so it must not be left to one of them."""
    desk = make_desk(deaf=16, specs=[LAN, LOOPBACK])
    for peer in desk.context.peers:
        peer.segment = netid(100)

    desk.forwarder.forward(make_gossip(payload=bytes(20_000), hop=0, number=1), targets(desk), 0.0)
    assert len(desk.branches()) == 5
    desk.forwarder.forward(make_gossip(hop=0, number=1), targets(desk), 0.0)
    assert len(desk.branches()) == 1


def test_a_gossip_that_has_gone_too_far_stops() -> None:
    desk = make_desk(deaf=1)

    desk.forwarder.forward(make_gossip(hop=MAX_HOPS), targets(desk), 0.0)

    assert desk.branches() == {}
    assert desk.context.counts["hops_exhausted"] == 1


def test_a_head_that_can_not_be_reached_is_planned_around_and_doubted() -> None:
    desk = make_desk(deaf=8)
    lost: list[Record] = [make_gossip(hop=3, distribution=(netid(3), netid(4), netid(5)))]

    desk.forwarder.find_another_way(netid(2), lost, 10.0)

    branches = desk.branches()
    reached = {*branches, *(one for (gossip,) in branches.values() for one in gossip.distribution)}
    assert reached == {netid(3), netid(4), netid(5)}
    assert {gossip.hop for (gossip,) in branches.values()} == {3}  # no further for the detour
    peer = desk.context.peers.get(netid(2))
    assert peer is not None
    assert peer.doubtful_until == 10.0 + DOUBTFUL_S
    assert desk.context.counts["gossip_undeliverable"] == 1


def test_a_doubtful_node_heads_nothing() -> None:
    desk = make_desk(deaf=9)
    desk.forwarder.find_another_way(netid(2), [], 0.0)

    for _ in range(20):
        desk.forwarder.forward(make_gossip(hop=0), targets(desk), 1.0)
        for gossip in desk.branches()[netid(2)]:
            assert gossip.distribution == ()


def test_a_full_queue_holds_up_nobody_else() -> None:
    desk = make_desk(deaf=8)
    slow = targets(desk)[0]
    while desk.links.send(slow, make_gossip(99, bytes(MAX_OUTBOX_BYTES // 50))):
        pass
    for _ in range(10):
        desk.forwarder.forward(
            make_gossip(1, bytes(MAX_OUTBOX_BYTES // 50), hop=0), targets(desk), 0.0
        )

    assert desk.context.counts["outbox_full"] == 10
    branches = desk.branches()
    assert all(gossip.id.seqno == 99 for gossip in branches.pop(slow))
    times: dict[NetID, int] = {}
    for head, gossips in branches.items():
        for gossip in gossips:
            for one in (head, *gossip.distribution):
                times[one] = times.get(one, 0) + 1
    assert times == dict.fromkeys(targets(desk)[1:], 10)


def test_a_full_group_queue_is_counted() -> None:
    desk = make_desk(hearing=2)
    for seqno in range(1, 2000):
        desk.forwarder.forward(make_gossip(seqno, bytes(1000), hop=0, number=1), targets(desk), 0.0)

    sent, refused = (desk.context.counts[name] for name in ("gossip_multicast", "outbox_full"))
    assert refused > 500
    assert sent + refused == 1999
    assert len(desk.multicasts()) == sent
