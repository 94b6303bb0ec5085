"""Segments of hosts in network namespaces, behind a router that routes no multicast.

    router namespace:   uplink 1 (10.77.1.254)     uplink 2 (10.77.2.254)     …
                               |                          |
                            bridge 1                   bridge 2
                        |      |      |            |      |      |
    host namespaces:    eth0   eth0   eth0         eth0   eth0   eth0
                        .1     .2     .3           10.77.2.1 …

Within a segment the bridge floods multicast to everyone; between segments only unicast passes, as
between offices. The cable between a bridge and the router can be pulled: then the segment is alone.
"""

import functools
import os
import shutil
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from scripts.lab.errors import LabError
from scripts.lab.iproute import link_statistics, run_batches, run_in
from scripts.lab.janitor import Janitor, new_prefix

MAX_SEGMENTS = 200  # the third number of an address
MAX_HOSTS = 200  # the fourth; .254 is the router's

_ROUTER_NUMBER = 254


@dataclass(frozen=True)
class Host:
    """One host of the lab: segment and number count from 1."""

    segment: int
    number: int
    namespace: str

    @property
    def ip(self) -> str:
        """Its address on eth0."""
        return f"10.77.{self.segment}.{self.number}"

    @property
    def link(self) -> str:
        """The router's end of its cable."""
        return f"s{self.segment}h{self.number}"

    @property
    def command_prefix(self) -> list[str]:
        """What to put before a command to run it here; the pid is the command's own."""
        return ["ip", "netns", "exec", self.namespace]


@dataclass(frozen=True)
class Traffic:
    """What one host has sent and received on eth0: bytes with Ethernet headers, and packets."""

    sent_bytes: int = 0
    sent_packets: int = 0
    received_bytes: int = 0
    received_packets: int = 0

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.sent_bytes + other.sent_bytes,
            self.sent_packets + other.sent_packets,
            self.received_bytes + other.received_bytes,
            self.received_packets + other.received_packets,
        )

    def __sub__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.sent_bytes - other.sent_bytes,
            self.sent_packets - other.sent_packets,
            self.received_bytes - other.received_bytes,
            self.received_packets - other.received_packets,
        )


@functools.cache
def why_not() -> str | None:
    """None where this process can build a lab, else the reason why not, fit for a skipped test."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("ip") is None:
        return "needs iproute2"
    try:
        # Containers forbid some of it and not the rest: the only honest probe is the smallest lab.
        with NamespaceLab(segments=1, hosts=1):
            return None
    except LabError as error:
        return f"may not create network namespaces here: {error}"


class NamespaceLab:
    """Segments of hosts, up between `start` and `close`; also a context manager.

    Whatever happens to this process, its namespaces disappear: see `janitor`.

    Args:
        segments: how many, 1 to 200.
        hosts: how many in each, 1 to 200.
    """

    def __init__(self, segments: int, hosts: int) -> None:
        if not (1 <= segments <= MAX_SEGMENTS and 1 <= hosts <= MAX_HOSTS):
            raise LabError(f"a lab has 1 to {MAX_SEGMENTS} segments of 1 to {MAX_HOSTS} hosts")
        prefix = new_prefix()
        self.prefix = prefix
        self.router = f"{prefix}router"
        self._segments = range(1, segments + 1)
        self._janitor: Janitor | None = None
        self.hosts = tuple(
            Host(segment, number, f"{prefix}s{segment}h{number}")
            for segment in self._segments
            for number in range(1, hosts + 1)
        )

    def start(self) -> None:
        """Builds it: a tenth of a second for twelve hosts.

        Raises:
            LabError: it can't be built here; nothing is left behind.
        """
        self._janitor = Janitor(self.prefix)
        try:
            self._build()
        except BaseException:
            self._janitor.finish(thoroughly=True)
            raise

    def close(self) -> None:
        """Removes it, and kills what still runs in it. May be called again."""
        if self._janitor is not None:
            self._janitor.finish()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def traffic(self) -> dict[Host, Traffic]:
        """What each host has sent and received since the start, all read at one moment.

        Read at the router's end of the cables, so what a host sent is what arrived there.
        """
        statistics = link_statistics(self.router)
        return {
            host: Traffic(
                sent_bytes=statistics[host.link]["rx"]["bytes"],
                sent_packets=statistics[host.link]["rx"]["packets"],
                received_bytes=statistics[host.link]["tx"]["bytes"],
                received_packets=statistics[host.link]["tx"]["packets"],
            )
            for host in self.hosts
        }

    def set_uplink(self, segment: int, up: bool) -> None:
        """Pulls or mends the cable between `segment` and the router; within it all goes on."""
        run_batches([(self.router, [f"link set up{segment} {'up' if up else 'down'}"])])

    def _build(self) -> None:
        run_batches([(None, [f"netns add {name}" for name in self._namespaces()])])
        # arp_ignore: the bridges stand beside the uplinks and must not answer for their addresses,
        # or what is meant for an uplink that is down would be taken, and routed, all the same.
        settings = "echo 1 > ip_forward; echo 1 > conf/all/arp_ignore"
        run_in(self.router, ["sh", "-c", f"cd /proc/sys/net/ipv4; {settings}"])
        run_batches([(self.router, self._router_lines())])
        run_batches([(host.namespace, self._host_lines(host)) for host in self.hosts])

    def _namespaces(self) -> list[str]:
        return [self.router, *(host.namespace for host in self.hosts)]

    def _router_lines(self) -> list[str]:
        lines = ["link set lo up"]
        for segment in self._segments:
            lines += [
                # Snooping would wait for queriers that a lab has not; a bridge without it floods,
                # as cheap switches do.
                f"link add br{segment} type bridge mcast_snooping 0",
                # No IPv6 addresses, so none of their chatter is in the counters.
                f"link set br{segment} addrgenmode none",
                f"link set br{segment} up",
                f"link add up{segment} type veth peer name down{segment}",
                f"link set up{segment} addrgenmode none",
                f"link set down{segment} addrgenmode none master br{segment}",
                f"address add 10.77.{segment}.{_ROUTER_NUMBER}/24 dev up{segment}",
                f"link set down{segment} up",
                f"link set up{segment} up",
            ]
        for host in self.hosts:
            lines += [
                f"link add {host.link} type veth peer name eth0 netns {host.namespace}",
                f"link set {host.link} addrgenmode none master br{host.segment}",
                f"link set {host.link} up",
            ]
        return lines

    def _host_lines(self, host: Host) -> list[str]:
        return [
            "link set lo up",
            "link set eth0 addrgenmode none",
            f"address add {host.ip}/24 dev eth0",
            "link set eth0 up",
            f"route add default via 10.77.{host.segment}.{_ROUTER_NUMBER}",
            "route add 224.0.0.0/4 dev eth0",
        ]
