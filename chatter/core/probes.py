"""Is a multicast really heard? One listener a second is asked, and says so if it was not.

As in the original, one random recipient of a multicast is also contacted over TCP, but with the
BroadcastID alone and at most once a second for each channel. One that has not heard it fetches the
payload, and is served by TCP until it says again that it hears us.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from chatter.core.context import Context
from chatter.core.duplicates import Duplicates
from chatter.core.links import Links
from chatter.core.store import Store
from chatter.ids import BroadcastID, NetID
from chatter.wire.records import Probe, Want

PROBE_INTERVAL_S = 1.0

# A probe may overtake the multicast it asks about, which can wait in another socket's buffer.
GRACE_S = 0.05

# Ids that wait for the grace to pass; a peer sends one a second, so this is a very large segment.
MAX_CHECKS = 4096


class Probes:
    """Asks about our multicasts, and answers about those of others."""

    def __init__(
        self, context: Context, links: Links, duplicates: Duplicates, store: Store
    ) -> None:
        self._context = context
        self._links = links
        self._duplicates = duplicates
        self._store = store
        self._asked_at: dict[int, float] = {}
        self._checks: list[tuple[float, BroadcastID, NetID]] = []

    def ask(
        self, channel: int, broadcast: BroadcastID, members: Sequence[NetID], now: float
    ) -> None:
        """After a multicast: ask one of its recipients, if the last question is a second ago."""
        if now - self._asked_at.get(channel, float("-inf")) < PROBE_INTERVAL_S:
            return
        self._asked_at[channel] = now
        if self._links.send(self._context.rng.choice(members), Probe((broadcast,))):
            self._context.counts["probes_sent"] += 1

    def asked(self, sender: NetID, broadcasts: Sequence[BroadcastID], now: float) -> None:
        """A peer asks whether we heard these."""
        for broadcast in broadcasts:
            if not self._duplicates.seen(broadcast) and len(self._checks) < MAX_CHECKS:
                heapq.heappush(self._checks, (now + GRACE_S, broadcast, sender))

    def tick(self, now: float) -> None:
        """Fetch what was asked about and still is not here."""
        while self._checks and self._checks[0][0] <= now:
            _, broadcast, sender = heapq.heappop(self._checks)
            if not self._duplicates.seen(broadcast):
                self._context.counts["probes_missed"] += 1
                self._links.send(sender, Want((broadcast,)))

    def wanted(self, sender: NetID, broadcasts: Sequence[BroadcastID]) -> None:
        """A peer did not hear these: send them, and trust our multicasts to it no more."""
        peer = self._context.peers.get(sender)
        if peer is not None:
            peer.hears.clear()
        for broadcast in broadcasts:
            gossip = self._store.get(broadcast)
            if gossip is None:
                self._context.counts["wants_unanswered"] += 1
                continue
            if self._links.send(sender, gossip._replace(hop=gossip.hop + 1, distribution=())):
                self._context.counts["wants_answered"] += 1

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        return self._checks[0][0] if self._checks else float("inf")
