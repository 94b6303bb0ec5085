"""Which way bursts go: the story of a tight loop on Ethernet."""

from __future__ import annotations

from chatter.core.bulk import (
    MAX_ORIGINS,
    MOST_DATAGRAMS,
    RELAYED_FOR_S,
    SAME_WAY_FOR_S,
    STILL_MANY_DATAGRAMS,
    WAITS_FOR_S,
)
from chatter.core.timing import LEAST_SAMPLES, LEAST_SENDS
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Broadcasts, Burst, encode_bodies
from chatter.wire.records import Probe
from tests.core.benches import LAN, LOOPBACK, ForwardingBench, reached
from tests.core.connections import bring_up
from tests.core.parts import make_gossip, netid


def burst_of(size: int, seqno: int = 1, hop: int = 0) -> Burst:
    """Ten broadcasts of ours, or of another if they have made a hop, of so many bytes in all."""
    payload, one_size = encode_bodies([bytes(size // 10)] * 10)
    origin = netid(1) if not hop else netid(99)
    return Burst(
        BroadcastID(origin, 7, seqno), "tag", "bytes", payload, seqno, 10, one_size, hop, (), True
    )


def datagrams(desk: ForwardingBench, channel: int = 0) -> int:
    """How many wait for a group, taken out."""
    outbox, count = desk.channels[channel].outbox, 0
    while outbox.take(desk.channels[channel].budget, 1 << 40) is not None:
        count += 1
    return count


def test_a_burst_of_many_datagrams_goes_by_connections_and_what_follows_it_too() -> None:
    """What overtook it would make it look lost."""
    desk = ForwardingBench(hearing=8)
    everybody = [netid(number) for number in range(2, 10)]
    budget = desk.channels[0].budget

    def ways(broadcasts: Broadcasts, now: float) -> tuple[bool, bool]:
        """Whether it went by multicast, and by connections to everybody."""
        desk.forwarder.forward(broadcasts, desk.targets(), now)
        return datagrams(desk) > 0, reached(desk.branches()) == everybody

    assert ways(burst_of(MOST_DATAGRAMS * budget - 200), 0.0) == (True, False)
    assert ways(burst_of(MOST_DATAGRAMS * budget + 200, 11), 1.0) == (False, True)
    assert ways(burst_of(budget, 21), 1.0 + SAME_WAY_FOR_S / 2) == (False, True)
    lone = make_gossip(hop=0, number=31, id=BroadcastID(netid(1), 7, 31))
    assert ways(lone, 1.0 + SAME_WAY_FOR_S * 0.9) == (False, True)
    assert ways(lone, 1.1 + SAME_WAY_FOR_S) == (True, False)


def test_as_long_as_something_of_it_waits_nothing_overtakes_it() -> None:
    desk = ForwardingBench(hearing=8)
    large = burst_of((MOST_DATAGRAMS + 1) * desk.channels[0].budget)
    lone = make_gossip(hop=0, number=31, id=BroadcastID(netid(1), 7, 31))

    desk.forwarder.forward(large, desk.targets(), 0.0)
    desk.forwarder.forward(lone, desk.targets(), 2 * SAME_WAY_FOR_S)
    assert datagrams(desk) == 0

    desk.branches()  # it is sent
    desk.forwarder.forward(lone, desk.targets(), 2 * SAME_WAY_FOR_S)
    assert datagrams(desk) == 1


def test_who_takes_little_of_it_keeps_the_others_from_multicast_for_a_while_only() -> None:
    desk = ForwardingBench(hearing=8, deaf=1)
    session = bring_up(desk.links, netid(10))
    large = burst_of((MOST_DATAGRAMS + 1) * desk.channels[0].budget)
    lone = make_gossip(hop=0, number=31, id=BroadcastID(netid(1), 7, 31))
    desk.forwarder.forward(large, desk.targets(), 0.0)
    desk.branches()
    now = 0.0
    while now < 1.0 + SAME_WAY_FOR_S + WAITS_FOR_S:
        now += 0.2
        desk.forwarder.forward(lone, desk.targets(), now)
        desk.links.send(netid(10), Probe((lone.id,)))
        desk.links.bytes_for(session, now)  # it moves, and yet there is always something
        desk.links.send(netid(10), Probe((lone.id,)))
    assert datagrams(desk) > 0


def test_for_who_takes_nothing_of_it_nobody_waits() -> None:
    desk = ForwardingBench(hearing=8)
    large = burst_of((MOST_DATAGRAMS + 1) * desk.channels[0].budget)
    lone = make_gossip(hop=0, number=31, id=BroadcastID(netid(1), 7, 31))

    desk.forwarder.forward(large, desk.targets(), 0.0)
    desk.forwarder.forward(lone, desk.targets(), 0.1 + desk.context.config.slow_after_s)
    assert datagrams(desk) == 1


def test_what_goes_by_connections_is_not_repaired_by_multicast() -> None:
    desk = ForwardingBench(hearing=8)
    budget = desk.channels[0].budget
    askers = [netid(2), netid(3)]
    assert desk.forwarder.multicast_again(burst_of(budget), askers, 0.0)
    assert not desk.forwarder.multicast_again(burst_of((MOST_DATAGRAMS + 1) * budget), askers, 0.0)

    desk.forwarder.forward(burst_of((MOST_DATAGRAMS + 1) * budget), desk.targets(), 0.0)
    assert not desk.forwarder.multicast_again(burst_of(budget), askers, 0.0)
    assert desk.forwarder.multicast_again(burst_of(budget), askers, WAITS_FOR_S + 1)  # it is over


def test_bursts_keep_to_their_tree_whatever_is_measured_and_connected_meanwhile() -> None:
    """In another the next would overtake it, on connections that have to be opened first."""
    desk = ForwardingBench(deaf=20)

    def tree(broadcasts: Broadcasts, now: float) -> frozenset[tuple[NetID, int]]:
        desk.forwarder.forward(broadcasts, desk.targets(), now)
        branches = desk.branches()
        return frozenset((head, len(some[0].distribution)) for head, some in branches.items())

    assert len({tree(make_gossip(step, number=step), step) for step in range(1, 10)}) > 1
    first = tree(burst_of(500), 10.0)
    bring_up(desk.links, netid(7))
    for _ in range(LEAST_SENDS):
        desk.context.timing.sent(0.0001)
    for number in range(2, 22):
        for _ in range(LEAST_SAMPLES):
            desk.context.timing.answered(netid(number), 0.1, 10.0)
    assert tree(burst_of(50_000, 11), 11.0) == first
    desk.links.down(next(desk.links.sessions()), 11.0)
    assert tree(burst_of(20_000, 21), 12.0) == first


def test_a_relay_does_likewise_with_those_of_the_same_origin() -> None:
    """A multicast of its would reach all to whom others bring it."""
    desk = ForwardingBench(hearing=8)
    large = burst_of((MOST_DATAGRAMS + 1) * desk.channels[0].budget, hop=1)
    desk.forwarder.forward(large, desk.targets(), 0.0)
    assert datagrams(desk) == 0
    assert len(reached(desk.branches())) == 8

    desk.forwarder.forward(burst_of(500, 11, hop=1), desk.targets(), 0.1)
    assert datagrams(desk) == 0
    desk.forwarder.forward(make_gossip(1, hop=1, number=1), desk.targets(), 0.1)
    assert datagrams(desk) == 1  # of another origin
    desk.forwarder.forward(burst_of(500, 21, hop=1), desk.targets(), RELAYED_FOR_S)
    assert datagrams(desk) == 1


def test_smaller_bursts_of_the_same_flood_keep_it_by_connections_and_small_ones_do_not() -> None:
    desk = ForwardingBench(hearing=8)
    budget = desk.channels[0].budget
    now = 0.0

    def goes_by_multicast(size: int) -> bool:
        desk.forwarder.forward(burst_of(size), desk.targets(), now)
        desk.branches()
        return datagrams(desk) > 0

    assert not goes_by_multicast((MOST_DATAGRAMS + 1) * budget)
    for _ in range(5):
        now += SAME_WAY_FOR_S * 0.8
        assert not goes_by_multicast((STILL_MANY_DATAGRAMS + 1) * budget)
    now += SAME_WAY_FOR_S * 0.8
    assert not goes_by_multicast(budget)
    now += SAME_WAY_FOR_S * 0.8
    assert goes_by_multicast(budget)


def test_so_many_origins_are_remembered_for_that_and_old_ones_make_room() -> None:
    desk = ForwardingBench(hearing=2)
    large = burst_of((MOST_DATAGRAMS + 1) * desk.channels[0].budget, hop=1)

    def comes_from(number: int, now: float) -> int:
        one = large._replace(id=BroadcastID(netid(number), 7, 1))
        desk.forwarder.forward(one, desk.targets(), now)
        return len(desk.forwarder._bulk._origins)

    assert comes_from(100, 0.0) == 1
    for number in range(101, 100 + MAX_ORIGINS):
        comes_from(number, 1.0)
    assert comes_from(101, 1.0) == MAX_ORIGINS  # one that is known needs no room
    assert comes_from(500, RELAYED_FOR_S) == MAX_ORIGINS  # the first was over
    assert comes_from(501, RELAYED_FOR_S) == 1


def test_neighbours_on_this_host_get_a_burst_in_one_large_datagram() -> None:
    desk = ForwardingBench(hearing=4, deaf=3, specs=(LOOPBACK, LAN))
    for number in range(6, 9):
        peer = desk.context.peers.get(netid(number))
        assert peer is not None
        peer.hears[1] = 0.0
        peer.limits[1] = 1 << 40

    desk.forwarder.forward(burst_of(20 * desk.channels[1].budget), desk.targets(), 0.0)

    assert (datagrams(desk, 0), datagrams(desk, 1)) == (1, 0)
    assert reached(desk.branches()) == [netid(6), netid(7), netid(8)]
