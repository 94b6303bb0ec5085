"""Who else is there: beacons, what others tell, seeds, and who has gone.

A beacon by multicast says that we live, whom we hear, and what we know of four random nodes
elsewhere: once a second, or less often where nothing changes. Nodes that share no multicast with us
get a digest of what we know by unicast, one random one each time, so news crosses segments in about
log n seconds. An age travels with each entry, not a time: clocks are never compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

from chatter.core.channels import MulticastChannels
from chatter.core.contact import Contacts
from chatter.core.context import Context
from chatter.core.datagrams import fits
from chatter.core.detector import Detector, Verdict
from chatter.core.effects import PeerEvent
from chatter.core.links import Links
from chatter.core.pace import BEACONS_PER_S, Pace
from chatter.core.peers import ALIVE, FAILED, LEFT, Peer
from chatter.core.seeds import Seeds
from chatter.ids import NetID, epoch_of
from chatter.wire.idtable import sort_netids
from chatter.wire.records import (
    CHALLENGE_BYTES,
    Beacon,
    Leave,
    OtherId,
    OtherIds,
    Record,
    SeenIds,
)

OTHERS_IN_BEACON = 4

# A digest is one datagram; an entry costs about 20 bytes, more where addresses have nothing in
# common.
OTHERS_IN_DIGEST = 50
# ... and a node sends at most this many at a time, 12 KiB a second, so 1,000 nodes know each other.
# It sends as many when there is news.
MAX_DIGESTS = 8

# News travels at once, but no faster than this, which grows like the interval of beacons.
EARLY_BEACON_S = 0.1

# For so long a peer is new here, and told all we know when it connects.
NEWCOMER_S = 5.0

# A silent peer is asked once a second, by each who noticed.
ASK_INTERVAL_S = 1.0

# Groups times interfaces of one peer: evidence is kept for each, so it cannot name ever new ones.
MAX_CHANNELS = 64

# One failed peer at a time is tried again, at random, so that a healed partition is noticed.
RETRY_FAILED_S = 5.0
RECENTLY_FAILED = 16

# Ages beyond this say nothing that failing does not; it also keeps the number small on the wire.
MAX_AGE_DS = 36000


class Summary(NamedTuple):
    """One peer as users see it."""

    address: NetID
    epoch: int
    state: str
    """``alive``, ``suspect``, ``failed`` or ``left``."""
    multicast: bool
    """Whether there is fresh evidence that it hears our multicasts."""
    segment: NetID | None
    """The segment it says it is in, named after its lowest NetID."""
    heard_s_ago: float
    """Seconds since anybody heard it, as far as is known here."""


class Membership:
    """Keeps the PeerDB true.

    Args:
        along: what else goes with each beacon and digest: what there is to repair and to send.
        gone: told of each peer that failed or left, once it is known as such.
    """

    def __init__(
        self,
        context: Context,
        contacts: Contacts,
        links: Links,
        channels: MulticastChannels,
        along: Callable[[float], list[Record]] = lambda now: [],
        gone: Callable[[NetID, float], None] = lambda netid, now: None,
    ) -> None:
        self._context = context
        self._contacts = contacts
        self._links = links
        self._channels = channels
        self._along = along
        self._when_gone = gone
        self._detector = Detector(context.config.failure_timeout_s)
        self.seeds = Seeds(context, links)
        self._pace = Pace(context)
        self._round_at = 0.0
        self._retry_at = 0.0
        self._leaving = False
        self._slice = 0
        self._slices = 1
        self._news = False
        self.segments: tuple[NetID, ...] = (context.local,)
        """The segment we are in, and the one before."""

    def start(self, now: float) -> None:
        """Speak at once, and from then on regularly."""
        self._round_at = now
        self._retry_at = now + RETRY_FAILED_S

    # What is heard

    def heard(self, netid: NetID, life: bytes, now: float) -> Peer | None:
        """A proven frame of this life came: it is alive. None if there is no room for a peer."""
        peer = self._context.peers.get(netid)
        if peer is None:
            peer = Peer(netid, life, now, changed_at=now, since=self._context.since)
            if not self._context.peers.add(peer):
                return None
            self._tell(peer)
            self.speak_soon(now)
        elif peer.life != life:
            self._restarted(peer, life, now)
            self.speak_soon(now)
        elif peer.state == FAILED:
            self._change(peer, ALIVE, now)
            self.speak_soon(now)
        # One that said it leaves is done; what still comes was sent before it said so.
        peer.heard_at = now
        return peer

    def note_multicast(self, peer: Peer, channel: int, now: float) -> None:
        """We heard a multicast of this peer; when that is news, it should know soon."""
        if channel >= MAX_CHANNELS:
            return
        silence_s = now - peer.heard.get(channel, float("-inf"))
        if silence_s > self._context.config.beacon_interval_s and silence_s > self._pace.lately_s:
            self._context.crowd += not peer.heard
            self.speak_soon(now)
        peer.heard[channel] = now

    def note_others(self, sender: NetID, entries: Sequence[OtherId], now: float) -> None:
        """A member told what it knows of others."""
        context = self._context
        timeout_s = self._detector.timeout_s(self._pace.interval_s)
        for netid, life, age_ds, left, segment in entries:
            if netid == context.local or not netid.may_come_from(sender):
                continue
            heard_at = now - age_ds / 10
            peer = context.peers.get(netid)
            if peer is None:
                if not left and now - heard_at < timeout_s:
                    since = context.since
                    peer = Peer(netid, life, heard_at, changed_at=now, segment=segment, since=since)
                    if context.peers.add(peer):
                        self._tell(peer)
                        self.speak_soon(now)
                continue
            if peer.life != life:
                if left or epoch_of(life) <= peer.epoch:
                    continue
                if self._contacts.life(netid) == peer.life:
                    # Newer by hearsay alone, where the life we know has proven itself: the new
                    # one has to do that too, and is asked to.
                    self._contacts.challenge(netid, life, now)
                    continue
                self._restarted(peer, life, now)
            if left:
                if peer.live:
                    self._gone(peer, LEFT, now)
                continue
            if heard_at > peer.heard_at:
                peer.heard_at = heard_at
                peer.segment = segment or peer.segment
                if peer.state == FAILED and now - heard_at < timeout_s:
                    self._change(peer, ALIVE, now)

    def left(self, netid: NetID, life: bytes, now: float) -> None:
        """A peer said that it leaves."""
        peer = self._context.peers.get(netid)
        if peer is not None and peer.life == life and peer.state != LEFT:
            self._gone(peer, LEFT, now)

    # What is said

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._leaving:
            return  # whoever met us from here on would not hear that we are gone
        self.seeds.tick(now)
        if now >= self._round_at:
            self._round(now)
        if now >= self._retry_at:
            self._retry_at = now + RETRY_FAILED_S * self._context.rng.uniform(0.8, 1.2)
            failed = [peer for peer in self._context.peers if peer.state == FAILED]
            if failed:
                # Half of the tries go to those that failed last: a partition that heals is among
                # them, while the others are mostly processes that will never be back.
                failed.sort(key=lambda peer: peer.changed_at)
                among = failed[-RECENTLY_FAILED:] if self._context.rng.random() < 0.5 else failed
                self._links.connect(self._context.rng.choice(among).netid)

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        if self._leaving:
            return float("inf")
        return min(self._round_at, self._retry_at, self.seeds.next_wakeup())

    def speak_soon(self, now: float) -> None:
        """There is news: do not wait for the next regular beacon."""
        slower = max(1.0, self._context.crowd / BEACONS_PER_S)
        soon = now + EARLY_BEACON_S * slower * self._context.rng.uniform(0.5, 1.5)
        self._round_at = min(self._round_at, soon)
        self._context.wake(self._round_at)
        self._news = True

    def greet(self, netid: NetID, now: float) -> None:
        """A connection is up: tell who we are, and all we know, or some of it if it is no news."""
        if self._leaving:
            self._links.send(netid, Leave())
            return
        for record in (self._beacon(now), *self._along(now)):
            self._links.send(netid, record)
        others = [peer for peer in self._context.peers if peer.netid != netid]
        peer = self._context.peers.get(netid)
        if peer is not None and now - peer.changed_at > NEWCOMER_S:
            others = self._context.rng.sample(others, min(OTHERS_IN_DIGEST, len(others)))
        entries = self._entries(others, now)
        for start in range(0, len(entries), 500):
            self._links.send(netid, OtherIds(tuple(entries[start : start + 500])))

    def reintroduce(self) -> None:
        """We have another life: nobody takes our multicasts before they know it; speak."""
        for peer in self._context.peers:
            peer.hears.clear()
        self._context.peers.version += 1
        self._round_at = float("-inf")
        self._context.wake(self._round_at)
        self._news = True

    def leave(self, now: float) -> None:
        """Tell everybody that we go."""
        self._leaving = True
        along = self._along(now)  # what our last broadcasts were: others may be asked for them
        for channel in self._channels:
            for record in (*along, Leave()):
                channel.put(record)
        for peer in self._context.peers.live():
            if self._links.warm(peer.netid):
                self._links.send(peer.netid, Leave())
            elif not self._hears_us(peer, now):
                self._context.udp.put(peer.netid, peer.life, [Leave()])

    # Details

    def evidence_timeout_s(self, now: float) -> float:
        """How long it holds that a peer hears us, which it may say once in several beacons."""
        return self._context.evidence_timeout_s(self._pace.longest_s * self._slices)

    def summaries(self, now: float) -> list[Summary]:
        """Every peer in whatever state, live or not."""
        return [
            Summary(
                peer.netid,
                peer.epoch,
                peer.state,
                peer.live and self._hears_us(peer, now),
                peer.segment,
                max(0.0, now - peer.heard_at),
            )
            for peer in self._context.peers
        ]

    def _round(self, now: float) -> None:
        """Look around; speak if it is time, or somebody depends on hearing of others through us."""
        context = self._context
        context.crowd = 1 + sum(1 for peer in context.peers if peer.live and peer.heard)
        interval_s = self._pace.interval_s
        self._round_at = now + interval_s * context.rng.uniform(0.9, 1.1)
        self._judge(interval_s, now)
        apart = self._apart(now)
        if self._news or apart:
            self._pace.hurry()
        if self._pace.speaks():
            self._send_beacons(now)
        self._send_digests(apart, now)
        self._news = False
        self._links.close_idle(now)

    def _apart(self, now: float) -> list[Peer]:
        """The live peers that share no multicast with us: what they hear of us, we have to send."""
        lately_s = self._pace.lately_s
        return [
            peer
            for peer in self._context.peers.live()
            if not (
                self._hears_us(peer, now)
                and any(now - heard_at <= lately_s for heard_at in peer.heard.values())
            )
        ]

    def _hears_us(self, peer: Peer, now: float) -> bool:
        within_s = self.evidence_timeout_s(now)
        return any(now - told_at <= within_s for told_at in peer.hears.values())

    def _beacon(self, now: float) -> Beacon:
        segment = self._context.peers.segment_of_ours(now, self.evidence_timeout_s(now))
        if segment != self.segments[0]:
            self.segments = (segment, self.segments[0])
        return Beacon(segment)

    def _send_beacons(self, now: float) -> None:
        if not self._channels:
            return
        beacon = self._beacon(now)
        seen = self._seen_ids(now)
        segment = beacon.segment
        elsewhere = [peer for peer in self._context.peers.live() if peer.segment != segment]
        rng = self._context.rng
        chosen = rng.sample(elsewhere, min(OTHERS_IN_BEACON, len(elsewhere)))
        records: list[Record] = [beacon, seen, *self._along(now)]
        if chosen:
            records.append(OtherIds(tuple(self._entries(chosen, now))))
        for channel in self._channels:
            for record in records:
                channel.put(record)
        self._context.counts["beacons_sent"] += 1

    def _seen_ids(self, now: float) -> SeenIds:
        """Whose multicasts we hear: all of them, or the next slice of what one datagram takes."""
        heard = [
            (channel, netid)
            for channel, netids in self._context.peers.seen_ids(now, self._pace.lately_s)
            for netid in sort_netids(netids)  # neighbours cost a byte each, strangers eight
        ]
        budget = min(channel.budget for channel in self._channels)
        slices = 1
        while True:
            size = -(-len(heard) // slices)
            parts = [
                _seen(heard[start : start + size], slices == 1)
                for start in range(0, max(1, len(heard)), max(1, size))
            ]
            if size <= 1 or all(fits([part], budget) for part in parts):
                break
            slices *= 2
        self._slices = len(parts)
        self._slice = (self._slice + 1) % len(parts)
        return parts[self._slice]

    def _send_digests(self, apart: Sequence[Peer], now: float) -> None:
        """Tell a random node that shares no multicast with us what we know; more if many are."""
        if not apart:
            return
        peers = self._context.peers
        lately_s = self._pace.lately_s
        rng = self._context.rng
        usual = MAX_DIGESTS if self._news else 1 + len(peers.live()) // OTHERS_IN_DIGEST
        wanted = min(len(apart), MAX_DIGESTS, usual)
        for peer in rng.sample(apart, wanted):
            others = [one for one in peers if one is not peer and one.state != FAILED]
            chosen = rng.sample(others, min(OTHERS_IN_DIGEST, len(others)))
            heard = [
                (channel, (peer.netid,))
                for channel, heard_at in sorted(peer.heard.items())
                if now - heard_at <= lately_s
            ]
            records: list[Record] = [self._beacon(now), SeenIds(tuple(heard), True)]
            records += self._along(now)
            entries = self._entries(chosen, now)
            while entries and not fits([*records, OtherIds(tuple(entries))]):
                del entries[len(entries) * 3 // 4 :]
            records.append(OtherIds(tuple(entries)))
            self.send_unicast(peer, records)

    def send_unicast(self, peer: Peer, records: list[Record]) -> None:
        """Send one datagram's worth of records; by TCP where datagrams do not get through."""
        if self._links.warm(peer.netid) and not peer.udp_heard:
            for record in records:
                self._links.send(peer.netid, record)
        else:
            self._context.udp.put(peer.netid, peer.life, records)

    def _entries(self, peers: Sequence[Peer], now: float) -> list[OtherId]:
        return [
            OtherId(
                peer.netid,
                peer.life,
                # Rounded up: an age that shrank a little each time it was told would keep a dead
                # peer alive for ever.
                min(MAX_AGE_DS, max(0, ceil((now - peer.heard_at) * 10))),
                peer.state == LEFT,
                peer.segment,
            )
            for peer in peers
            if peer.state != FAILED
        ]

    def _judge(self, interval_s: float, now: float) -> None:
        for peer, verdict in self._detector.judge(self._context.peers, interval_s, now):
            if verdict is Verdict.FAIL:
                self._gone(peer, FAILED, now)
            elif verdict is Verdict.FORGET:
                self._context.peers.forget(peer.netid)
                self._contacts.forget(peer.netid)
            elif now - peer.pinged_at >= ASK_INTERVAL_S:
                peer.pinged_at = now
                self._contacts.challenge(peer.netid, peer.life, now)
                if verdict is Verdict.ASK_BY_TCP:
                    self._ask_by_tcp(peer)

    def _ask_by_tcp(self, peer: Peer) -> None:
        """Datagrams brought no answer: ask on a connection, which may be up and yet be dead."""
        peer.udp_heard = False
        challenge = self._context.random_bytes(CHALLENGE_BYTES)
        self._links.send(peer.netid, self._contacts.own_hello(peer.netid, challenge=challenge))

    def _restarted(self, peer: Peer, life: bytes, now: float) -> None:
        """Another life took this address; the former one is over, however it ended."""
        if peer.live:
            self._context.effects.append(PeerEvent(peer.netid, peer.epoch, FAILED))
        self._links.close_life(peer.netid, peer.life)
        self._contacts.supersede(peer.life)
        peer.life = life
        peer.hears.clear()
        peer.heard.clear()
        peer.limits.clear()
        peer.flow.clear()
        peer.slow = peer.udp_heard = False
        peer.since = self._context.number  # a new life was not there before
        peer.segment = None
        peer.doubtful_until = float("-inf")
        peer.heard_at = now
        self._change(peer, ALIVE, now)

    def _gone(self, peer: Peer, state: str, now: float) -> None:
        peer.hears.clear()
        peer.heard.clear()
        self._links.close(peer.netid)
        self._change(peer, state, now)
        self._when_gone(peer.netid, now)
        self.speak_soon(now)

    def _change(self, peer: Peer, state: str, now: float) -> None:
        peer.state = state
        peer.changed_at = now
        self._context.peers.version += 1
        self._tell(peer)

    def _tell(self, peer: Peer) -> None:
        self._context.effects.append(PeerEvent(peer.netid, peer.epoch, peer.state))


def _seen(heard: Sequence[tuple[int, NetID]], complete: bool) -> SeenIds:
    by_channel: dict[int, list[NetID]] = {}
    for channel, netid in heard:
        by_channel.setdefault(channel, []).append(netid)
    return SeenIds(tuple((channel, tuple(one)) for channel, one in by_channel.items()), complete)
