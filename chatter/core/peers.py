"""What is known of each peer: its life, when it was heard, and who hears whom.

Evidence about multicast is directed and kept for each channel: ``hears`` is what the peer told us
(it hears our channel), ``heard`` what we noticed ourselves (we hear its channel). Both age; neither
is ever assumed from the other. A segment is what mutual evidence makes of it, and what a peer says
of its own segment reaches others as a hint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chatter.ids import NetID, epoch_of
from chatter.wire.idtable import sort_netids

if TYPE_CHECKING:
    from chatter.core.flow import Flow

# A member with a valid key could still invent addresses; this is the largest cluster planned for.
MAX_PEERS = 65536

ALIVE, SUSPECT, FAILED, LEFT = "alive", "suspect", "failed", "left"


@dataclass(slots=True)
class Peer:
    """What is known of one peer."""

    netid: NetID
    life: bytes
    heard_at: float
    """When it was last heard, by us or, as far as we were told, by anybody."""
    state: str = ALIVE
    changed_at: float = 0.0
    """When ``state`` last changed."""
    segment: NetID | None = None
    """The segment it says it is in."""
    buffer: int = 0
    """Receive buffer it was granted, in bytes; 0 while unknown."""
    udp_heard: bool = False
    """Whether a unicast datagram of this life ever came: if not, TCP is asked to carry instead."""
    pinged_at: float = float("-inf")
    doubtful_until: float = float("-inf")
    hears: dict[int, float] = field(default_factory=dict)
    """When it last said that it hears this channel of ours."""
    heard: dict[int, float] = field(default_factory=dict)
    """When we last heard this channel of its."""
    since: int = 0
    """Our number when we admitted it: what is at or below was not meant for it."""
    slow: bool = False
    """Whether it took in so little for so long that our multicasts do not wait for it any more."""
    limits: dict[int, int] = field(default_factory=dict)
    """How far it lets each channel of ours go."""
    flow: dict[int, Flow] = field(default_factory=dict)
    """How far each channel of its is, and how far we let it go."""

    @property
    def epoch(self) -> int:
        """The epoch of its life."""
        return epoch_of(self.life)

    @property
    def live(self) -> bool:
        """Whether broadcasts to everyone are planned for it."""
        return self.state in (ALIVE, SUSPECT)


class PeerDB:
    """All peers, and the evidence about them."""

    def __init__(self, local: NetID) -> None:
        self._local = local
        self._peers: dict[NetID, Peer] = {}
        self.version = 0
        """Changes with whatever a plan depends on: who is live, who hears us, whom we doubt."""
        self.joins = 0
        """How often somebody began to hear a channel of ours."""
        self._live: tuple[NetID, ...] = ()
        self._live_at = -1

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers.values())

    def get(self, netid: NetID) -> Peer | None:
        """The peer at this address, in whatever state."""
        return self._peers.get(netid)

    def live(self) -> list[Peer]:
        """The peers that broadcasts to everyone go to."""
        return [peer for peer in self._peers.values() if peer.live]

    def live_netids(self) -> tuple[NetID, ...]:
        """Their addresses. Hot: once for each broadcast or burst."""
        if self._live_at != self.version:
            self._live_at = self.version
            self._live = tuple([peer.netid for peer in self.live()])
        return self._live

    def add(self, peer: Peer) -> bool:
        """Keep a new peer; False if it is ourselves, or the table is full of live ones."""
        if peer.netid == self._local:
            return False
        if len(self._peers) >= MAX_PEERS:
            gone = [one for one in self._peers.values() if not one.live]
            if not gone:
                return False
            # In one go, as looking for the oldest takes the whole table.
            for one in sorted(gone, key=lambda one: one.changed_at)[: MAX_PEERS // 16]:
                del self._peers[one.netid]
        self._peers[peer.netid] = peer
        self.version += 1
        return True

    def forget(self, netid: NetID) -> None:
        """Drop a peer that has been gone for long."""
        self._peers.pop(netid, None)
        self.version += 1

    def note_heard(self, netid: NetID, channel: int, now: float) -> None:
        """We heard this peer's multicast on this channel of its."""
        peer = self._peers.get(netid)
        if peer is not None:
            peer.heard[channel] = now

    def note_seen_ids(
        self,
        netid: NetID,
        heard: Iterable[tuple[int, tuple[NetID, ...]]],
        complete: bool,
        now: float,
    ) -> None:
        """A peer told whose multicasts it hears. If that is all, the channels of ours that are not
        named are ones it does not hear, whatever it said before."""
        peer = self._peers.get(netid)
        if peer is None:
            return
        named = [channel for channel, netids in heard if self._local in netids]
        if not all(channel in peer.hears for channel in named) or (
            complete and len(peer.hears) > len(named)
        ):
            self.version += 1
        for channel in named:
            if channel not in peer.hears:
                # It heard nothing in between: it joins this channel's window where that is now.
                peer.limits.pop(channel, None)
                self.joins += 1
        if complete:
            peer.hears.clear()
        for channel in named:
            peer.hears[channel] = now

    def seen_ids(self, now: float, within_s: float) -> list[tuple[int, tuple[NetID, ...]]]:
        """Whose multicasts we have lately heard, by the sender's channel."""
        by_channel: dict[int, list[NetID]] = {}
        for peer in self._peers.values():
            for channel, heard_at in peer.heard.items():
                if now - heard_at <= within_s:
                    by_channel.setdefault(channel, []).append(peer.netid)
        return [(channel, tuple(netids)) for channel, netids in sorted(by_channel.items())]

    def segment_of_ours(self, now: float, within_s: float) -> NetID:
        """The lowest NetID among ourselves and those with mutual, fresh evidence."""
        mutual = [self._local]
        for peer in self._peers.values():
            if (
                peer.live
                and any(now - at <= within_s for at in peer.hears.values())
                and any(now - at <= within_s for at in peer.heard.values())
            ):
                mutual.append(peer.netid)
        return sort_netids(mutual)[0] if len(mutual) > 1 else self._local
