"""What the nodes know of each other, compared with where they stand. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.lab.tree import Place

Views = Mapping[Place, list[dict[str, Any]]]
"""The entries of each node's `peers` event."""


@dataclass(frozen=True)
class Membership:
    """How far the nodes have found each other: counts of ordered pairs."""

    seen: int
    seen_wanted: int
    heard: int
    heard_wanted: int

    @property
    def complete(self) -> bool:
        """Each sees all others alive, and its segment hearing its multicasts."""
        return (self.seen, self.heard) == (self.seen_wanted, self.heard_wanted)

    def __str__(self) -> str:
        return (
            f"peers known {self.seen} of {self.seen_wanted}, "
            f"multicasts heard {self.heard} of {self.heard_wanted}"
        )


def membership(views: Views, by_address: Mapping[str, Place], multicast: bool = True) -> Membership:
    """How far the nodes have found each other; without `multicast` none is to be heard."""
    places = list(by_address.values())
    seen = heard = 0
    for place, peer, entry in _pairs(views, by_address):
        seen += 1
        heard += entry["multicast"] and peer.segment == place.segment
    return Membership(
        seen=seen,
        seen_wanted=len(places) * (len(places) - 1),
        heard=heard,
        heard_wanted=sum(
            multicast and one.segment == other.segment and one != other
            for one in places
            for other in places
        ),
    )


def segments_agreed(views: Views, by_address: Mapping[str, Place]) -> int:
    """Of how many segments all nodes know that they are one: they call all its nodes alike."""
    called: defaultdict[int, set[str | None]] = defaultdict(set)
    for _, peer, entry in _pairs(views, by_address):
        called[peer.segment].add(entry["segment"])
    return sum(len(names) == 1 and None not in names for names in called.values())


def _pairs(
    views: Views, by_address: Mapping[str, Place]
) -> Iterator[tuple[Place, Place, dict[str, Any]]]:
    for place, entries in views.items():
        for entry in entries:
            peer = by_address.get(entry["address"])
            if peer is not None and entry["state"] == "alive":
                yield place, peer, entry
