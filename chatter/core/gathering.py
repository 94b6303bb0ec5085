"""Our own broadcasts on their way into a burst: gathered until the one who broadcasts lets go.

The plan, the queues, the store, a seal: each is as much work for one broadcast as for a hundred
that follow each other. So a broadcast to everyone is only put beside those before it, and the node
sees to all of them at once, when the shell has its next turn.
"""

from __future__ import annotations

from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import (
    MAX_BODY_BYTES,
    MAX_BROADCASTS,
    SIZE_BYTES,
    Broadcasts,
    Burst,
    encode_bodies,
)
from chatter.wire.gossip import NO_NETIDS, Gossip

# Larger bodies go alone: of them a frame holds so few that little is won.
MAX_GATHERED_BYTES = min(8 * 1024, MAX_BODY_BYTES)

# As of a payload that travels whole: the rest of the frame holds a list of some hundred nodes.
MAX_BURST_BYTES = 48 * 1024


class Gathering:
    """Broadcasts to everyone, one behind the other, that differ in nothing but their bodies.

    Args:
        first: the id of the first.
        number: its number.
        targets: whom they are meant for.
        version: of what is known of peers; with another one they might be for others.
        limit: bytes that their bodies and sizes may take together.
    """

    __slots__ = (
        "_codec",
        "_compress",
        "_epoch",
        "_first",
        "_left",
        "_number",
        "_origin",
        "_tag",
        "_version",
        "bodies",
        "bytes",
        "targets",
    )

    def __init__(
        self,
        first: BroadcastID,
        number: int,
        tag: str,
        codec: str,
        compress: bool,
        targets: tuple[NetID, ...],
        version: int,
        limit: int,
    ) -> None:
        self._first = first
        self._origin, self._epoch, _ = first
        self._number = number
        self._tag = tag
        self._codec = codec
        self._compress = compress
        self._version = version
        self._left = limit
        self.targets = targets
        self.bodies: list[bytes] = []
        self.bytes = 0
        """What they will take in a queue, without what is said of them all."""

    def takes(self, tag: str, codec: str, compress: bool, body: bytes, version: int) -> bool:
        """Whether a broadcast can be put beside the others."""
        return (
            tag == self._tag
            and len(body) + SIZE_BYTES <= self._left
            and len(self.bodies) < MAX_BROADCASTS
            and codec == self._codec
            and compress is self._compress
            and version == self._version
        )

    def id_of(self, seqno: int) -> BroadcastID:
        """The id of one of them."""
        return tuple.__new__(BroadcastID, (self._origin, self._epoch, seqno))

    def add(self, body: bytes) -> None:
        """Put a body beside the others."""
        size = len(body) + SIZE_BYTES
        self._left -= size
        self.bytes += size
        self.bodies.append(body)

    def broadcasts(self) -> Broadcasts:
        """What was gathered, as it travels: one alone is a gossip."""
        bodies = self.bodies
        if len(bodies) == 1:
            return Gossip(
                self._first, self._tag, self._codec, NO_NETIDS + bodies[0], self._number, 0, (), 0,
                self._compress,
            )  # fmt: skip
        payload, one_size = encode_bodies(bodies)
        return Burst(
            self._first, self._tag, self._codec, payload, self._number, len(bodies), one_size, 0,
            (), self._compress,
        )  # fmt: skip
