"""Who is alive: a peer that nobody has heard for long enough is failed.

Any traffic is a sign of life, and so is another member's word that it heard the peer lately. Before
a silent peer is given up it is asked: first by a datagram, then, as those may be blocked on the
way, by TCP. This module alone decides; another detector can take its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from chatter.core.peers import FAILED, LEFT, Peer

# Parts of the failure timeout after which a silent peer is asked.
_ASK_BY_UDP_AFTER = 0.5
_ASK_BY_TCP_AFTER = 0.75

# Beacons lost in a row that must not fail a peer, and a half for the jitter between them.
BEACONS_MISSED = 3.5

# Failed peers may only be cut off: they are tried again for a day, then forgotten.
FORGET_FAILED_AFTER_S = 24 * 3600.0

# Long enough that everybody was told; then a peer that left is nobody's business any more.
FORGET_LEFT_AFTER_S = 60.0


class Verdict(Enum):
    """What to do about a silent peer."""

    ASK_BY_UDP = "ask by udp"
    ASK_BY_TCP = "ask by tcp"
    FAIL = "fail"
    FORGET = "forget"


class Detector:
    """Judges peers by how long ago anybody heard them.

    Args:
        timeout_s: silence after which a peer is failed.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    def timeout_s(self, beacon_interval_s: float) -> float:
        """The silence after which a peer is failed, given how often nodes now speak unasked."""
        return max(self._timeout_s, BEACONS_MISSED * beacon_interval_s)

    def judge(
        self, peers: Iterable[Peer], beacon_interval_s: float, now: float
    ) -> list[tuple[Peer, Verdict]]:
        """Those peers that something is to be done about. Changes nothing."""
        timeout_s = self.timeout_s(beacon_interval_s)
        verdicts: list[tuple[Peer, Verdict]] = []
        for peer in peers:
            gone_s = now - peer.changed_at
            silent_s = now - peer.heard_at
            if peer.state == LEFT:
                if gone_s > FORGET_LEFT_AFTER_S:
                    verdicts.append((peer, Verdict.FORGET))
            elif peer.state == FAILED:
                if gone_s > FORGET_FAILED_AFTER_S:
                    verdicts.append((peer, Verdict.FORGET))
            elif silent_s > timeout_s:
                verdicts.append((peer, Verdict.FAIL))
            elif silent_s > timeout_s * _ASK_BY_TCP_AFTER:
                verdicts.append((peer, Verdict.ASK_BY_TCP))
            elif silent_s > timeout_s * _ASK_BY_UDP_AFTER:
                verdicts.append((peer, Verdict.ASK_BY_UDP))
        return verdicts
