"""Was a multicast heard? Recipients say so where that matters, and are asked where they do not.

As in the original, one random recipient of a multicast is also contacted over TCP, but with the
BroadcastID alone and at most once a second for each channel. One that has not heard it fetches the
payload, and is served by TCP until it says again that it hears us. Where one has not, others may
not have either: then more are asked, with the next multicast already. Recipients of a targeted or
confirmed multicast say by datagram that they took it; who multicast it probes those who do not.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from chatter.core.context import Context
from chatter.core.links import Links
from chatter.core.origins import Origins
from chatter.core.store import Store
from chatter.ids import BroadcastID, NetID
from chatter.wire.gossip import Gossip
from chatter.wire.records import Probe, Took, Want

PROBE_INTERVAL_S = 1.0

# For each that missed a multicast so many others are asked about the next one, so that a group that
# is dead is known as such after a few of them, and with one lost datagram it is soon at rest again.
ASKED_FOR_EACH_MISSED = 2
# ... and so many in one go at most: each may need a connection.
MOST_ASKED = 16

# A probe may overtake the multicast it asks about, which can wait in another socket's buffer. There
# is more time where evidence alone is asked for: on a busy host a process has to wait for its turn,
# and that many are late must not look as if a group had died.
GRACE_S = 0.05
EVIDENCE_GRACE_S = 0.2

# Ids that wait for the grace to pass. A peer sends one a second for evidence, and those of
# confirmed and targeted broadcasts that it missed: a thousand a second are far behind already.
MAX_CHECKS = 4096

# Answers wait so long for others to share their datagram; those for receipts only as long as it
# takes that not all of a segment answer at once.
TOOK_DELAY_S = 0.04
TOOK_SPREAD_S_PER_PEER = 0.0001

# Ids in one answer: 28 bytes each at worst, so they fit in the smallest datagram.
MAX_TOOK = 40


class Probes:
    """Asks about our multicasts, and answers about those of others.

    Args:
        under_way: whether a broadcast is being assembled: then it needs not be fetched.
        accepting: whether what comes is taken in at once: if not, it may still wait in a socket.
    """

    def __init__(
        self,
        context: Context,
        links: Links,
        origins: Origins,
        store: Store,
        under_way: Callable[[BroadcastID, NetID], bool],
        accepting: Callable[[], bool] = lambda: True,
    ) -> None:
        self._context = context
        self._links = links
        self._origins = origins
        self._store = store
        self._under_way = under_way
        self._accepting = accepting
        self._asked_at: dict[int, float] = {}
        self._missed = 0
        """How many told that they missed a multicast since others were asked last."""
        self._missed_at = float("-inf")
        """When the first did, of those of one second."""
        self._checks: list[tuple[float, BroadcastID, NetID, bool]] = []
        """When to look whether a broadcast came, who asks, and whether he wants an answer."""
        self._took: dict[NetID, list[BroadcastID]] = {}
        self._took_at = float("inf")

    # About our multicasts

    def ask(
        self, channel: int, broadcast: BroadcastID, members: Sequence[NetID], now: float
    ) -> None:
        """After a multicast: ask one of its recipients, if the last question is a second ago.

        If somebody missed one since, ask more of them, and at once.
        """
        missed = self._missed if now - self._missed_at < 2 * PROBE_INTERVAL_S else 0
        if not missed and now - self._asked_at.get(channel, float("-inf")) < PROBE_INTERVAL_S:
            return
        self._asked_at[channel] = now
        self._missed = 0
        most = min(MOST_ASKED, max(1, ASKED_FOR_EACH_MISSED * missed), len(members))
        for member in self._context.rng.sample(members, most):
            if self._links.send(member, Probe((broadcast,))):
                self._context.counts["probes_sent"] += 1

    def wanted(
        self,
        sender: NetID,
        broadcasts: Sequence[BroadcastID],
        answer: Callable[[NetID, Gossip], bool],
        now: float,
    ) -> bool:
        """A peer did not hear these: send them, and trust our multicasts to it no more.

        Returns:
            Whether it is the first for a while that missed something.
        """
        first = now - self._missed_at >= PROBE_INTERVAL_S
        if first:
            self._missed, self._missed_at = 0, now
        self._missed += 1
        peer = self._context.peers.get(sender)
        if peer is not None:
            peer.hears.clear()
            self._context.peers.version += 1
        for broadcast in broadcasts:
            gossip = self._store.get(broadcast)
            if gossip is None:
                self._context.counts["wants_unanswered"] += 1
            elif answer(sender, gossip):
                self._context.counts["wants_answered"] += 1
        return first

    # About those of others

    def asked(self, sender: NetID, probe: Probe, now: float) -> None:
        """A peer asks whether we heard these."""
        taken: list[BroadcastID] = []
        for broadcast in probe.ids:
            if self._origins.seen(broadcast):
                if self._origins.accepted(broadcast):
                    taken.append(broadcast)
            elif len(self._checks) < MAX_CHECKS:
                at = now + (GRACE_S if probe.answer else EVIDENCE_GRACE_S)
                heapq.heappush(self._checks, (at, broadcast, sender, probe.answer))
                self._context.wake(at)
        if probe.answer and taken:
            self._links.send(sender, Took(tuple(taken)))

    def took(self, sender: NetID, broadcast: BroadcastID, *, confirmed: bool, now: float) -> None:
        """We took a multicast whose sender wants to know."""
        delay_s = TOOK_DELAY_S
        if confirmed:
            spread_s = TOOK_SPREAD_S_PER_PEER * self._context.crowd
            delay_s = self._context.rng.uniform(0.0, spread_s)
        self._took.setdefault(sender, []).append(broadcast)
        self._took_at = min(self._took_at, now + delay_s)
        self._context.wake(self._took_at)

    # Time

    def tick(self, now: float) -> None:
        """Fetch what was asked about and still is not here; say what we took."""
        wanted: dict[NetID, list[BroadcastID]] = {}
        taken: dict[NetID, list[BroadcastID]] = {}
        while self._checks and self._checks[0][0] <= now:
            _, broadcast, sender, answer = heapq.heappop(self._checks)
            if self._origins.seen(broadcast):
                if answer and self._origins.accepted(broadcast):
                    taken.setdefault(sender, []).append(broadcast)
            elif not self._accepting():
                heapq.heappush(self._checks, (now + GRACE_S, broadcast, sender, answer))
            elif not self._under_way(broadcast, sender):
                peer = self._context.peers.get(sender)
                if peer is not None and not answer:
                    if max(peer.heard.values(), default=0.0) > now - EVIDENCE_GRACE_S:
                        continue  # we hear it: this one is late, or was lost, and has a number
                    peer.heard.clear()  # until it is heard again we do not say that we hear it
                self._context.counts["probes_missed"] += 1
                wanted.setdefault(sender, []).append(broadcast)
        for sender, broadcasts in wanted.items():
            self._links.send(sender, Want(tuple(broadcasts)))
        for sender, broadcasts in taken.items():
            self._links.send(sender, Took(tuple(broadcasts)))
        if self._took_at <= now:
            self._say_took()

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        return min(self._took_at, self._checks[0][0] if self._checks else float("inf"))

    def _say_took(self) -> None:
        took, self._took = self._took, {}
        self._took_at = float("inf")
        for sender, broadcasts in took.items():
            peer = self._context.peers.get(sender)
            if peer is None:
                continue
            for start in range(0, len(broadcasts), MAX_TOOK):
                part = tuple(broadcasts[start : start + MAX_TOOK])
                self._context.udp.put(sender, peer.life, [Took(part)])
