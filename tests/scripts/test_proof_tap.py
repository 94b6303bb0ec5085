"""What a tap makes of packets, and what it says about a relay."""

from __future__ import annotations

import socket
import struct

from scripts.lab.namespaces import Host
from scripts.lab.proof.tap import Overlap, Segment, overlap, read_segment

ORIGIN, LAST, STRANGER = "10.77.1.1", "10.77.3.1", "10.77.9.9"
RELAY = Host(2, 1, "relay")


def packet(data_bytes: int, *, kind: int = 0x0800, protocol: int = socket.IPPROTO_TCP) -> bytes:
    """Ethernet, IPv4 with 4 bytes of options, TCP with 12: lengths have to be read, not guessed."""
    addresses = socket.inet_aton(ORIGIN) + socket.inet_aton(RELAY.ip)
    total = 24 + 32 + data_bytes
    ip = struct.pack("!BBHHHBBH8s4x", 0x46, 0, total, 0, 0, 64, protocol, 0, addresses)
    tcp = struct.pack("!HHIIBBHHH12x", 29999, 40000, 1, 1, 0x80, 0x18, 0, 0, 0)
    return bytes(12) + struct.pack("!H", kind) + ip + tcp


def test_a_segment_is_read_from_its_headers() -> None:
    expected = Segment("s2h1", True, ORIGIN, RELAY.ip, 1000)
    assert read_segment("s2h1", True, packet(1000)) == expected


def test_what_holds_no_tcp_data_is_left_out() -> None:
    assert read_segment("s2h1", True, packet(0)) is None
    assert read_segment("s2h1", True, packet(9, protocol=socket.IPPROTO_UDP)) is None
    assert read_segment("s2h1", True, packet(9, kind=0x86DD)) is None
    assert read_segment("s2h1", True, b"\0" * 20) is None


def came(data_bytes: int, source: str = ORIGIN) -> Segment:
    return Segment(RELAY.link, True, source, RELAY.ip, data_bytes)


def went(data_bytes: int, destination: str = LAST) -> Segment:
    return Segment(RELAY.link, False, RELAY.ip, destination, data_bytes)


def test_a_relay_that_sends_early_overlaps() -> None:
    seen = [came(60), went(10), came(20), went(30), came(40), went(80)]
    found = overlap(seen, RELAY, ORIGIN, LAST, 40)
    assert found == Overlap(received=80, received_in_all=120, sent=40, sent_in_all=120)
    assert found.overlaps


def test_one_that_waits_for_the_last_byte_does_not() -> None:
    assert not overlap([came(60), came(60), went(120)], RELAY, ORIGIN, LAST, 40).overlaps


def test_one_that_never_sends_so_much_does_not() -> None:
    assert not overlap([came(60), went(39), came(60)], RELAY, ORIGIN, LAST, 40).overlaps


def test_other_cables_and_other_nodes_do_not_count() -> None:
    elsewhere = Segment("s1h1", False, RELAY.ip, LAST, 500)
    seen = [came(60), elsewhere, went(500, STRANGER), came(500, STRANGER), came(60), went(120)]
    found = overlap(seen, RELAY, ORIGIN, LAST, 40)
    assert found == Overlap(120, 120, 40, 120)
    assert not found.overlaps
