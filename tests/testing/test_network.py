from __future__ import annotations

import pytest

from chatter.ids import NetID
from chatter.testing.faults import Cut, Delay, Duplicate, Lose, Path
from chatter.testing.network import (
    BETWEEN_SEGMENTS_S,
    ETHERNET_DATAGRAM_BYTES,
    IP_UDP_BYTES,
    WITHIN_SEGMENT_S,
    Membership,
)
from tests.testing.ends import GROUP, LOOPBACK, End, address, make_network


def test_unicast_arrives_after_the_way_it_takes() -> None:
    network = make_network()
    a, near, far = (
        End(network, address(number), segment=segment)
        for number, segment in ((1, "a"), (2, "a"), (3, "b"))
    )
    for one in (near, far):
        network.send_datagram(a.netid, one.netid, b"hello")

    assert network.in_flight == 2
    network.clock.run_until(1.0)

    assert near.datagrams == [(WITHIN_SEGMENT_S, b"hello", None, False)]
    assert far.datagrams == [(BETWEEN_SEGMENTS_S, b"hello", None, False)]
    assert network.in_flight == 0


def test_a_group_reaches_its_members_in_the_segment_and_the_sender() -> None:
    network = make_network()
    other = Membership(NetID("224.1.1.2", 29999))
    a = End(network, address(1))
    ends = {
        "member": End(network, address(2), memberships=[other, GROUP]),
        "other group": End(network, address(3), memberships=[other]),
        "other port": End(network, address(4), memberships=[Membership(NetID("224.1.1.1", 5))]),
        "other segment": End(network, address(5), segment="b"),
        "loopback only": End(network, address(6), memberships=[LOOPBACK]),
    }

    network.send_multicast(a.netid, 0, b"all")
    network.clock.run_until(1.0)

    assert {name: end.texts for name, end in ends.items() if end.texts} == {"member": [b"all"]}
    assert ends["member"].datagrams[0][2] == 1  # its own index of the group
    assert a.texts == [b"all"]


def test_loopback_reaches_the_host() -> None:
    network = make_network()
    places = [("h1", "a"), ("h1", "a"), ("h2", "a")]
    a, same, other = (
        End(network, NetID("10.0.0.1", 5 + n), host=host, segment=segment, memberships=[LOOPBACK])
        for n, (host, segment) in enumerate(places)
    )

    network.send_multicast(a.netid, 0, b"x" * 50_000)
    network.clock.run_until(1.0)

    assert [(len(data), loopback) for _, data, _, loopback in same.datagrams] == [(50_000, True)]
    assert other.texts == []


@pytest.mark.parametrize(("ttl", "reached"), [(0, []), (1, [2]), (2, [2, 3]), (4, [2, 3, 4])])
def test_a_multicast_passes_as_many_routers_as_its_ttl_outlasts(
    ttl: int, reached: list[int]
) -> None:
    network = make_network()
    network.route_multicast("a", "b", routers=1)
    network.route_multicast("a", "c", routers=3)
    sender = End(network, address(1), ttl=ttl)
    ends = {
        number: End(network, address(number), segment=segment)
        for number, segment in ((2, "a"), (3, "b"), (4, "c"))
    }

    network.send_multicast(sender.netid, 0, b"x")
    network.clock.run_until(1.0)

    assert [number for number, end in ends.items() if end.texts] == reached


@pytest.mark.parametrize(("more", "arrives"), [(0, True), (1, False)])
def test_what_the_interface_does_not_take_whole_is_dropped_and_counted(
    more: int, arrives: bool
) -> None:
    network = make_network()
    a, b = End(network, address(1)), End(network, address(2))
    data = bytes(ETHERNET_DATAGRAM_BYTES + more)
    network.send_datagram(a.netid, b.netid, data)
    network.send_multicast(a.netid, 0, data)
    network.clock.run_until(1.0)

    assert len(b.texts) == (2 if arrives else 0)
    assert network.counts["udp_too_large"] == network.counts["multicast_too_large"] == more


def test_faults_compose_and_heal() -> None:
    network = make_network()
    a, b = End(network, address(1)), End(network, address(2))
    twice, late = Duplicate(1.0, within_s=0.0), Delay(0.5)
    network.add(twice, late)

    network.send_datagram(a.netid, b.netid, b"1")
    network.clock.run_until(1.0)
    assert [when for when, *_ in b.datagrams] == [0.5 + WITHIN_SEGMENT_S] * 2

    network.heal(twice)
    network.send_datagram(a.netid, b.netid, b"2")
    network.clock.run_until(2.0)
    assert len(b.datagrams) == 3
    network.add(Lose(1.0))
    network.send_datagram(a.netid, b.netid, b"3")
    network.clock.run_until(3.0)
    assert len(b.datagrams) == 3
    assert network.counts["udp_lost"] == 1
    network.heal()
    assert network.fate(Path("udp", a.netid, b.netid)) == [WITHIN_SEGMENT_S]


def test_each_receiver_of_a_multicast_has_a_fate_of_its_own() -> None:
    network = make_network()
    a = End(network, address(1))
    others = [End(network, address(number)) for number in range(2, 202)]
    network.add(Lose(0.5), Cut(sources=[a.netid], targets=[others[0].netid]))

    network.send_multicast(a.netid, 0, b"x")
    network.clock.run_until(1.0)

    assert others[0].texts == []
    assert 60 < sum(len(one.texts) for one in others) < 140
    assert a.texts == [b"x"]


