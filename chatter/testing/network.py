"""A network in memory that carries real frames: segments with multicast, unicast, and TCP streams.

Nothing but bytes crosses it, so whatever can't be encoded, is too large for a datagram or depends
on how a stream is cut into pieces shows here and not first on a real network.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from chatter.ids import NetID
from chatter.testing.clock import Clock
from chatter.testing.faults import MULTICAST, UDP, Fault, Path
from chatter.testing.freezer import Freezer
from chatter.testing.streams import Streams, StreamUser

# One way, without any fault: a switched Ethernet, and a few routers between two of them.
WITHIN_SEGMENT_S = 0.0001
BETWEEN_SEGMENTS_S = 0.001

# What an Ethernet frame takes of UDP, and what we let loopback take.
ETHERNET_DATAGRAM_BYTES = 1472
LOOPBACK_DATAGRAM_BYTES = 60 * 1024
IP_UDP_BYTES = 28


class Membership(NamedTuple):
    """A group that an endpoint has joined, on its LAN or on its host's loopback interface."""

    group: NetID
    loopback: bool = False


class Endpoint(StreamUser, Protocol):
    """Who is attached to the network: it is handed what comes in."""

    def received_datagram(self, data: bytes, channel: int | None, from_loopback: bool) -> None:
        """A datagram came: on the membership with this index, or by unicast with None."""


@dataclass(slots=True)
class Attachment:
    """One endpoint's place in the network."""

    netid: NetID
    host: str
    segment: str
    memberships: Sequence[Membership]
    ttl: int
    endpoint: Endpoint


