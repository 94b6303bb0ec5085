"""Names are parsed, normalized and printed; what can't be a name is refused."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatter.ids import (
    EPOCH_RANDOM_BITS,
    LIFE_BYTES,
    MAX_EPOCH,
    BroadcastID,
    NetID,
    epoch_of,
    make_life,
    netid_from_packed,
    split_address,
)

PROPERTY = settings(derandomize=True)


@PROPERTY
@given(st.ip_addresses(), st.integers(1, 65535))
def test_printed_and_parsed_it_is_the_same(ip: object, port: int) -> None:
    netid = NetID(str(ip), port)

    assert NetID.parse(str(netid)) == netid
    assert netid_from_packed(netid.packed, netid.port) == netid
    assert pickle.loads(pickle.dumps(netid)) == netid
    assert hash(NetID.parse(str(netid))) == hash(netid)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("192.168.1.10:29999", "192.168.1.10:29999"),
        ("[2001:DB8:0:0::1]:1", "[2001:db8::1]:1"),
        ("[::1]:65535", "[::1]:65535"),
        # An IPv4 node has one name, or it would be two nodes, and one of them not on loopback.
        ("[::ffff:192.168.1.10]:29999", "192.168.1.10:29999"),
        ("[::ffff:7f00:1]:29999", "127.0.0.1:29999"),
    ],
)
def test_one_name_for_one_node(text: str, printed: str) -> None:
    netid = NetID.parse(text)

    assert str(netid) == printed
    assert netid == NetID.parse(printed)
    assert repr(netid) == f"NetID({netid.ip!r}, {netid.port})"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("192.168.1.10", "not of the form"),
        (":29999", "not of the form"),
        ("", "not of the form"),
        ("::1:29999", "in brackets"),
        ("10.0.0.1:", "not a port"),
        ("10.0.0.1:65536", "not a port"),
        ("10.0.0.1:-1", "not a port"),
        ("10.0.0.1:+1", "not a port"),
        ("10.0.0.1:1_0", "not a port"),
        ("10.0.0.1:\u0661", "not a port"),
        ("10.0.0.1:" + "9" * 5000, "not a port"),
        ("10.0.0.1:0", "from 1 to 65535"),
        ("localhost:29999", "localhost"),
        ("10.0.0.256:29999", "10.0.0.256"),
        ("010.0.0.1:29999", "010.0.0.1"),
        ("[fe80::1%eth0]:29999", "scope"),
    ],
)
def test_what_is_no_netid(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        NetID.parse(text)


@pytest.mark.parametrize("port", [0, -1, 65536, True, "1", 1.0, None])
def test_a_port_is_a_whole_number_in_range(port: object) -> None:
    with pytest.raises(ValueError, match="from 1 to 65535"):
        NetID("10.0.0.1", port)  # type: ignore[arg-type]


def test_who_binds_may_say_port_0_and_a_host_name() -> None:
    assert split_address("10.0.0.1:0") == ("10.0.0.1", 0)
    assert split_address("node.example:29999") == ("node.example", 29999)
    assert split_address("[::1]:0") == ("::1", 0)


@pytest.mark.parametrize(
    ("ip", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", True),  # connects to this host
        ("::", True),
        ("128.0.0.1", False),
        ("10.0.0.1", False),
        ("2001:db8::1", False),
    ],
)
def test_which_addresses_mean_this_host(ip: str, loopback: bool) -> None:
    assert NetID(ip, 1).is_loopback is loopback


def test_equal_bytes_give_the_very_same_netid() -> None:
    assert netid_from_packed(b"\x0a\0\0\1", 7) is netid_from_packed(b"\x0a\0\0\1", 7)


def test_a_broadcast_id_prints_what_names_it() -> None:
    assert str(BroadcastID(NetID("10.0.0.1", 7), 0xABC, 12)) == "10.0.0.1:7/abc/12"


@PROPERTY
@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10), st.integers(0, MAX_EPOCH))
def test_a_life_is_above_what_it_must_exceed(unix_ms: int, noise: bytes, above: int) -> None:
    life = make_life(unix_ms, noise, above=above)
    last = MAX_EPOCH >> EPOCH_RANDOM_BITS

    assert len(life) == LIFE_BYTES
    assert epoch_of(life) >> EPOCH_RANDOM_BITS >= unix_ms
    assert epoch_of(life) > above or above >> EPOCH_RANDOM_BITS == last
    assert life[6:] == noise


def test_a_life_without_a_predecessor_has_the_time_it_began() -> None:
    life = make_life(0x0123456789AB, bytes(range(10)))

    assert life.hex() == "0123456789ab" + "0001" + "0203040506070809"
