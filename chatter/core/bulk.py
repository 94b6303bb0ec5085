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
# carried four times the messages of 128 bytes, and five times those of a kilobyte.
MOST_DATAGRAMS = 8

# After such a burst all of its origin's go the same way for so long, and at the origin while it
# still waits. What overtook it would make it look lost, and be answered by questions for all of it.
SAME_WAY_FOR_S = 0.25

# Origins of such bursts at a time. With more than that no network carries much of any.
MAX_ORIGINS = 64

# A NetID in a distribution list and its entry in the table, at worst.
LISTED_NETID_BYTES = 28


class Bulk:
    """Which channels are large enough.

    Args:
        waiting: whether broadcasts wait for a connection.
    """

    def __init__(self, channels: MulticastChannels, waiting: Callable[[], bool]) -> None:
        self._channels = channels
        self._waiting = waiting
        self._origins: dict[NetID, tuple[float, list[int]]] = {}
        """Until when those of an origin go by connections, and by which channels yet."""

    def usable(self, gossip: Broadcasts, now: float) -> list[int]:
        """The channels by which it may go; the rest of its way leads over connections."""
        if gossip.large:
            return [one.index for one in self._channels]
        listed = 0 if gossip.to_everyone else LISTED_NETID_BYTES
        fitting = usable = self._channels.fitting(gossip.least_bound() + listed)
        if isinstance(gossip, Burst):
            share = gossip.size_bound() // MOST_DATAGRAMS
            usable = [one for one in fitting if self._channels[one].budget >= share]
        origin = gossip.id.origin
        if len(usable) < len(fitting):
            if len(self._origins) >= MAX_ORIGINS:
                self._origins.clear()
            self._origins[origin] = (now + SAME_WAY_FOR_S, usable)
        elif self._origins and gossip.to_everyone and origin in self._origins:
            until, left = self._origins[origin]
            if now < until or (not gossip.hop and self._waiting()):
                return [one for one in usable if one in left]
            del self._origins[origin]
        return usable
