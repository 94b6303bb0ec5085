"""Real sockets on loopback, TTL 0; other interfaces are made in a network namespace."""

from __future__ import annotations

import errno
import os
import random
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from chatter.errors import ConfigError
from chatter.net import options, sockets
from chatter.net.interfaces import Interface, interface_of
from chatter.net.sockets import (
    Endpoint,
    MulticastPair,
    MulticastUnavailable,
    open_endpoint,
    open_multicast,
    preferred_endpoint,
    tune_stream,
)

LO = interface_of("127.0.0.1")
SILENCE_S = 0.2
DEADLINE_S = 5.0

linux_only = pytest.mark.skipif(not options.LINUX, reason="an option of Linux")


def random_group() -> str:
    """Parallel runs on one machine must not hear each other."""
    return f"239.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"


def random_port() -> int:
    """Below the ports that the system hands out by itself."""
    return random.randrange(20000, 32000)


def open_on_lo(group: str, port: int) -> MulticastPair:
    return open_multicast(group, port, LO, ttl=4)


def hears(sock: socket.socket) -> bytes:
    sock.settimeout(DEADLINE_S)
    return sock.recv(65536)


def hears_nothing(sock: socket.socket) -> bool:
    sock.settimeout(SILENCE_S)
    try:
        sock.recv(65536)
    except TimeoutError:
        return True
    return False


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    opened = open_endpoint("127.0.0.1", 0)
    yield opened
    opened.close()


# --- endpoints ---


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.0.0.5", "0.0.0.0", "::1", "::"])
def test_port_0_gives_tcp_and_udp_the_same_number(ip: str) -> None:
    opened = open_endpoint(ip, 0)
    try:
        assert opened.port > 0
        assert opened.tcp.getsockname()[1] == opened.udp.getsockname()[1] == opened.port
        with socket.create_connection((ip, opened.port), timeout=DEADLINE_S):
            pass
    finally:
        opened.close()


def test_port_0_tries_again_when_udp_has_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    real = sockets._bind_both
    refused: list[int] = []

    def taken_twice(ip: str, port: int) -> Endpoint:
        if len(refused) < 2:
            refused.append(port)
            raise OSError(errno.EADDRINUSE, "taken")
        return real(ip, port)

    monkeypatch.setattr(sockets, "_bind_both", taken_twice)
    open_endpoint("127.0.0.1", 0).close()
    assert refused == [0, 0]


def test_port_0_gives_up_after_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def always_taken(ip: str, port: int) -> Endpoint:
        attempts.append(port)
        raise OSError(errno.EADDRINUSE, "taken")

    monkeypatch.setattr(sockets, "_bind_both", always_taken)
    with pytest.raises(ConfigError, match="free for both TCP and UDP"):
        open_endpoint("127.0.0.1", 0)
    assert len(attempts) == sockets.PORT_ATTEMPTS


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("ip", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_names_port_0(kind: socket.SocketKind, ip: str) -> None:
    with socket.socket(socket.AF_INET, kind) as squatter:
        # The squatter is generous; a taken port must show all the same.
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((ip, 0))
        if kind == socket.SOCK_STREAM:
            squatter.listen()
        port = squatter.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} .*taken.*port 0") as caught:
            open_endpoint(ip, port)
    assert str(caught.value).startswith("address: ")


@pytest.mark.parametrize("ip", ["127.0.0.1", "0.0.0.0"])
def test_two_nodes_never_share_a_port(ip: str) -> None:
    first = open_endpoint(ip, 0)
    try:
        with pytest.raises(ConfigError, match="taken"):
            open_endpoint(ip, first.port)
    finally:
        first.close()


def test_a_failed_attempt_keeps_nothing_open() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as squatter:
        squatter.bind(("127.0.0.1", 0))
        port = squatter.getsockname()[1]
        before = os.listdir("/proc/self/fd")
        with pytest.raises(ConfigError):
            open_endpoint("127.0.0.1", port)
        assert os.listdir("/proc/self/fd") == before