def test_who_is_detached_gets_nothing_and_the_next_one_there_does() -> None:
    network = make_network()
    a, b = End(network, address(1)), End(network, address(2))
    network.send_datagram(a.netid, b.netid, b"on its way")
    network.detach(b.netid)
    again = End(network, address(2))
    network.send_datagram(a.netid, b.netid, b"for the next")
    network.send_multicast(a.netid, 0, b"for all")
    network.clock.run_until(1.0)

    assert b.texts == []
    assert again.texts == [b"for the next", b"for all"]


def test_an_address_has_one_endpoint_and_a_host_one_segment() -> None:
    network = make_network()
    End(network, address(1))

    with pytest.raises(ValueError, match="taken"):
        End(network, address(1))
    with pytest.raises(ValueError, match="segment a"):
        End(network, NetID("10.0.0.1", 77), segment="b")


def test_a_loopback_address_leads_nowhere_from_another_host() -> None:
    network = make_network()
    inside, beside, outside = (
        End(network, NetID("127.0.0.1", 1), host="h1"),
        End(network, NetID("127.0.0.1", 2), host="h1"),
        End(network, address(3)),
    )
    network.send_datagram(beside.netid, inside.netid, b"beside")
    network.send_datagram(outside.netid, inside.netid, b"outside")
    network.clock.run_until(1.0)

    assert [(data, loopback) for _, data, _, loopback in inside.datagrams] == [(b"beside", True)]


def test_taps_see_what_is_sent() -> None:
    network = make_network()
    a, b = End(network, address(1)), End(network, address(2))
    seen: list[tuple[Path, bytes]] = []
    network.taps.append(lambda path, data: seen.append((path, data)))
    network.add(Lose(1.0))
    network.send_datagram(a.netid, b.netid, b"1")
    network.send_multicast(a.netid, 0, b"2")

    assert seen == [
        (Path("udp", a.netid, b.netid), b"1"),
        (Path("multicast", a.netid, GROUP.group), b"2"),
    ]


def test_packets_and_bytes_are_counted_with_their_headers() -> None:
    network = make_network()
    a, b = End(network, address(1)), End(network, address(2))
    network.send_datagram(a.netid, b.netid, bytes(100))
    network.send_multicast(a.netid, 0, bytes(200))

    assert network.counts["udp_sent"] == network.counts["multicast_sent"] == 1
    assert (network.counts["udp_bytes"], network.counts["multicast_bytes"]) == (128, 228)


def test_a_link_rate_holds_up_what_follows() -> None:
    """1,250 bytes with all headers take a tenth of a millisecond at 100 Mbit/s."""
    network = make_network()
    network.bits_per_s = 100e6
    a, b, c = (End(network, address(number)) for number in (1, 2, 3))
    size = 1250 - IP_UDP_BYTES
    network.send_datagram(a.netid, b.netid, bytes(size))
    network.send_multicast(a.netid, 0, bytes(size))
    network.send_datagram(c.netid, b.netid, bytes(size))
    network.clock.run_until(1)

    arrived = [round(at - WITHIN_SEGMENT_S, 9) for at, *_ in b.datagrams]
    assert arrived == [0.0001, 0.0001, 0.0002]  # each host has an interface of its own
    assert [round(at - WITHIN_SEGMENT_S, 9) for at, *_ in c.datagrams] == [0.0002]


def test_a_process_sends_one_after_the_other_if_a_send_costs_something() -> None:
    network = make_network()
    network.send_s = 0.001
    a, b = (End(network, address(number)) for number in (1, 2))
    neighbour = End(network, address(3), host="10.0.0.1")

    for _ in range(3):
        network.send_datagram(a.netid, b.netid, b"x")
    network.send_datagram(neighbour.netid, b.netid, b"y")
    network.clock.run_until(1.0)

    arrivals = [(round(at, 6), text) for at, text, _, _ in b.datagrams]
    assert arrivals == [(0.0011, b"x"), (0.0011, b"y"), (0.0021, b"x"), (0.0031, b"x")]


def test_sending_comes_before_the_interface() -> None:
    network = make_network()
    network.send_s = 0.001
    network.bits_per_s = 8 * 1000
    a, b = (End(network, address(number)) for number in (1, 2))

    for _ in range(2):
        network.send_datagram(a.netid, b.netid, bytes(10 - IP_UDP_BYTES % 10))
    network.clock.run_until(1.0)

    size = 10 - IP_UDP_BYTES % 10 + IP_UDP_BYTES
    first = 0.001 + size / 1000 + WITHIN_SEGMENT_S
    assert [at for at, *_ in b.datagrams] == pytest.approx([first, first + size / 1000])


def test_a_round_trip_is_both_ways_with_what_it_costs_to_send() -> None:
    network = make_network()
    network.send_s = 0.001
    a, b = (End(network, address(number), segment=str(number)) for number in (1, 2))
    network.add(Delay(0.02, sources=[b.netid]))

    round_trip_s = network.round_trip_s(a.netid, b.netid)

    assert round_trip_s == pytest.approx(2 * BETWEEN_SEGMENTS_S + 0.02 + 0.002)
    network.add(Lose(1.0))
    assert network.round_trip_s(a.netid, b.netid) is None
