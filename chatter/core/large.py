"""Large payloads in this node: headers and chunks that come, and the transfers that pass them on.

A header travels like any gossip, and is planned and passed on at once; the chunks follow on the
same ways as they come. When the last one is here the payload is an ordinary broadcast.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatter.core.assembly import Assemblies, Assembly
from chatter.core.channels import MulticastChannels
from chatter.core.context import Context
from chatter.core.duties import Duty
from chatter.core.effects import MulticastReady
from chatter.core.links import Links
from chatter.core.origins import Origins
from chatter.core.store import Store
from chatter.core.transfer import Transfer, Whole
from chatter.ids import BroadcastID, NetID
from chatter.wire.gossip import Gossip
from chatter.wire.records import Chunk, WantChunks

# Larger payloads travel in chunks. What travels whole has to fit in a frame of 64 KiB together with
# its distribution list; the rest of the frame holds a list of about a thousand nodes.
MAX_WHOLE_BYTES = 48 * 1024

# Nodes that may be asked for what a stalled one lacks, in one turn.
_OTHERS = 8


def header_of(gossip: Gossip) -> Gossip:
    """The gossip as it travels: without the payload if that follows in chunks."""
    return gossip._replace(payload=b"") if gossip.size else gossip


def with_payload(gossip: Gossip, payload: bytes) -> Gossip:
    """The gossip with another payload, travelling in chunks if that is large."""
    size = len(payload) if len(payload) > MAX_WHOLE_BYTES else 0
    return gossip._replace(payload=payload, size=size, pull=False)


class Arriving:
    """What waits for one payload to be whole, and who is passed on what came of it."""

    __slots__ = ("duties", "heads", "held", "sender", "took", "via", "ways")

    def __init__(self, sender: NetID, via: str) -> None:
        self.sender = sender
        self.via = via
        self.duties: list[Duty] = []
        """Done no sooner than it is whole here."""
        self.held: list[tuple[Duty, tuple[NetID, ...]]] = []
        """Whom to serve once its handler had it, where that may replace the body."""
        self.ways: dict[MulticastReady, None] = {}
        """Channels to which chunks go as they come."""
        self.heads: dict[NetID, None] = {}
        """Nodes to which chunks go as they come."""
        self.took: NetID | None = None
        """Who multicast it and wants to know that it came."""


class Bodies:
    """Where the bytes of large payloads are: under way, or kept whole."""

    def __init__(self, context: Context, store: Store) -> None:
        self._store = store
        self.assemblies = Assemblies(context.config.repair_timeout_s, wake=context.wake)
        self.arriving: dict[BroadcastID, Arriving] = {}
        """What waits for those under way."""

    def transfer(self, header: Gossip, ranges: Sequence[tuple[int, int]] = ()) -> Transfer | None:
        """Sends what this header stands for, or the ranges (start, stop) of it; None if it is
        neither here nor under way."""
        body: Assembly | Whole | None = self.assemblies.get(header.id)
        if body is None:
            kept = self._store.get(header.id)
            if kept is None or len(kept.payload) != header.size:
                return None
            body = Whole(kept.payload)
        return Transfer(header, body, ranges or ((0, header.size),))


class Large:
    """Headers, chunks, and requests for chunks."""

    def __init__(
        self,
        context: Context,
        bodies: Bodies,
        channels: MulticastChannels,
        links: Links,
        origins: Origins,
        store: Store,
    ) -> None:
        self._context = context
        self._channels = channels
        self._bodies = bodies
        self._assemblies = bodies.assemblies
        self._links = links
        self._origins = origins
        self._store = store
        self._arriving = bodies.arriving

    def open(self, header: Gossip, sender: NetID, via: str, now: float) -> Arriving | None:
        """A header came of a broadcast that is not here: what waits for it; None without room."""
        assembly = self._assemblies.open(header._replace(distribution=()), sender, now)
        if assembly is None:
            self._context.counts["dropped_assembly_full"] += 1
            return None
        arriving = self._arriving.get(header.id)
        if arriving is None:
            arriving = self._arriving[header.id] = Arriving(sender, via)
        if header.number:
            life = self._origins.open(header.id.origin, header.id.epoch)
            life.numbers.in_progress(header.number, True)
        return arriving

    def under_way(self, broadcast: BroadcastID) -> bool:
        """Whether it is being assembled."""
        return broadcast in self._arriving

    def asked_about(self, broadcast: BroadcastID, sender: NetID) -> bool:
        """Whether it is being assembled; then this sender is told when it is whole."""
        arriving = self._arriving.get(broadcast)
        if arriving is None:
            return False
        arriving.took = arriving.took or sender
        return True

    def chunk(self, chunk: Chunk, now: float) -> tuple[Gossip, Arriving] | None:
        """A piece came: the whole gossip, if it was the last one, and what waited for it.

        Raises:
            FrameError: it does not fit its header; nothing changed.
        """
        assembly = self._assemblies.get(chunk.id)
        if assembly is None:
            self._context.counts["chunks_needless"] += 1
            return None
        if not assembly.put(chunk.offset, chunk.data, now):
            self._context.counts["chunks_needless"] += 1
            return None
        self._context.counts["chunks_received"] += 1
        arriving = self._arriving[chunk.id]
        self._context.effects.extend(arriving.ways)
        for netid in arriving.heads:
            self._links.wake(netid)
        if not assembly.complete:
            return None
        del self._arriving[chunk.id]
        self._assemblies.close(chunk.id, now)
        return assembly.header._replace(payload=assembly.payload(), pull=False), arriving

    def wanted(self, sender: NetID, want: WantChunks) -> None:
        """A peer lacks these bytes: send what we have of them, and the rest as it comes."""
        kept = self._store.get(want.id)
        assembly = self._assemblies.get(want.id)
        base = kept if kept is not None else None if assembly is None else assembly.header
        if base is None or not base.large:
            self._context.counts["wants_unanswered"] += 1
            return
        header = base._replace(payload=b"", distribution=(), pull=True)
        ranges = [(first, min(last + 1, header.size)) for first, last in want.ranges]
        upto = self._not_sent_yet(sender, want.id, header.size)
        ranges = [(start, min(stop, upto)) for start, stop in ranges if start < min(stop, upto)]
        transfer = self._bodies.transfer(header, ranges) if ranges else None
        if transfer is not None and self._links.add_transfer(sender, transfer):
            self._context.counts["wants_answered"] += 1
            arriving = self._arriving.get(want.id)
            if arriving is not None:
                arriving.heads[sender] = None

    def _not_sent_yet(self, netid: NetID, broadcast: BroadcastID, size: int) -> int:
        """From where on a payload is still to come to this peer by multicast: not to be sent twice.

        It asks when nothing came for a moment, which on a busy host says little.
        """
        peer = self._context.peers.get(netid)
        starts = [
            start
            for channel in self._channels
            if peer is not None
            and channel.index in peer.hears
            and not peer.slow
            and (start := channel.outbox.still_to_send(broadcast)) is not None
        ]
        return min(starts, default=size)

    def source_gone(self, netid: NetID, now: float) -> None:
        """A connection ended or a peer is gone: what it sent is asked for elsewhere."""
        self._assemblies.source_gone(netid, now)

    def tick(self, now: float) -> list[tuple[Gossip, Arriving]]:
        """Ask for what stalled; what was given up, and what waited for it."""
        given_up = []
        for header in self._assemblies.tick(now, self._links.send, self._others):
            self._context.counts["assemblies_given_up"] += 1
            if header.number:
                life = self._origins.get(header.id.origin, header.id.epoch)
                if life is not None:
                    life.numbers.in_progress(header.number, False)
            given_up.append((header, self._arriving.pop(header.id)))
        return given_up

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        return self._assemblies.next_wakeup()

    def _others(self, broadcast: BroadcastID) -> Sequence[NetID]:
        """Who may have it besides its source: the origin, then random peers, our segment first."""
        peers = self._context.peers
        origin = peers.get(broadcast.origin)
        first = [] if origin is None or not origin.live else [origin.netid]
        live = peers.live()
        chosen = self._context.rng.sample(live, min(_OTHERS, len(live)))
        chosen.sort(key=lambda peer: not (peer.hears and peer.heard))
        return [*first, *(peer.netid for peer in chosen)]
