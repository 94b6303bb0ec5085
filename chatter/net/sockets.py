"""Open, bind and join: the sockets of a node, with the lore of each platform in one place.

A node has one TCP listener and one unicast UDP socket on the same port number, which is its
NetID's, and for each multicast group and interface a receiver and a sender. What goes wrong is
explained (`explain.py`) to the operator in the words of the settings: `ConfigError` where the node
can't start like this, `MulticastUnavailable` where it can do without the group. What differs
between platforms is in `options.py`.

`socket` is always named by module, at the time of the call, so that a monkey patch made after this
module was imported is honoured.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from contextlib import ExitStack
from dataclasses import dataclass

from chatter.errors import ConfigError
from chatter.net.explain import explain_bind_error, explain_join_error
from chatter.net.interfaces import Interface
from chatter.net.options import (
    family_of,
    grow_buffer,
    hear_only_joined_groups,
    new_socket,
    open_receiver,
    open_sender,
)

PORT_ATTEMPTS = 64
BACKLOG = 512

# One frame is at most 64 KiB; on loopback a datagram may be nearly as large.
MAX_DATAGRAM_BYTES = 60 << 10
# At least so many datagrams must fit a receive buffer, or two senders at once overrun it.
DATAGRAMS_PER_BUFFER = 8
# Below this, a frame's header, tag and NetID table leave no room for a message.
MIN_DATAGRAM_BYTES = 256

_UDP_HEADER_BYTES = 8
_IP_HEADER_BYTES = {socket.AF_INET: 20, socket.AF_INET6: 40}

# A dead host is noticed after 10 + 3 * 5 seconds, with and without data under way.
_KEEPALIVE_IDLE_S = 10
_KEEPALIVE_INTERVAL_S = 5
_KEEPALIVE_COUNT = 3
_DEAD_AFTER_MS = 1000 * (_KEEPALIVE_IDLE_S + _KEEPALIVE_COUNT * _KEEPALIVE_INTERVAL_S)
_UNSENT_BYTES = 256 << 10


class MulticastUnavailable(OSError):
    """A group can't be used on an interface; nothing is left open, and TCP works without it.

    Attributes:
        errno: the system's number for it.
        strerror: what it means, naming group and interface.
        advice: what the operator can do.
    """

    def __init__(self, code: int, meaning: str, advice: str) -> None:
        super().__init__(code, meaning)
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.strerror}; {self.advice}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A listening TCP socket and a UDP socket on one port number: where a node is reached."""

    tcp: socket.socket
    udp: socket.socket
    port: int

    def close(self) -> None:
        """Close both."""
        self.tcp.close()
        self.udp.close()


@dataclass(frozen=True, slots=True)
class MulticastPair:
    """The sockets of one group on one interface.

    Attributes:
        receive: hears this group at this port on this interface, and nothing else.
        send: sends to the group by this interface (``send.sendto(frame, (group, port))``). It hears
            nothing; the node's own datagrams come in at `receive`.
        granted_receive_bytes: the payload that `receive` holds while nobody reads, if it comes in
            datagrams not far below `max_datagram_bytes`. Linux reserves twice that and charges each
            datagram its memory, about the payload + 768 bytes, so small ones fill it sooner.
        max_datagram_bytes: the largest payload to put into one datagram: no IP fragmentation, and
            an eighth of the buffer at most.
    """

    receive: socket.socket
    send: socket.socket
    granted_receive_bytes: int
    max_datagram_bytes: int

    def close(self) -> None:
        """Close both, which also leaves the group."""
        self.receive.close()
        self.send.close()


def open_endpoint(ip: str, port: int) -> Endpoint:
    """A TCP listener and a UDP socket on the same port of `ip`.

    Args:
        ip: an address of this machine, or a wildcard (``0.0.0.0``; ``::`` takes IPv6 alone).
        port: 0 to 65535; 0 picks one that is free for both.

    Raises:
        ConfigError: the port is taken, the address isn't ours, or the like; says what to do.
    """
    _check_endpoint(ip, port)
    for _ in range(1 if port else PORT_ATTEMPTS):
        try:
            return _bind_both(ip, port)
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE:
                raise ConfigError(explain_bind_error(error, ip, port)) from error
    raise ConfigError(
        f"address: {PORT_ATTEMPTS} attempts found no port of {ip} that is free for both TCP and "
        "UDP; widen `sysctl net.ipv4.ip_local_port_range`, or name a port"
    )