class Network:
    """Carries datagrams and streams between endpoints, and can be made to fail.

    Args:
        rng: the one source of chance: what is lost, how streams are cut.
    """

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self.clock = clock
        self.rng = rng
        self.faults: list[Fault] = []
        """What goes wrong at present; each packet passes all of them, in this order."""
        self.counts: Counter[str] = Counter()
        """Packets and bytes sent, lost and delivered, by kind."""
        self.in_flight = 0
        """Datagrams, and pieces of streams, that have not arrived yet."""
        self.taps: list[Callable[[Path, bytes], None]] = []
        """Called with each datagram, and each piece of a stream, that is sent. For a multicast the
        target is the group."""
        self.bits_per_s: float | None = None
        """What the interface of each host sends, one packet after the other: those of a multicast
        once, whoever hears it. A piece of a stream arrives when its last bit does. None: packets
        take no time to leave. What stays within a host does not pass its interface."""
        self.send_s: float | None = None
        """What it costs a process to send a datagram, or a piece of a stream: it sends one after
        the other. None: nothing, and no node measures it."""
        self.streams = Streams(self)
        self.freezer = Freezer(self.counts)
        """The processes that are stopped."""
        self._interface_free_at: dict[str, float] = {}
        self._process_free_at: dict[NetID, float] = {}
        self._attached: dict[NetID, Attachment] = {}
        self._hosts: dict[str, str] = {}
        self._dark: set[str] = set()
        self._listeners: dict[tuple[Membership, str], list[tuple[Attachment, int]]] = {}
        self._routes: dict[frozenset[str], int] = {}

    # Who is there

    def attach(
        self,
        netid: NetID,
        endpoint: Endpoint,
        *,
        segment: str,
        host: str | None = None,
        memberships: Sequence[Membership] = (),
        ttl: int = 4,
    ) -> None:
        """Bind an endpoint to an address.

        Args:
            segment: the LAN its host is on; a host stays where it was first seen.
            host: the machine it runs on. Unset: one of its own.
            memberships: the multicast groups it has joined.
            ttl: routers that its multicasts may pass.
        """
        if netid in self._attached:
            raise ValueError(f"{netid} is taken")
        host = netid.ip if host is None else host
        if self._hosts.setdefault(host, segment) != segment:
            raise ValueError(f"host {host} is in segment {self._hosts[host]}")
        self._dark.discard(host)
        place = Attachment(netid, host, segment, memberships, ttl, endpoint)
        self._attached[netid] = place
        for channel, membership in enumerate(memberships):
            where = host if membership.loopback else segment
            self._listeners.setdefault((membership, where), []).append((place, channel))

    def detach(self, netid: NetID, *, silently: bool = False) -> None:
        """The process at this address is gone.

        Args:
            silently: its whole host is, as when the power fails: nobody tells that connections
                are over or that nothing listens any more.
        """
        place = self._attached.pop(netid)
        if silently:
            self._dark.add(place.host)
        for listeners in self._listeners.values():
            listeners[:] = [one for one in listeners if one[0] is not place]
        self.freezer.forget(netid)
        self.streams.orphan(netid)

    def route_multicast(self, a: str, b: str, routers: int = 1) -> None:
        """From now on multicasts pass between two segments, if their TTL outlasts the routers."""
        self._routes[frozenset((a, b))] = routers

    def attachment(self, netid: NetID) -> Attachment | None:
        """Who is at this address, if anybody."""
        return self._attached.get(netid)

    # What goes wrong

    def add(self, *faults: Fault) -> None:
        """Let these happen from now on."""
        self.faults += faults

    def heal(self, *faults: Fault) -> None:
        """These are over; without any named, all are."""
        self.faults = [one for one in self.faults if faults and one not in faults]

    # Datagrams

    def send_datagram(self, source: NetID, target: NetID, data: bytes) -> None:
        """Send by unicast."""
        path = Path(UDP, source, target)
        if self._leaves(path, data, self._unicast_limit(source, target)):
            receiver = self._attached.get(target)
            local = self.same_host(source, target)
            leaving_s = self.leaving_s(source, len(data) + IP_UDP_BYTES, within_host=local)
            for delay in self.fate(path):
                if receiver is not None:
                    delay += leaving_s
                    self._deliver_after(delay, [(receiver, None)], data, target.is_loopback)

    def send_multicast(self, source: NetID, channel: int, data: bytes) -> None:
        """Send to the group of one of the source's memberships."""
        place = self._attached[source]
        membership = place.memberships[channel]
        limit = LOOPBACK_DATAGRAM_BYTES if membership.loopback else ETHERNET_DATAGRAM_BYTES
        if not self._leaves(Path(MULTICAST, source, membership.group), data, limit):
            return
        on_lo = membership.loopback
        sending_s = self.leaving_s(source, 0, within_host=True)
        leaving_s = sending_s
        if not on_lo:
            leaving_s = self._passing_s(place.host, sending_s, len(data) + IP_UDP_BYTES)
        arrivals: dict[float, list[tuple[Attachment, int | None]]] = {}
        for receiver, index in self._audience(place, membership):
            if receiver is place:  # the kernel loops it back, faults or not
                arrivals.setdefault(0.0, []).append((receiver, index))
                continue
            for delay in self.fate(Path(MULTICAST, source, receiver.netid)):
                delay += sending_s if receiver.host == place.host else leaving_s
                arrivals.setdefault(delay, []).append((receiver, index))
        for delay, receivers in arrivals.items():
            self._deliver_after(delay, receivers, data, membership.loopback)

    def inject(
        self,
        target: NetID,
        data: bytes,
        *,
        channel: int | None = None,
        from_loopback: bool = False,
    ) -> None:
        """Hand a datagram to an endpoint as if it had come from somewhere."""
        self._attached[target].endpoint.received_datagram(data, channel, from_loopback)

    def fate(self, path: Path) -> list[float]:
        """After how long copies of a packet on this path arrive; none if it is lost."""
        source, target = self._attached.get(path.source), self._attached.get(path.target)
        here = path.source.ip if source is None else source.host
        there = path.target.ip if target is None else target.host
        if there not in self._hosts or there in self._dark or here in self._dark:
            return []
        if path.target.is_loopback and here != there:
            return []  # it means another host there
        same = self._hosts.get(here) == self._hosts[there]
        delays = [WITHIN_SEGMENT_S if same else BETWEEN_SEGMENTS_S]
        for fault in self.faults:
            if fault.concerns(path):
                delays = fault.change(delays, self.rng)
        if not delays:
            self.counts[f"{path.kind}_lost"] += 1
        return delays

    def leaving_s(self, source: NetID, size: int, *, within_host: bool) -> float:
        """How long from now until the last bit of so many bytes has left the source's process, and
        if they do not stay within its host, that."""
        sending_s = 0.0
        if self.send_s is not None:
            begins = max(self.clock.now, self._process_free_at.get(source, 0.0))
            ends = self._process_free_at[source] = begins + self.send_s
            sending_s = ends - self.clock.now
        if within_host:
            return sending_s
        place = self._attached.get(source)
        return self._passing_s(source.ip if place is None else place.host, sending_s, size)

    def same_host(self, source: NetID, target: NetID) -> bool:
        """Whether both are known to be on one machine."""
        here, there = self._attached.get(source), self._attached.get(target)
        return here is not None and there is not None and here.host == there.host

    def round_trip_s(self, here: NetID, there: NetID) -> float | None:
        """How long until an answer is back, if the network is idle; None if a packet is lost."""
        ways = [self.fate(Path(UDP, *way)) for way in ((here, there), (there, here))]
        if not all(ways):
            return None
        return sum(min(way) + (self.send_s or 0.0) for way in ways)

    # Details

    def _passing_s(self, host: str, after_s: float, size: int) -> float:
        """How long until so many bytes that come to a host's interface in a while have left it."""
        if self.bits_per_s is None:
            return after_s
        begins = max(self.clock.now + after_s, self._interface_free_at.get(host, 0.0))
        ends = self._interface_free_at[host] = begins + size * 8 / self.bits_per_s
        return ends - self.clock.now

    def _unicast_limit(self, source: NetID, target: NetID) -> int:
        local = self.same_host(source, target)
        return LOOPBACK_DATAGRAM_BYTES if local else ETHERNET_DATAGRAM_BYTES

    def _leaves(self, path: Path, data: bytes, limit: int) -> bool:
        """Count a datagram that is sent; False if the interface does not take it whole."""
        for tap in self.taps:
            tap(path, data)
        if len(data) > limit:
            self.counts[f"{path.kind}_too_large"] += 1
            return False
        self.counts[f"{path.kind}_sent"] += 1
        self.counts[f"{path.kind}_bytes"] += len(data) + IP_UDP_BYTES
        return True

    def _audience(
        self, place: Attachment, membership: Membership
    ) -> Iterable[tuple[Attachment, int]]:
        if membership.loopback:
            return self._listeners.get((membership, place.host), ())
        found = list(self._listeners.get((membership, place.segment), ()))
        if place.ttl == 0:
            return [one for one in found if one[0].host == place.host]
        for pair, routers in self._routes.items():
            if place.segment in pair and place.ttl > routers:
                (other,) = pair - {place.segment}
                found += self._listeners.get((membership, other), ())
        return found

    def _deliver_after(
        self,
        delay: float,
        receivers: Sequence[tuple[Attachment, int | None]],
        data: bytes,
        from_loopback: bool,
    ) -> None:
        self.in_flight += 1

        def arrive() -> None:
            self.in_flight -= 1
            for receiver, channel in receivers:
                if self._attached.get(receiver.netid) is receiver:
                    hand = partial(
                        receiver.endpoint.received_datagram, data, channel, from_loopback
                    )
                    if not self.freezer.keeps_datagram(receiver.netid, len(data), hand):
                        hand()

        self.clock.after(delay, arrive)