def test_a_restart_takes_its_port_back_from_time_wait() -> None:
    first = open_endpoint("127.0.0.1", 0)
    with socket.create_connection(("127.0.0.1", first.port), timeout=DEADLINE_S) as peer:
        accepted, _ = first.tcp.accept()
        accepted.close()  # whoever closes first keeps the port in TIME_WAIT
        assert hears(peer) == b""
    first.close()
    open_endpoint("127.0.0.1", first.port).close()


def test_preferred_port_if_free_else_another(endpoint: Endpoint) -> None:
    other = preferred_endpoint("127.0.0.1", endpoint.port)
    try:
        assert other.port != endpoint.port
    finally:
        other.close()
    endpoint.close()
    again = preferred_endpoint("127.0.0.1", endpoint.port)
    assert again.port == endpoint.port
    again.close()


@pytest.mark.parametrize(
    ("ip", "port", "says"),
    [
        ("203.0.113.77", 0, "no address of this machine.*advertise"),
        ("localhost", 0, "is not an IP address"),
        ("239.1.1.1", 0, "is a multicast group"),
        ("127.0.0.1", 65536, "0 to 65535"),
        ("127.0.0.1", -1, "0 to 65535"),
    ],
)
def test_an_address_that_cannot_work_is_explained(ip: str, port: int, says: str) -> None:
    for opener in (open_endpoint, preferred_endpoint):
        with pytest.raises(ConfigError, match=says):
            opener(ip, port)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EMFILE])
def test_other_errors_are_explained_and_never_evaded(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(ip: str, port: int) -> Endpoint:
        raise OSError(code, "no")

    monkeypatch.setattr(sockets, "_bind_both", refuse)
    for opener in (open_endpoint, preferred_endpoint):
        with pytest.raises(ConfigError, match="address: this process"):
            opener("127.0.0.1", 80)


# --- multicast ---


def test_two_receivers_and_the_sender_itself_hear_one_datagram() -> None:
    group, port = random_group(), random_port()
    one, two = open_on_lo(group, port), open_on_lo(group, port)
    try:
        one.send.sendto(b"to all", (group, port))
        assert hears(one.receive) == hears(two.receive) == b"to all"
        assert hears_nothing(one.receive)
    finally:
        one.close()
        two.close()


def test_a_receiver_does_not_hear_another_group_on_its_port() -> None:
    port = random_port()
    group, other = "239.77.1.1", "239.77.1.2"
    mine, theirs = open_on_lo(group, port), open_on_lo(other, port)
    try:
        theirs.send.sendto(b"not yours", (other, port))
        assert hears(theirs.receive) == b"not yours"
        assert hears_nothing(mine.receive)
    finally:
        mine.close()
        theirs.close()


def test_a_wildcard_node_lives_beside_groups_on_its_port_and_does_not_hear_them() -> None:
    group, port = random_group(), random_port()
    earlier = open_on_lo(group, port)
    node = open_endpoint("0.0.0.0", port)
    later = open_on_lo(group, port)
    try:
        later.send.sendto(b"group", (group, port))
        assert hears(earlier.receive) == hears(later.receive) == b"group"
        assert hears_nothing(node.udp)
        later.send.sendto(b"unicast", ("127.0.0.1", port))
        assert hears(node.udp) == b"unicast"
    finally:
        for opened in (earlier, node, later):
            opened.close()


def test_the_largest_datagram_arrives_and_eight_wait() -> None:
    group, port = random_group(), random_port()
    pair = open_on_lo(group, port)
    try:
        assert 0 < pair.max_datagram_bytes <= min(LO.mtu - 28, 60 * 1024)
        assert pair.max_datagram_bytes * 8 <= pair.granted_receive_bytes
        frame = bytes(pair.max_datagram_bytes)
        for _ in range(8):
            pair.send.sendto(frame, (group, port))
        assert [len(hears(pair.receive)) for _ in range(8)] == [len(frame)] * 8
    finally:
        pair.close()


@pytest.mark.parametrize(("mtu", "largest"), [(1500, 1472), (1400, 1372)])
def test_a_datagram_fits_the_mtu(mtu: int, largest: int) -> None:
    narrow = Interface(LO.index, LO.name, LO.ip, mtu, True)
    pair = open_multicast(random_group(), random_port(), narrow, ttl=0)
    pair.close()
    assert pair.max_datagram_bytes == largest


@pytest.mark.parametrize("granted", [100_000, 8 * 5000])
def test_a_small_buffer_bounds_the_datagram(monkeypatch: pytest.MonkeyPatch, granted: int) -> None:
    monkeypatch.setattr(sockets, "grow_buffer", lambda sock, option: granted)
    pair = open_on_lo(random_group(), random_port())
    pair.close()
    assert pair.max_datagram_bytes == granted // 8


@linux_only
def test_granted_is_half_of_what_linux_reports() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        granted = options.grow_buffer(udp, socket.SO_RCVBUF)
        assert udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * granted
        assert granted <= options.WANTED_BUFFER_BYTES


def test_nothing_sent_on_loopback_has_a_ttl() -> None:
    pair = open_multicast(random_group(), random_port(), LO, ttl=255)
    try:
        assert pair.send.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 0
        assert pair.send.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP) == 1
    finally:
        pair.close()


