"""How much may be under way by multicast: what we may send, and what we let others send.

Each datagram that carries gossips or chunks moves its channel's *position* on, by its bytes and
what a kernel charges for a datagram besides; the position stands in every frame. A receiver that
has taken in what it heard grants a *limit*: how far this sender's position may go. A sender goes as
far as the slowest of those who hear it. What is lost on the way needs no account of its own: the
position of the next datagram covers it.

Source: the idea of multicast flow control by credits is that of JGroups' MFC protocol
(https://docs.jgroups.org, "Flow control").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatter.core.context import Context
from chatter.core.effects import MulticastReady
from chatter.core.outbox import CHARGE_BYTES
from chatter.core.peers import Peer
from chatter.ids import NetID
from chatter.wire.records import Credit, Grant
from chatter.wire.seal import MAX_FRAME_BYTES

# A sender that was heard within this shares our buffer with the others.
ACTIVE_S = 1.0

# What a listener is trusted to take before it has granted anything: four datagrams on Ethernet, or
# an eighth of the smallest buffer on loopback, which is as large as a datagram there may be.
FIRST_LIMIT_BYTES = 60 * 1024

# A sender that is quiet for so long was granted what it needs by the beacons since.
FORGET_ACTIVE_S = 600.0  # twice the longest pause between two beacons, and some

# Without multicast buffers of its own a node has nothing to share out; it is not asked either.
_NO_BUFFER_BYTES = 128 * 1024

# Listeners that a blocked sender asks in one go, and the pauses between its questions.
MAX_ASKED = 16
FIRST_QUESTION_S = 0.005
LAST_QUESTION_S = 0.5

# A quarter of a grant that was used within so long, by one datagram too, is a flow that would use
# up the rest before the next grant arrives, were it to come late. A slower one has time: it is
# granted more at a random point of the third quarter, as grants for each few messages, from all who
# hear them at the same one, would wake the sender more often than its messages do.
QUICK_S = 0.1
LEAST_PATIENCE, MOST_PATIENCE = 0.5, 0.75

# Grants in a beacon. More senders than this at a time are told by datagrams of their own.
GRANTS_IN_BEACON = 8

_NEVER = float("inf")


class Flow:
    """How far one channel of a peer is, and how far we let it go."""

    __slots__ = ("began_at", "limit", "paid", "patience", "seen")

    def __init__(self, position: int) -> None:
        self.seen = position
        self.paid = position
        """What ``seen`` was at the last grant."""
        self.limit = position + FIRST_LIMIT_BYTES
        self.began_at = float("-inf")
        """When the first datagram came that uses what the last grant gave."""
        self.patience = LEAST_PATIENCE
        """The part of a grant that a slow sender uses before it gets the next."""


class SendingFlow:
    """How far one channel of ours may go."""

    def __init__(self, context: Context, channel: int) -> None:
        self._context = context
        self._channel = channel
        self._limit = 0
        self._joins = 0
        self._blocked_at: float | None = None
        self._ask_at = _NEVER
        self._pause_s = FIRST_QUESTION_S
        self.position = 0

    def credit(self) -> int:
        """Bytes of frames that may be sent now."""
        # Limits only grow, so what was the lowest is too high only for who joined since.
        joins = self._context.peers.joins
        if joins != self._joins or self._limit - self.position < 2 * MAX_FRAME_BYTES:
            self._joins = joins
            self._limit = min(
                (self._limit_of(peer) for peer in self._listeners()),
                default=self.position + 4 * MAX_FRAME_BYTES,
            )
        return max(0, self._limit - self.position - CHARGE_BYTES)

    def allows(self, charge: int) -> bool:
        """Whether a datagram with so many bytes may be sent now: as ``credit`` tells, which looks
        at all who listen when little is left."""
        known = self._limit - self.position - CHARGE_BYTES
        return (known >= charge and self._context.peers.joins == self._joins) or (
            self.credit() >= charge
        )

    def position_after(self, charge: int) -> int:
        """Where a datagram with so many bytes of gossips and chunks will have brought us."""
        return self.position + charge + CHARGE_BYTES

    def advance(self, charge: int) -> None:
        """A datagram with so many bytes of gossips and chunks is about to be sealed.

        Reckoned before compression, as the position stands inside what is compressed.
        """
        self.position = self.position_after(charge)
        self._blocked_at, self._ask_at = None, _NEVER

    def blocked(self, now: float) -> None:
        """Something waits, and there is no credit for it."""
        if self._blocked_at is None:
            self._blocked_at = now
            self._pause_s = FIRST_QUESTION_S
            self._ask_at = now + self._pause_s
            self._context.wake(self._ask_at)
            self._context.counts["multicast_blocked"] += 1

    def granted(self, peer: Peer, limit: int) -> bool:
        """A listener grants; whether somebody waits for that."""
        known = peer.limits.get(self._channel)
        if known is not None and limit <= known:
            return False
        peer.limits[self._channel] = limit
        if peer.slow and limit > self.position:
            # It has taken in all that there was: it may hold us up again.
            peer.slow = False
            self._context.counts["slow_peers_back"] += 1
        return self._blocked_at is not None

    def tick(self, now: float) -> Sequence[Peer]:
        """Whom to ask for credit, if we are blocked; who is slow for too long is left behind."""
        if self._blocked_at is None or now < self._ask_at:
            return ()
        self._limit = 0
        holding = [peer for peer in self._listeners() if self._limit_of(peer) <= self.position]
        holding += [] if holding else self._tightest()
        if now - self._blocked_at >= self._context.config.slow_after_s:
            for peer in holding:
                peer.slow = True
                self._context.counts["slow_peers"] += 1
            self._limit = 0
            self._blocked_at = now
            self._context.effects.append(MulticastReady(self._channel))
        self._ask_at = now + self._pause_s
        self._pause_s = min(LAST_QUESTION_S, self._pause_s * 2)
        return holding[:MAX_ASKED]

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        return self._ask_at

    def _tightest(self) -> list[Peer]:
        """Those whose limit leaves the least, where it leaves some but not enough."""
        listeners = list(self._listeners())
        least = min((self._limit_of(peer) for peer in listeners), default=0)
        return [peer for peer in listeners if self._limit_of(peer) == least]

    def _listeners(self) -> list[Peer]:
        channel = self._channel
        return [
            peer
            for peer in self._context.peers
            if channel in peer.hears and peer.live and not peer.slow
        ]

    def _limit_of(self, peer: Peer) -> int:
        limit = peer.limits.get(self._channel)
        if limit is None:  # it joins the window here
            limit = peer.limits[self._channel] = self.position + FIRST_LIMIT_BYTES
        return limit


class ReceivingFlow:
    """What we grant to those whose multicasts we hear.

    Args:
        accepting: whether what comes now can be taken in: no handler is behind, no queue full.
        tell: sends a grant to its sender.
    """

    def __init__(
        self,
        context: Context,
        accepting: Callable[[], bool],
        tell: Callable[[Peer, Credit], None],
    ) -> None:
        self._context = context
        self._accepting = accepting
        self._tell = tell
        self._active: dict[NetID, float] = {}
        self._owed: dict[tuple[NetID, int], None] = {}

    def heard(self, peer: Peer, channel: int, position: int, now: float) -> None:
        """A datagram of this peer said how far its channel is. Hot: once for each datagram."""
        flow = peer.flow.get(channel)
        if flow is None:
            flow = peer.flow[channel] = Flow(position)
        if position <= flow.seen:
            return
        if flow.seen == flow.paid:
            flow.began_at = now
        self._context.appetite.bytes += position - flow.seen
        flow.seen = position
        self._active[peer.netid] = now
        used, given = position - flow.paid, flow.limit - flow.paid
        if 4 * used >= given and (now - flow.began_at < QUICK_S or used >= flow.patience * given):
            self._owed[peer.netid, channel] = None
            self.pay(now)

    def asked(self, peer: Peer, channel: int, position: int, now: float) -> None:
        """A sender is held up by us. What we have not heard up to its position was lost."""
        flow = peer.flow.get(channel)
        if flow is None:
            flow = peer.flow[channel] = Flow(position)
        flow.seen = max(flow.seen, position)
        self._active[peer.netid] = now
        self._owed[peer.netid, channel] = None
        self.pay(now)

    def pay(self, now: float) -> None:
        """Grant what is owed, if we can take in more."""
        if not self._owed or not self._accepting():
            return
        owed, self._owed = self._owed, {}
        for netid, channel in owed:
            peer = self._context.peers.get(netid)
            if peer is not None and channel in peer.flow:
                self._tell(peer, Credit((self._grant(peer, channel, now),)))
                self._context.counts["credits_sent"] += 1

    def for_beacon(self, now: float) -> Credit | None:
        """Grants for the senders that moved on since their last one; None if none did."""
        moved: list[tuple[Peer, int]] = []
        for netid, at in list(self._active.items()):
            peer = self._context.peers.get(netid)
            if peer is None or now - at > FORGET_ACTIVE_S:
                del self._active[netid]
                continue
            moved += [(peer, one) for one, flow in peer.flow.items() if flow.seen > flow.paid]
        if not moved or not self._accepting():
            return None
        return Credit(
            tuple(self._grant(peer, channel, now) for peer, channel in moved[:GRANTS_IN_BEACON])
        )

    def _grant(self, peer: Peer, channel: int, now: float) -> Grant:
        flow = peer.flow[channel]
        flow.paid = flow.seen
        flow.patience = self._context.rng.uniform(LEAST_PATIENCE, MOST_PATIENCE)
        flow.limit = max(flow.limit, flow.seen + self._share(peer, channel, now))
        return Grant(peer.netid, channel, flow.limit)

    def _share(self, peer: Peer, channel: int, now: float) -> int:
        """What each active sender may have under way: half of the buffer is theirs together.

        Never less than the largest datagram, or its sender could not go on at all.
        """
        active = sum(1 for at in self._active.values() if now - at <= ACTIVE_S) or 1
        most = (self._context.buffer or _NO_BUFFER_BYTES) // 2 // active
        return self._context.appetite.window_bytes(
            (peer.netid, channel), MAX_FRAME_BYTES + CHARGE_BYTES, most, now
        )
