"""Clusters of different shapes: who hears whose multicasts. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.scaling.figures import EVERYONE

MOST_TARGETS = 50

# Memory that one node takes, and what it knows of each other one; more of those it hears. Measured.
_PAIR_BYTES, _HEARING_PAIR_BYTES = 520, 980
_NODE_BYTES = 60_000


@dataclass(frozen=True)
class Shape:
    """A cluster.

    Args:
        subnets: into which the nodes are divided.
        multicast: whether those of a subnet hear each other; else there is TCP alone.
    """

    name: str
    about: str
    subnets: int
    multicast: bool

    def sizes(self, nodes: int) -> list[int]:
        """The nodes in each subnet; none is empty."""
        subnets = min(self.subnets, nodes)
        return [nodes // subnets + (number < nodes % subnets) for number in range(subnets)]

    def targets(self, nodes: int) -> int:
        """How many neighbours of one subnet are named. The origin is in the first one.

        Where there are several, they are those of the last: what is sent to them has to travel.
        """
        sizes = self.sizes(nodes)
        return min(MOST_TARGETS, sizes[-1] - (len(sizes) == 1))

    def units(self, nodes: int, to: str) -> int:
        """The segments that have to be served besides the origin's."""
        if not self.multicast:
            return nodes - 1 if to == EVERYONE else self.targets(nodes)
        others = len(self.sizes(nodes)) - 1
        return others if to == EVERYONE else min(1, others)

    def memory_bytes(self, nodes: int) -> int:
        """What the cluster takes, roughly: everybody knows everybody."""
        hearing = sum(size * size for size in self.sizes(nodes)) if self.multicast else 0
        pairs = nodes * nodes
        return nodes * _NODE_BYTES + (pairs - hearing) * _PAIR_BYTES + hearing * _HEARING_PAIR_BYTES


SHAPES = {
    one.name: one
    for one in (
        Shape("subnet", "one subnet, in which all hear each other's multicasts", 1, True),
        Shape(
            "segments", "20 subnets (fewer nodes: one each), no multicast between them", 20, True
        ),
        Shape("tcp", "one subnet without multicast: the TCP tree alone", 1, False),
    )
}
