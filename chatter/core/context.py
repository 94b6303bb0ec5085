"""What the parts of one node share: its settings, its names, its peers, and what it has to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chatter.config import Config
from chatter.core.appetite import Appetite
from chatter.core.effects import Effect
from chatter.core.identity import Identity
from chatter.core.outbox import UdpQueue
from chatter.core.peers import PeerDB
from chatter.core.tags import TagCounts
from chatter.core.timing import Timing
from chatter.ids import NetID

if TYPE_CHECKING:
    import random


@dataclass(slots=True)
class Context:
    """Shared by the parts of one node, and by nobody else."""

    config: Config
    local: NetID
    identity: Identity
    peers: PeerDB
    rng: random.Random
    """For choices that need not be secret."""
    random_bytes: Callable[[int], bytes]
    """For what nobody may guess: challenges and lives."""
    udp: UdpQueue
    """Unicast datagrams to send."""
    buffer: int
    """Bytes of receive buffer that the operating system granted us."""
    number: int = 0
    """The number of our last broadcast to everyone in this life."""
    young: bool = True
    """Whether we have only just started: whoever we meet was most likely there before."""
    crowd: int = 1
    """Ourselves and whose multicasts we hear, as counted with the last beacon."""
    due: float = float("inf")
    """When the node has something to do by itself, or a little before. Whoever plans something says
    so with ``wake``: to ask every part after every datagram would cost more than most of these."""
    effects: list[Effect] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    tags: TagCounts = field(default_factory=TagCounts)
    timing: Timing = field(default_factory=Timing)
    appetite: Appetite = field(default_factory=Appetite)
    package: str = ""
    """The version of our package, for those who watch."""

    def wake(self, at: float) -> None:
        """Something is to be done at this time, at the latest."""
        if at < self.due:
            self.due = at

    @property
    def since(self) -> int:
        """The number above which our broadcasts are for a peer that we meet now."""
        return 0 if self.young else self.number

    def evidence_timeout_s(self, beacon_interval_s: float) -> float:
        """How long evidence about multicast holds."""
        return max(self.config.evidence_timeout_s, 3.5 * beacon_interval_s)