def preferred_endpoint(ip: str, preferred_port: int) -> Endpoint:
    """Like `open_endpoint`, but a preferred port that is taken gives way to a free one.

    Raises:
        ConfigError: as `open_endpoint`, except for a port that is taken.
    """
    _check_endpoint(ip, preferred_port)
    try:
        return _bind_both(ip, preferred_port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise ConfigError(explain_bind_error(error, ip, preferred_port)) from error
    return open_endpoint(ip, 0)


def open_multicast(group: str, port: int, interface: Interface, ttl: int) -> MulticastPair:
    """A receiver that joined `group` on `interface`, and a sender for it.

    Args:
        group: a multicast address, IPv4 or IPv6.
        port: 1 to 65535.
        interface: the only one that is listened to and sent on.
        ttl: routers that a datagram may pass, plus one; 0 to 255, 0 stays on this machine. On a
            loopback interface it is 0 whatever is asked.

    Raises:
        ConfigError: not a multicast address, or a port or TTL out of range.
        MulticastUnavailable: the system refuses, now or foreseeably when sending.
    """
    _check_group(group, port, ttl)
    family = family_of(group)
    try:
        _check_interface(interface)
        with ExitStack() as undo:
            receive = undo.enter_context(open_receiver(family, group, port, interface))
            granted = grow_buffer(receive, socket.SO_RCVBUF)
            largest = min(
                interface.mtu - _IP_HEADER_BYTES[family] - _UDP_HEADER_BYTES,
                MAX_DATAGRAM_BYTES,
                granted // DATAGRAMS_PER_BUFFER,
            )
            if largest < MIN_DATAGRAM_BYTES:
                raise OSError(errno.EMSGSIZE, "no room for a frame")
            with open_sender(family, group, interface, ttl) as probe:
                # Finds the route without sending, so a missing one is known at the start. A socket
                # of its own, because some systems refuse sendto() on a connected one.
                probe.connect((group, port))
            send = undo.enter_context(open_sender(family, group, interface, ttl))
            grow_buffer(send, socket.SO_SNDBUF)
            undo.pop_all()
    except OSError as error:
        meaning, advice = explain_join_error(error, group, port, interface)
        raise MulticastUnavailable(error.errno or 0, meaning, advice) from error
    return MulticastPair(receive, send, granted, largest)


def tune_stream(sock: socket.socket) -> None:
    """Prepare a connected TCP socket: frames leave at once, a dead host is noticed within 25 s.

    Raises:
        OSError: the connection is gone already.
    """
    # Frames are whole when written; waiting for more to fill a segment only delays them.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Keepalive rests while data is unacknowledged; without the user timeout, that takes 15 minutes.
    # macOS calls the idle time TCP_KEEPALIVE.
    for name, value in (
        ("TCP_KEEPIDLE", _KEEPALIVE_IDLE_S),
        ("TCP_KEEPALIVE", _KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", _KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", _KEEPALIVE_COUNT),
        ("TCP_USER_TIMEOUT", _DEAD_AFTER_MS),
        # SO_SNDBUF and SO_RCVBUF stay unset: setting them ends the kernel's own tuning to the
        # round trip. What must be bounded is the unsent part, which delays all that comes later.
        ("TCP_NOTSENT_LOWAT", _UNSENT_BYTES),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _check_endpoint(ip: str, port: int) -> None:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        raise ConfigError(
            f"address: {ip!r} is not an IP address; write 192.168.1.10:29999"
        ) from None
    if address.is_multicast:
        raise ConfigError(
            f"address: {ip} is a multicast group; name one node, and put it in multicast"
        )
    if not 0 <= port <= 65535:
        raise ConfigError(f"address: port {port} is not from 0 to 65535; 0 picks a free one")


def _check_group(group: str, port: int, ttl: int) -> None:
    try:
        is_group = ipaddress.ip_address(group).is_multicast
    except ValueError:
        is_group = False
    if not is_group:
        raise ConfigError(
            f"multicast: {group!r} is not a multicast address; "
            "use one of 224.0.0.0/4 (239.0.0.0/8 is for private use) or of ff00::/8"
        )
    if not 1 <= port <= 65535:
        raise ConfigError(f"multicast: port {port} is not from 1 to 65535; all nodes need the same")
    if not 0 <= ttl <= 255:
        raise ConfigError(
            f"multicast_ttl: {ttl} is not from 0 to 255; 1 stays on the local network"
        )


def _check_interface(interface: Interface) -> None:
    """Refuse what Linux would take without a word, and then lose every datagram."""
    if not interface.up:
        raise OSError(errno.ENETDOWN, "interface down")
    if not interface.multicast and not interface.loopback:
        raise OSError(errno.EOPNOTSUPP, "no multicast flag")


def _bind_both(ip: str, port: int) -> Endpoint:
    family = family_of(ip)
    with ExitStack() as undo:
        tcp = undo.enter_context(new_socket(family, socket.SOCK_STREAM))
        # A restarted node takes its port although connections of its former life are in TIME_WAIT.
        # Two that bound the same port this way part at listen(), so that belongs to the attempt.
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((ip, port))
        tcp.listen(BACKLOG)
        port = tcp.getsockname()[1]
        udp = undo.enter_context(new_socket(family, socket.SOCK_DGRAM))
        if ipaddress.ip_address(ip).is_unspecified:
            _share_with_groups(udp, port)
        hear_only_joined_groups(udp)
        udp.bind((ip, port))
        grow_buffer(udp, socket.SO_RCVBUF)
        grow_buffer(udp, socket.SO_SNDBUF)
        undo.pop_all()
    return Endpoint(tcp, udp, port)


def _share_with_groups(udp: socket.socket, port: int) -> None:
    """Let a wildcard socket bind beside multicast receivers of its port, ours and other nodes'.

    A wildcard covers group addresses too, so both sides need SO_REUSEADDR. With it the kernel would
    also let two wildcard sockets steal each other's datagrams. So first somebody must be able to
    bind the port on loopback without the option, which only receivers of groups do not prevent.
    """
    with new_socket(udp.family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("::1" if udp.family == socket.AF_INET6 else "127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