@pytest.mark.parametrize(
    ("group", "port", "ttl", "says"),
    [
        ("192.168.1.1", 29999, 1, "multicast: .*not a multicast address"),
        ("chatter", 29999, 1, "multicast: .*not a multicast address"),
        ("fd00::1", 29999, 1, "multicast: .*not a multicast address"),
        ("239.1.1.1", 0, 1, "multicast: port 0"),
        ("239.1.1.1", 65536, 1, "multicast: port 65536"),
        ("239.1.1.1", 29999, 256, "multicast_ttl: 256"),
        ("239.1.1.1", 29999, -1, "multicast_ttl: -1"),
    ],
)
def test_a_group_that_cannot_be_is_a_config_error(
    group: str, port: int, ttl: int, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        open_multicast(group, port, LO, ttl)


@pytest.mark.parametrize(
    ("interface", "code", "says"),
    [
        (
            Interface(LO.index, "lo", "127.0.0.1", 65536, True, up=False),
            errno.ENETDOWN,
            "link set lo up",
        ),
        (
            Interface(LO.index, "wg0", "127.0.0.1", 1420, False, multicast=False),
            errno.EOPNOTSUPP,
            "link set wg0 multicast on",
        ),
        (Interface(LO.index, "tiny", "127.0.0.1", 200, True), errno.EMSGSIZE, "raise the MTU"),
        (Interface(99999, "gone", "127.0.0.1", 1500, True), errno.ENODEV, "`interface`"),
    ],
    ids=["down", "no multicast flag", "small MTU", "gone"],
)
def test_an_interface_that_cannot_serve_is_unavailable_with_advice(
    interface: Interface, code: int, says: str
) -> None:
    with pytest.raises(MulticastUnavailable) as caught:
        open_multicast(random_group(), random_port(), interface, 0)
    assert caught.value.errno == code
    assert says in caught.value.advice
    assert str(caught.value) == f"{caught.value.strerror}; {caught.value.advice}"


def test_a_selfish_program_on_the_groups_port_is_named() -> None:
    group = random_group()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as selfish:
        selfish.bind(("0.0.0.0", 0))
        with pytest.raises(MulticastUnavailable, match="another program holds port") as caught:
            open_on_lo(group, selfish.getsockname()[1])
    assert caught.value.errno == errno.EADDRINUSE


# --- streams ---


def test_a_tuned_stream_neither_waits_nor_outlives_a_dead_host(endpoint: Endpoint) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=DEADLINE_S) as stream:
        tune_stream(stream)
        assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if options.LINUX:
            assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
            assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 25_000


