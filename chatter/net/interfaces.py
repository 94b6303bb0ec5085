"""What this machine's network interfaces are: addresses, index, MTU, and the default address.

An operator names an interface by an address it has; the kernel wants an index, because addresses
are shared, moved and missing while an index is exact. This module translates. It asks
getifaddrs(3), the one call that Linux (glibc and musl) and macOS both have and that lists secondary
addresses, labelled addresses and IPv6 alike; the standard library offers names without addresses.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from chatter.errors import ConfigError

LOOPBACK_IP = "127.0.0.1"

# RFC 5737 keeps this network for documentation: only a default route leads there.
_ELSEWHERE = ("198.51.100.1", 9)

_IFF_UP = 0x1
_IFF_LOOPBACK = 0x8
_IFF_MULTICAST = 0x1000 if sys.platform == "linux" else 0x8000
_SIOCGIFMTU = 0x8921 if sys.platform == "linux" else 0xC0206933
_IFREQ = struct.Struct("16si20x")

# Where the MTU can't be asked: what every link that carries IPv6 must take (RFC 8200, 5).
_LEAST_MTU = 1280

# A container host has hundreds of addresses; an error message is read by a person.
_MAX_LISTED = 20


@dataclass(frozen=True, slots=True)
class Interface:
    """One address of one network interface, as it was when asked.

    Attributes:
        index: the kernel's number for it, which multicast membership uses.
        name: ``eth0``, ``lo``.
        ip: the address that was asked for; an interface has as many of these values as addresses.
        mtu: bytes of the largest IP packet it takes whole, headers included.
        loopback: nothing sent on it leaves the machine.
        up: an administrator has enabled it.
        multicast: its driver says that it carries multicast. Loopback says no and does it anyway.
    """

    index: int
    name: str
    ip: str
    mtu: int
    loopback: bool
    up: bool = True
    multicast: bool = True

    def __str__(self) -> str:
        return f"{self.name} ({self.ip})"


def default_address() -> str:
    """The IPv4 address that packets leaving by the default route carry; ``127.0.0.1`` without one.

    Connecting a UDP socket makes the kernel choose a route and a source address, and sends nothing.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return LOOPBACK_IP
        return str(probe.getsockname()[0])


def interface_of(ip: str) -> Interface:
    """The interface of this machine that has the address `ip`.

    Args:
        ip: an IPv4 or IPv6 address; a link-local one may name its interface (``fe80::1%eth0``).
            All of 127.0.0.0/8 belongs to the loopback interface, listed there or not.

    Raises:
        ConfigError: not an address, a wildcard, or none of this machine's; lists those there are.
    """
    try:
        wanted = ipaddress.ip_address(ip)
    except ValueError:
        raise ConfigError(f"interface: {ip!r} is not an IP address; {_choices()}") from None
    if wanted.is_unspecified:
        raise ConfigError(f"interface: {ip} means every interface, not one; {_choices()}")
    scope = wanted.scope_id if isinstance(wanted, ipaddress.IPv6Address) else None
    for interface in interfaces():
        if ipaddress.ip_address(interface.ip).packed == wanted.packed and (
            scope is None or scope in (interface.name, str(interface.index))
        ):
            return interface
    if wanted.version == 4 and wanted.is_loopback:
        for interface in interfaces():
            if interface.loopback:
                return Interface(
                    index=interface.index,
                    name=interface.name,
                    ip=ip,
                    mtu=interface.mtu,
                    loopback=True,
                    up=interface.up,
                    multicast=interface.multicast,
                )
    raise ConfigError(f"interface: no interface of this machine has the address {ip}; {_choices()}")


def interfaces() -> list[Interface]:
    """Every IPv4 and IPv6 address of this machine with its interface, those that are down too.

    Raises:
        ConfigError: the system doesn't tell (a sandbox that forbids netlink, say).
    """
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for label, flags, ip in _addresses():
            name = label.partition(":")[0]  # "eth0:1" labels a second address of eth0
            try:
                index = socket.if_nametoindex(name)
            except OSError:
                continue  # went away since it was listed
            found.append(
                Interface(
                    index=index,
                    name=name,
                    ip=ip,
                    mtu=_mtu(probe, name),
                    loopback=bool(flags & _IFF_LOOPBACK),
                    up=bool(flags & _IFF_UP),
                    multicast=bool(flags & _IFF_MULTICAST),
                )
            )
    return found


def _choices() -> str:
    """What to do about an address that is none of ours."""
    known = [str(interface) for interface in interfaces()]
    listed = ", ".join(known[:_MAX_LISTED]) or "none at all"
    more = f" and {len(known) - _MAX_LISTED} more" if len(known) > _MAX_LISTED else ""
    return f"set it to one that this machine has: {listed}{more}"


def _mtu(probe: socket.socket, name: str) -> int:
    try:
        request = fcntl.ioctl(probe.fileno(), _SIOCGIFMTU, _IFREQ.pack(os.fsencode(name), 0))
    except OSError:
        return _LEAST_MTU
    return int(_IFREQ.unpack(request)[1])


class _IfAddrs(ctypes.Structure):
    """The head of ``struct ifaddrs``; what follows is never read."""


_IfAddrs._fields_ = [
    ("next", ctypes.POINTER(_IfAddrs)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
]


def _addresses() -> Iterator[tuple[str, int, str]]:
    """(label, flags, address) of each entry that is IPv4 or IPv6. Source: getifaddrs(3)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.getifaddrs.argtypes = [ctypes.POINTER(ctypes.POINTER(_IfAddrs))]
    libc.freeifaddrs.argtypes = [ctypes.POINTER(_IfAddrs)]
    libc.freeifaddrs.restype = None
    first = ctypes.POINTER(_IfAddrs)()
    if libc.getifaddrs(ctypes.byref(first)) != 0:
        code = ctypes.get_errno()
        raise ConfigError(
            "interface: the system does not tell its network interfaces "
            f"({errno.errorcode.get(code, code)}); allow this process to use netlink sockets"
        )
    try:
        entry = first
        while entry:
            ip = _printed(entry.contents.address)
            if ip is not None:
                yield os.fsdecode(entry.contents.name), entry.contents.flags, ip
            entry = entry.contents.next
    finally:
        libc.freeifaddrs(first)


def _printed(sockaddr: int | None) -> str | None:
    """The address in a ``struct sockaddr`` at that place in memory, or None for other families."""
    if not sockaddr:
        return None
    head = ctypes.string_at(sockaddr, 2)
    # Linux begins with a 16-bit family, the BSDs with a length byte and an 8-bit family. What
    # follows is the same: IPv4 at byte 4, IPv6 at byte 8.
    family = int.from_bytes(head, sys.byteorder) if sys.platform == "linux" else head[1]
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, ctypes.string_at(sockaddr + 4, 4))
    if family == socket.AF_INET6:
        return socket.inet_ntop(socket.AF_INET6, ctypes.string_at(sockaddr + 8, 16))
    return None
