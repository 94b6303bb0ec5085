"""Clusters that several scenarios begin with."""

from __future__ import annotations

from typing import Any

from chatter.ids import BroadcastID
from chatter.testing import Cluster


def segments(
    count: int, nodes: int, seed: int = 0, *, one_host: bool = False, **options: Any
) -> Cluster:
    """Segments a, b, c ... between which no multicast passes; all join by a1, and have long met.

    Args:
        one_host: whether those of a segment are on one host, where datagrams are so large that a
            tight loop stays in them; else its bursts go by the tree.
    """
    cluster = Cluster(seed)

    def host(name: str) -> str | None:
        return name if one_host else None

    first = cluster.add(1, segment="a", host=host("a"), **options)
    for name in "abcdefghij"[:count]:
        more = nodes - (name == "a")
        cluster.add(more, segment=name, join=first, host=host(name), **options)
    cluster.start()
    cluster.run_until(cluster.warm)
    cluster.run_for(5)
    return cluster


def names(cluster: Cluster, *leave_out: str) -> list[str]:
    """Everybody's name, sorted, but for some."""
    return sorted(member.name for member in cluster if member.name not in leave_out)


def most_hops(cluster: Cluster, broadcast: BroadcastID) -> int:
    """How many hops it took to the last one."""
    return max(one.message.hops for _, one in cluster.deliveries(broadcast))


def delivered(cluster: Cluster) -> int:
    """How many broadcasts were dispatched in all."""
    return sum(len(member.inbox) for member in cluster)