def test_a_stream_is_tuned_where_the_system_has_fewer_options(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TCP_KEEPIDLE", "TCP_USER_TIMEOUT", "TCP_NOTSENT_LOWAT", "TCP_KEEPCNT"):
        monkeypatch.delattr(socket, name, raising=False)
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=DEADLINE_S) as stream:
        tune_stream(stream)
        assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# --- other interfaces, in a network namespace of its own ---

IN_NAMESPACE = """
import socket, subprocess, sys
from chatter.errors import ConfigError
from chatter.net.interfaces import default_address, interface_of
from chatter.net.sockets import MulticastUnavailable, open_endpoint, open_multicast

def ip(text):
    subprocess.run(["ip", *text.split()], check=True)

def hears(pair, wanted):
    pair.receive.settimeout(5 if wanted else 0.2)
    try:
        data = pair.receive.recv(100)
    except TimeoutError:
        data = None
    assert data == wanted, (data, wanted)

def refused(name, group="239.77.3.1"):
    try:
        open_multicast(group, 29999, interface_of(name), 1)
    except MulticastUnavailable as error:
        return str(error)
    raise SystemExit("not refused")

ip("link set lo up")
"""


def in_namespace(script: str) -> None:
    """Run Python in a fresh network namespace, which is gone when it ends."""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", IN_NAMESPACE + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr


VETH = """
ip("link add left type veth peer name right")
ip("address add 10.77.0.1/24 dev left")
ip("address add 10.77.0.2/24 dev left")
"""


@pytest.mark.namespaces
def test_without_a_route_the_default_address_is_loopback() -> None:
    in_namespace('assert default_address() == "127.0.0.1", default_address()')


@pytest.mark.namespaces
def test_a_labelled_address_belongs_to_its_interface() -> None:
    in_namespace(
        VETH
        + """
ip("address add 10.77.0.3/24 dev left label left:1")
assert interface_of("10.77.0.3").name == "left"
assert interface_of("10.77.0.3").index == interface_of("10.77.0.1").index
"""
    )


@pytest.mark.namespaces
def test_interfaces_that_are_down_or_carry_no_multicast_are_refused() -> None:
    in_namespace(
        VETH
        + """
assert "ip link set left up" in refused("10.77.0.1")
ip("link set left up")
ip("link set right up")
ip("link set left multicast off")
assert "ip link set left multicast on" in refused("10.77.0.2")
ip("link set left multicast on")
open_multicast("239.77.3.1", 29999, interface_of("10.77.0.2"), 1)
was_up = interface_of("10.77.0.1")
ip("link set left down")
try:
    open_multicast("239.77.3.1", 29999, was_up, 1)
except MulticastUnavailable as error:
    assert "no route" in str(error), error
else:
    raise SystemExit("not refused")
"""
    )


@pytest.mark.namespaces
def test_one_group_on_two_interfaces_is_heard_apart() -> None:
    in_namespace(
        VETH
        + """
ip("link set left up")
ip("link set right up")
ip("-6 address add fd77::1/64 dev left nodad")
ip("-6 route add local ff00::/8 table local dev lo")
assert interface_of("fd77::1").name == "left"
for group, near, far in (("239.77.3.1", "127.0.0.1", "10.77.0.2"), ("ff15::77", "::1", "fd77::1")):
    one = open_multicast(group, 29999, interface_of(near), 1)
    two = open_multicast(group, 29999, interface_of(far), 1)
    one.send.sendto(b"near", (group, 29999))
    hears(one, b"near")
    hears(two, None)
    two.send.sendto(b"far", (group, 29999))
    two.receive.settimeout(5)
    data, source = two.receive.recvfrom(100)
    assert (data, source[0]) == (b"far", far), (data, source)
    hears(one, None)
"""
    )


@pytest.mark.namespaces
def test_ipv6_loopback_without_a_multicast_route_is_explained() -> None:
    in_namespace(
        """
        text = refused("::1", "ff15::77")
        assert "ip -6 route add local ff00::/8 table local dev lo" in text, text
        """
    )
