"""What broadcasts come to: the figures of one, and those of several. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

EVERYONE, NEIGHBOURS = "everyone", "neighbours"


@dataclass(frozen=True)
class Sent:
    """What one broadcast took.

    Args:
        frames: that held it.
        header_bytes: of those frames, all but the body.
        list_bytes: of these, the distribution lists.
        other_bytes: of these, what was no broadcast: greetings on a new connection, answers.
        listed: NetIDs in all lists.
        received: copies that came to those who were meant.
        dispatched: of them, by how many nodes it was dispatched; each node once.
        doubled: dispatches beyond that.
        stray: dispatches by nodes that were not meant.
        last_s: virtual seconds until the last of them had it.
        sending_ns: CPU time of the origin's core until its last frame was out.
        total_ns: the same with the answers that it took.
    """

    recipients: int
    hops: int
    frames: int
    header_bytes: int
    list_bytes: int
    other_bytes: int
    listed: int
    received: int
    dispatched: int
    doubled: int
    stray: int
    last_s: float
    sending_ns: int
    total_ns: int


@dataclass(frozen=True)
class Row:
    """One kind of broadcast in a cluster: the worst where a bound is promised, else the median.

    Args:
        to: EVERYONE, or NEIGHBOURS: those of one subnet, 50 at most.
        first_ms: virtual time to the last of the first broadcast, when no connection is up.
        last_ms: the same of the later ones.
        memory_mib: resident memory of the program with the whole cluster in it.
        seconds: real ones that this row took.
    """

    shape: str
    nodes: int
    to: str
    recipients: int
    hops: int
    bound: int
    copies_per_delivery: float
    frames: float
    header_bytes_per_recipient: float
    list_bytes_per_recipient: float
    other_bytes_per_recipient: float
    list_bytes_per_listed: float | None
    sending_us: float
    total_us: float
    first_ms: float
    last_ms: float
    lost: int
    doubled: int
    stray: int
    runs: int
    memory_mib: float
    seconds: float

    @property
    def well(self) -> bool:
        """Whether it came once to everybody who was meant, within the bound."""
        return not (self.lost or self.doubled or self.stray) and self.hops <= self.bound


def bound_of(units: int) -> int:
    """The most rounds in which so many segments, besides the origin's, are served.

    Nodes that hear no multicast count as a segment each.
    """
    return units.bit_length() + 1  # ceil(log2(units + 1)) + 1


def row_of(
    shape: str,
    nodes: int,
    to: str,
    units: int,
    sent: Sequence[Sent],
    *,
    memory_mib: float = 0.0,
    seconds: float = 0.0,
) -> Row:
    """The figures of several broadcasts, of which the first found no connections.

    Args:
        units: segments to be served besides the origin's.
        sent: at least two.
    """
    first, later = sent[0], sent[1:]
    listed = sum(one.listed for one in later)
    return Row(
        shape,
        nodes,
        to,
        first.recipients,
        max(one.hops for one in sent),
        bound_of(units),
        sum(one.received for one in sent) / max(1, sum(one.dispatched for one in sent)),
        statistics.median(one.frames for one in later),
        statistics.median(one.header_bytes / one.recipients for one in later),
        statistics.median(one.list_bytes / one.recipients for one in later),
        statistics.median(one.other_bytes / one.recipients for one in later),
        sum(one.list_bytes for one in later) / listed if listed else None,
        statistics.median(one.sending_ns for one in later) / 1e3,
        statistics.median(one.total_ns for one in later) / 1e3,
        first.last_s * 1e3,
        statistics.median(one.last_s for one in later) * 1e3,
        sum(one.recipients - one.dispatched for one in sent),
        sum(one.doubled for one in sent),
        sum(one.stray for one in sent),
        len(sent),
        memory_mib,
        seconds,
    )
