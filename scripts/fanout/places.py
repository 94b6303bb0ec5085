"""Where the processes run: all on loopback, or each on a host of its own in the lab's segments."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.lab.errors import LabError
from scripts.lab.namespaces import MAX_HOSTS, MAX_SEGMENTS, NamespaceLab, why_not
from scripts.measuring.errors import MeasureError

LOOPBACK = "127.0.0.1"

# What the kernel knows of neighbours, in all namespaces together; arp(7).
NEIGHBOURS = Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3")


@dataclass(frozen=True)
class Place:
    """An address, and what to put before a command to run it there."""

    ip: str
    prefix: tuple[str, ...] = ()


@dataclass(frozen=True)
class Places:
    """Where the server stands, and the hosts; the publisher's comes first."""

    server: Place
    hosts: tuple[Place, ...]

    def host(self, number: int) -> Place:
        """That of the process with this number."""
        return self.hosts[number % len(self.hosts)]


@contextlib.contextmanager
def open_places(segments: int, processes: int) -> Iterator[Places]:
    """Places for so many processes.

    Args:
        segments: 0 for loopback; else each process has a host of its own in one of them.

    Raises:
        MeasureError: no lab can be built here.
    """
    if segments == 0:
        yield Places(Place(LOOPBACK), (Place(LOOPBACK),))
        return
    if (reason := why_not()) is not None:
        raise MeasureError(f"--segments {reason}; without it all runs on loopback")
    hosts = math.ceil(processes / segments)
    if segments > MAX_SEGMENTS or hosts > MAX_HOSTS:
        raise MeasureError(
            f"a lab has at most {MAX_SEGMENTS} segments of {MAX_HOSTS} hosts,"
            f" {processes} processes in {segments} are more"
        )
    check_neighbours(segments, hosts)
    try:
        with NamespaceLab(segments, hosts) as lab:
            # In turn, so that fewer processes are spread over all segments too.
            spread = sorted(lab.hosts, key=lambda host: (host.number, host.segment))
            yield Places(
                Place("10.77.1.254", ("ip", "netns", "exec", lab.router)),
                tuple(Place(host.ip, tuple(host.command_prefix)) for host in spread),
            )
    except LabError as error:
        raise MeasureError(str(error)) from error


def check_neighbours(segments: int, hosts: int) -> None:
    """See that the hosts of a segment can all connect to each other.

    Raises:
        MeasureError: the kernel's table is too small, and connections would time out; says what to
            do.
    """
    needed = segments * (hosts + 1) ** 2  # with the router
    most = int(NEIGHBOURS.read_text())
    if needed > most:
        raise MeasureError(
            f"{hosts} hosts in each segment need {needed:,} entries in the table of neighbours,"
            f" which all namespaces share, and it holds {most:,}:"
            f" run `sysctl -w net.ipv4.neigh.default.gc_thresh3={2 * needed}`"
        )
