"""Names of nodes, lives and broadcasts: frozen values that are parsed, compared and printed.

A *NetID* is the address of a node as others reach it. A *life* names one run of a process behind
that address: 8 bytes of epoch and 8 random bytes, drawn at each start and after a fork. A
*BroadcastID* names one broadcast and is the same on every hop.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

LIFE_BYTES = 16
EPOCH_RANDOM_BITS = 16
MAX_EPOCH = (1 << 64) - 1


class _NetIDFields(NamedTuple):
    ip: str
    port: int


class NetID(_NetIDFields):
    """A node's address as others reach it: an IPv4 or IPv6 address and a port, 1 to 65535.

    An IPv4 address written as IPv6 (``::ffff:1.2.3.4``) becomes the IPv4 address it is: with two
    names a node would be two, and a loopback address would not look like one.

    A tuple underneath: it is the key of nearly every table, and hashing and comparing stay in C.

    Raises:
        ValueError: not an address, a port out of range, or a scoped IPv6 address (a scope means
            something on one host only, and a NetID is told to others).
    """

    __slots__ = ()

    def __new__(cls, ip: str, port: int) -> NetID:
        if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
            raise ValueError(f"a port is a number from 1 to 65535, not {port!r}")
        if "%" in ip:
            raise ValueError(f"{ip!r} has a scope, which means nothing to other hosts")
        address = ipaddress.ip_address(ip)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return super().__new__(cls, str(address), port)

    @classmethod
    def parse(cls, text: str) -> NetID:
        """The NetID written as ``192.168.1.10:29999`` or ``[2001:db8::1]:29999``."""
        ip, port = split_address(text)
        return cls(ip, port)

    @property
    def packed(self) -> bytes:
        """The address as 4 or 16 bytes in network order, without the port."""
        return _packed(self.ip)

    @property
    def is_loopback(self) -> bool:
        """Whether the address means "this host" to whoever reads it, as 0.0.0.0 does too."""
        return _is_loopback(self.ip)

    @property
    def is_group(self) -> bool:
        """Whether it is a multicast or the broadcast address: never the address of one node."""
        return _is_group(self.ip)

    def may_come_from(self, teller: NetID) -> bool:
        """Whether this can be the address of a node, as far as a member at ``teller`` can know.

        A loopback address that somebody tells from another host names one of our own ports, and a
        group names nobody; we would send where nobody of ours has ever been.
        """
        return not self.is_group and (teller.is_loopback or not self.is_loopback)

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"

    def __repr__(self) -> str:
        return f"NetID({self.ip!r}, {self.port})"


def split_address(text: str) -> tuple[str, int]:
    """The host and port of ``host:port`` or ``[v6]:port``; port 0 passes, for those who bind.

    Raises:
        ValueError: no port, or a port that is no number up to 65535.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{text!r} is not of the form address:port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: write an IPv6 address in brackets, as [::1]:29999")
    if not (port.isascii() and port.isdigit() and len(port) <= 5) or int(port) > 65535:
        raise ValueError(f"{port!r} is not a port, which is a number from 0 to 65535")
    return host, int(port)


# Bounded, because the addresses come from frames; 65,536 is the largest cluster we plan for.
@lru_cache(maxsize=65536)
def _packed(ip: str) -> bytes:
    return ipaddress.ip_address(ip).packed


@lru_cache(maxsize=65536)
def _is_loopback(ip: str) -> bool:
    address = ipaddress.ip_address(ip)
    return address.is_loopback or address.is_unspecified


@lru_cache(maxsize=65536)
def _is_group(ip: str) -> bool:
    return ipaddress.ip_address(ip).is_multicast or ip == "255.255.255.255"


@lru_cache(maxsize=65536)
def netid_from_packed(packed: bytes, port: int) -> NetID:
    """The NetID of 4 or 16 address bytes and a port; equal input gives the very same object."""
    return NetID(str(ipaddress.ip_address(packed)), port)


class BroadcastID(NamedTuple):
    """One broadcast, the same on every hop.

    ``epoch`` keeps two runs of a process at one address apart; ``seqno`` counts every broadcast
    of that epoch from 1.
    """

    origin: NetID
    epoch: int
    seqno: int

    def __str__(self) -> str:
        return f"{self.origin}/{self.epoch:x}/{self.seqno}"


def make_life(unix_ms: int, random_bytes: bytes, *, above: int = 0) -> bytes:
    """A fresh life: an epoch of 48 bits of milliseconds and 16 random bits, and 8 random bytes.

    Args:
        unix_ms: the wall clock in milliseconds.
        random_bytes: 10 unpredictable bytes.
        above: an epoch that the new one must exceed, for a node whose clock went back. Above the
            last millisecond there is none: who claims to know that one gets it, not an error.
    """
    tail = int.from_bytes(random_bytes[:2], "big")
    unix_ms = min(max(unix_ms, (above >> EPOCH_RANDOM_BITS) + 1), MAX_EPOCH >> EPOCH_RANDOM_BITS)
    epoch = unix_ms << EPOCH_RANDOM_BITS | tail
    return epoch.to_bytes(8, "big") + random_bytes[2:10]


def epoch_of(life: bytes) -> int:
    """The epoch inside a life."""
    return int.from_bytes(life[:8], "big")
