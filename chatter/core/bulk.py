"""By which of our channels a broadcast may go, and which bursts go by connections instead.

A multicast is there at once, and a tree takes rounds. But each datagram costs its every receiver a
seal and a step through all that a node is; on Ethernet that is for 1,400 bytes, where a connection
takes 64 KiB in one frame. So what a tight loop makes goes by the tree, and anything else does not.
"""

from __future__ import annotations

from collections.abc import Callable

from chatter.core.channels import MulticastChannels
from chatter.ids import NetID
from chatter.wire.burst import Broadcasts, Burst

# A burst of more datagrams than this goes by connections. On Ethernet with eight hosts the tree
# carried three times the messages of 128 bytes, and eight times those of a kilobyte.
MOST_DATAGRAMS = 8

# ... and one of more than this does if one went so before: with little room left in the queues a
# tight loop makes smaller ones.
STILL_MANY_DATAGRAMS = 2

# After such a burst all of its origin's go the same way for so long. What overtook it would make it
# look lost, and be answered by questions for all of it.
SAME_WAY_FOR_S = 0.25

# Who relays them knows less of what comes, and its multicast would reach all to whom other heads
# bring the same.
RELAYED_FOR_S = 2.0

# ... and at the origin at most so much longer, while it still waits.
WAITS_FOR_S = 2.0

# Origins of such bursts at a time. With more than that no network carries much of any.
MAX_ORIGINS = 64

# A NetID in a distribution list and its entry in the table, at worst.
LISTED_NETID_BYTES = 28


class Bulk:
    """Which channels are large enough.

    Args:
        waiting: whether something waits for a connection that takes it.
    """

    def __init__(self, channels: MulticastChannels, waiting: Callable[[float], bool]) -> None:
        self._channels = channels
        self._waiting = waiting
        self._origins: dict[NetID, tuple[float, list[int]]] = {}
        """Until when those of an origin go by connections, and by which channels yet."""

    def usable(self, gossip: Broadcasts, now: float) -> list[int]:
        """The channels by which it may go; the rest of its way leads over connections."""
        if gossip.large:
            return [one.index for one in self._channels]
        listed = 0 if gossip.to_everyone else LISTED_NETID_BYTES
        usable = self._channels.fitting(gossip.least_bound() + listed)
        if isinstance(gossip, Burst):
            few = self._few(gossip, usable)
            if len(few) < len(self._channels):
                self._keep(gossip, few, now)
                return few
        if self._origins and gossip.to_everyone and gossip.id.origin in self._origins:
            until, left = self._origins[gossip.id.origin]
            # What waits for one that takes little shall not keep all others from it for good.
            waiting = not gossip.hop and now < until + WAITS_FOR_S and self._waiting(now)
            if now < until or waiting:
                if isinstance(gossip, Burst) and self._is_still_many(gossip, left):
                    self._keep(gossip, left, now)
                return [one for one in usable if one in left]
            del self._origins[gossip.id.origin]
        return usable

    def keeps(self, origin: NetID) -> bool:
        """Whether it is remembered that broadcasts of this origin came in bulk."""
        return origin in self._origins

    def carries(self, gossip: Broadcasts, now: float) -> bool:
        """Whether it goes the way of a flood of its origin: by connections, as far as it has to."""
        if not self._origins or not gossip.to_everyone or gossip.large:
            return False
        kept = self._origins.get(gossip.id.origin)
        return kept is not None and now < kept[0] + WAITS_FOR_S

    def usable_again(self, gossip: Broadcasts, now: float) -> list[int]:
        """Those by which it may go to many who missed it.

        None if it goes by connections now, where mostly it is late and not lost.
        """
        usable = self._channels.fitting(gossip.least_bound())
        if isinstance(gossip, Burst):
            usable = self._few(gossip, usable)
        kept = self._origins.get(gossip.id.origin)
        if kept is None or now >= kept[0] + WAITS_FOR_S:
            return usable
        return [one for one in usable if one in kept[1]]

    def _keep(self, burst: Burst, left: list[int], now: float) -> None:
        origin = burst.id.origin
        if origin not in self._origins and len(self._origins) >= MAX_ORIGINS:
            self._origins = {one: kept for one, kept in self._origins.items() if now < kept[0]}
            if len(self._origins) >= MAX_ORIGINS:
                self._origins.clear()
        for_s = RELAYED_FOR_S if burst.hop else SAME_WAY_FOR_S
        self._origins[origin] = (now + for_s, left)

    def _is_still_many(self, burst: Burst, left: list[int]) -> bool:
        budgets = [one.budget for one in self._channels if one.index not in left]
        return len(burst.payload) > STILL_MANY_DATAGRAMS * min(budgets)

    def _few(self, burst: Burst, fitting: list[int]) -> list[int]:
        """Of these channels, the ones where it takes few datagrams."""
        share = len(burst.payload) // MOST_DATAGRAMS
        return [one for one in fitting if self._channels[one].budget >= share]
