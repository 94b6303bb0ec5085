"""The addresses to meet others at: tried with growing pauses, and again whenever they are gone."""

from __future__ import annotations

from dataclasses import dataclass

from chatter.core.context import Context
from chatter.core.links import Links
from chatter.ids import NetID

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0


@dataclass(slots=True)
class _Seed:
    """One address, and how it goes with it."""

    netid: NetID | None = None
    """Who answered there; it may know itself by another address."""
    tries: int = 0
    next_at: float = 0.0


class Seeds:
    """Connects to each seed that is not among the live peers."""

    def __init__(self, context: Context, links: Links) -> None:
        self._context = context
        self._links = links
        self._seeds: dict[NetID, _Seed] = {}

    def set(self, addresses: list[NetID], now: float) -> None:
        """These are the seeds now: what the names given with ``join`` stand for at the moment."""
        wanted = [address for address in addresses if address != self._context.local]
        kept = {address: self._seeds.get(address) or _Seed(next_at=now) for address in wanted}
        self._seeds = kept

    def answered(self, address: NetID, netid: NetID) -> None:
        """A connection to ``address`` reached the node ``netid``."""
        seed = self._seeds.get(address)
        if seed is not None:
            seed.netid, seed.tries = netid, 0

    def unanswered(self) -> list[NetID]:
        """The seeds behind which no live peer is known."""
        return [
            address
            for address, seed in self._seeds.items()
            if (peer := self._context.peers.get(seed.netid or address)) is None or not peer.live
        ]

    def tick(self, now: float) -> None:
        """Connect to those that are due and not there."""
        for address, seed in self._seeds.items():
            if now < seed.next_at:
                continue
            seed.tries += 1
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(seed.tries - 1, 10))
            seed.next_at = now + pause * self._context.rng.uniform(0.8, 1.2)
            peer = self._context.peers.get(seed.netid or address)
            if peer is not None and peer.live:
                seed.tries = 0
                seed.next_at = now + LONGEST_PAUSE_S
            else:
                self._links.connect(address)

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        return min((seed.next_at for seed in self._seeds.values()), default=float("inf"))
