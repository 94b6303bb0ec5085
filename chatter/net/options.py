"""Socket options, and what each platform makes of them.

Linux is the platform that chatter is measured on. Where another system lacks an option or takes it
in another form, the function here does what comes nearest and says so.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import sys
from contextlib import ExitStack

from chatter.net.interfaces import Interface

LINUX = sys.platform == "linux"

# linux/in.h and linux/in6.h; the socket module learnt these names late or never.
_IP_MULTICAST_ALL = 49
_IPV6_MULTICAST_ALL = 29

# asm-generic/socket.h and linux/sock_diag.h: an array of 32 bit numbers, of which one counts drops.
_SO_MEMINFO = 55
_MEMINFO_DROPS = 8

# A burst from many nodes arrives faster than a busy greenlet gets its turn; the kernel keeps it.
WANTED_BUFFER_BYTES = 4 << 20


def family_of(ip: str) -> socket.AddressFamily:
    """AF_INET or AF_INET6, by how the address is written."""
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


def open_receiver(
    family: socket.AddressFamily, group: str, port: int, interface: Interface
) -> socket.socket:
    """A UDP socket that hears `group` at `port`, as it arrives on `interface`, and nothing else.

    Raises:
        OSError: the system's own; nothing is left open.
    """
    with ExitStack() as undo:
        receiver = undo.enter_context(new_socket(family, socket.SOCK_DGRAM))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        hear_only_joined_groups(receiver)
        # Bound to the group, not to a wildcard, which would take every group's datagrams.
        if family == socket.AF_INET6:
            _hear_only(receiver, interface)
            receiver.bind((group, port, 0, interface.index))
            membership = socket.inet_pton(family, group) + struct.pack("@I", interface.index)
            receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
        else:
            receiver.bind((group, port))
            receiver.setsockopt(
                socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _mreqn(group, interface)
            )
        undo.pop_all()
    return receiver


def open_sender(
    family: socket.AddressFamily, group: str, interface: Interface, ttl: int
) -> socket.socket:
    """A UDP socket whose multicasts leave by `interface`; on loopback they never leave the machine.

    Raises:
        OSError: the system's own; nothing is left open.
    """
    hops = 0 if interface.loopback else ttl
    with ExitStack() as undo:
        sender = undo.enter_context(new_socket(family, socket.SOCK_DGRAM))
        if family == socket.AF_INET6:
            level = socket.IPPROTO_IPV6
            sender.setsockopt(level, socket.IPV6_MULTICAST_IF, interface.index)
            sender.setsockopt(level, socket.IPV6_MULTICAST_HOPS, hops)
            sender.setsockopt(level, socket.IPV6_MULTICAST_LOOP, 1)
        else:
            level = socket.IPPROTO_IP
            chosen = _mreqn(group, interface)
            # Off Linux the plain address is what every system takes.
            sender.setsockopt(level, socket.IP_MULTICAST_IF, chosen if LINUX else chosen[4:8])
            sender.setsockopt(level, socket.IP_MULTICAST_TTL, hops)
            sender.setsockopt(level, socket.IP_MULTICAST_LOOP, 1)
        undo.pop_all()
    return sender


def _mreqn(group: str, interface: Interface) -> bytes:
    """``struct ip_mreqn``: group, source address, interface index. Source: ip(7).

    Other systems take the first two fields alone (``struct ip_mreq``) and find the interface by the
    address, so there it must be one of IPv4.
    """
    is_v4 = family_of(interface.ip) == socket.AF_INET
    if not LINUX and not is_v4:
        raise OSError(errno.EADDRNOTAVAIL, "no IPv4 address")
    pair = socket.inet_aton(group) + socket.inet_aton(interface.ip if is_v4 else "0.0.0.0")
    return pair + struct.pack("@i", interface.index) if LINUX else pair


def new_socket(family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    """A socket of exactly one IP version."""
    made = socket.socket(family, kind)
    if family == socket.AF_INET6:
        # Distributions differ in the default; IPv4 peers as ::ffff:1.2.3.4 would be no NetIDs.
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def hear_only_joined_groups(udp: socket.socket) -> None:
    """Hear what this socket joined, on the interface it joined on.

    Linux by default delivers every group that any socket of the machine has joined, on whatever
    interface, to each socket whose address and port match. Other systems do not, and an emulated
    Linux may lack the option; what is heard in excess there fails its seal and is dropped.
    """
    if LINUX:
        is_v6 = udp.family == socket.AF_INET6
        level = socket.IPPROTO_IPV6 if is_v6 else socket.IPPROTO_IP
        with contextlib.suppress(OSError):
            udp.setsockopt(level, _IPV6_MULTICAST_ALL if is_v6 else _IP_MULTICAST_ALL, 0)


def _hear_only(receiver: socket.socket, interface: Interface) -> None:
    """Keep one group's datagrams on several interfaces apart, which IPv6 membership doesn't do."""
    if LINUX:
        with contextlib.suppress(PermissionError):  # before Linux 5.7 only root may
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.name.encode())


def kernel_drops(udp: socket.socket) -> int:
    """Datagrams that the system threw away because this socket's buffer was full; 0 where it does
    not tell."""
    if not LINUX:
        return 0
    try:
        told = udp.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_MEMINFO_DROPS + 1))
    except OSError:
        return 0  # before Linux 4.12
    return int.from_bytes(told[4 * _MEMINFO_DROPS :], sys.byteorder)


def grow_buffer(udp: socket.socket, option: int) -> int:
    """Ask for `WANTED_BUFFER_BYTES`; how many bytes of payload the system grants.

    Args:
        option: ``SO_RCVBUF`` or ``SO_SNDBUF``.
    """
    wanted = WANTED_BUFFER_BYTES
    while wanted > udp.getsockopt(socket.SOL_SOCKET, option):
        try:
            udp.setsockopt(socket.SOL_SOCKET, option, wanted)
        except OSError:
            wanted //= 2  # macOS refuses what is above its limit; Linux grants the limit
        else:
            break
    reported = udp.getsockopt(socket.SOL_SOCKET, option)
    # socket(7): Linux doubles the number that was set, for its bookkeeping, and reports the double.
    return reported // 2 if LINUX else reported
