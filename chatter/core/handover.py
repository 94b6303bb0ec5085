"""A gossip that was handed to one node over TCP, and what we answer for until it says done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatter.ids import NetID
from chatter.wire.burst import Broadcasts

if TYPE_CHECKING:
    from chatter.core.duties import Duty
    from chatter.core.transfer import Transfer


class Handover:
    """One gossip for one head, from the moment it is queued until the head's branch is done."""

    __slots__ = ("accepted", "duty", "gossip", "head", "position", "sent_at", "transfer", "tries")

    def __init__(
        self,
        head: NetID,
        gossip: Broadcasts,
        duty: Duty | None,
        now: float,
        transfer: Transfer | None = None,
    ) -> None:
        self.head = head
        self.gossip = gossip
        """As the head gets it: with its part of the distribution list."""
        self.duty = duty
        """What it is a part of; None where the head alone is served and numbers repair a loss."""
        self.sent_at = now
        self.position = 0
        """How much its connection has carried with it, as credit counts."""
        self.transfer = transfer
        """The chunks that follow a header."""
        self.accepted = False
        """Whether the head said that it has it, for a receipt."""
        self.tries = 0
        """Connections that ended before it was done."""
