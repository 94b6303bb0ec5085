"""Our own broadcasts on their way into a burst: gathered until the one who broadcasts lets go.

The plan, the queues, the store, a seal: each is as much work for one broadcast as for a hundred
that follow each other. So a broadcast to everyone is only put beside those before it, and the node
sees to all of them at once, when the shell has its next turn.
"""

from __future__ import annotations

from chatter.core.outbox import CHARGE_BYTES, MAX_CHARGE_BYTES, MORE_CHARGE_BYTES
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import (
    MAX_BODY_BYTES,
    SIZE_BYTES,
    Broadcasts,
    Burst,
    encode_bodies,
)
from chatter.wire.gossip import NO_NETIDS, Gossip

# Larger bodies go alone: of them a frame holds so few that little is won.
MAX_GATHERED_BYTES = min(7 * 1024, MAX_BODY_BYTES)

# Together they take no more of the receivers' credit than the least that is granted at a time, so
# each counts what it is charged. More in one would win little: what is done once for all of them is
# then a few steps for each.
MAX_BURST_BYTES = MAX_CHARGE_BYTES - CHARGE_BYTES
MAX_GATHERED = 240
MORE_BYTES = SIZE_BYTES + MORE_CHARGE_BYTES

_make = tuple.__new__


class Gathering:
    """Broadcasts to everyone, one behind the other, that differ in nothing but their bodies.

    Args:
        first: the id of the first.
        number: its number.
        targets: whom they are meant for.
        version: of what is known of peers; with another one they might be for others.
        limit: bytes that their bodies may take together, each with MORE_BYTES.
    """

    __slots__ = (
        "_codec",
        "_compress",
        "_epoch",
        "_first",
        "_left",
        "_limit",
        "_number",
        "_origin",
        "_seqno",
        "_tag",
        "_version",
        "bodies",
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
        self._origin, self._epoch, self._seqno = first
        self._number = number
        self._tag = tag
        self._codec = codec
        self._compress = compress
        self._version = version
        self._limit = self._left = limit
        self.targets = targets
        self.bodies: list[bytes] = []

    @property
    def size(self) -> int:
        """What they will take in a queue, without what is said of them all."""
        return self._limit - self._left - MORE_CHARGE_BYTES * len(self.bodies)

    def add(
        self, tag: str, codec: str, body: bytes, compress: bool, version: int
    ) -> BroadcastID | None:
        """The id of a broadcast that was put beside the others; None if it cannot be.

        In a tight loop this is most of what a broadcast costs, so it is one step.
        """
        bodies = self.bodies
        left = self._left - len(body) - MORE_BYTES
        if (
            left < 0
            or tag != self._tag
            or codec != self._codec
            or compress is not self._compress
            or version != self._version
            or len(bodies) >= MAX_GATHERED
        ):
            return None
        self._left = left
        bodies.append(body)
        return _make(BroadcastID, (self._origin, self._epoch, self._seqno + len(bodies) - 1))

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
