"""Large payloads that come: the header first, then pieces, until the last one makes it whole.

Whom we were asked to serve is served as the pieces come. Only a handler that may replace the body
has to have all of it before.
"""

from __future__ import annotations

from chatter.core.channels import MulticastChannels
from chatter.core.context import Context
from chatter.core.delivering import Delivering
from chatter.core.duplicates import Verdict
from chatter.core.effects import Deliver
from chatter.core.forwarder import Forwarder
from chatter.core.handlers import TABLE_BYTES
from chatter.core.large import Arriving, Large, header_of
from chatter.core.links import Links
from chatter.core.origins import Origins
from chatter.core.passing import Parent, Passing
from chatter.core.probes import Probes
from chatter.core.repair import Repair
from chatter.core.store import Store
from chatter.errors import FrameError
from chatter.ids import NetID
from chatter.wire.gossip import Gossip
from chatter.wire.records import Chunk


class Arrivals:
    """Takes headers and pieces."""

    def __init__(
        self,
        context: Context,
        channels: MulticastChannels,
        links: Links,
        forwarder: Forwarder,
        probes: Probes,
        origins: Origins,
        store: Store,
        repair: Repair,
        large: Large,
        passing: Passing,
        delivering: Delivering,
    ) -> None:
        self._context = context
        self._channels = channels
        self._links = links
        self._forwarder = forwarder
        self._duties = forwarder.duties
        self._probes = probes
        self._origins = origins
        self._store = store
        self._repair = repair
        self._large = large
        self._passing = passing
        self._delivering = delivering

    def receive_header(
        self,
        header: Gossip,
        sender: NetID,
        parent: Parent | None,
        serve: tuple[NetID, ...],
        now: float,
    ) -> None:
        """What a large payload is and whom it is for, before its pieces."""
        if parent is None and self._large.under_way(header.id):
            return  # it goes with each datagram of chunks
        counts = self._context.counts
        if header.id.origin == self._context.local:
            counts["gossip_own"] += 1
            self._passing.done(parent, header, now)
            return
        if self._origins.seen(header.id):
            if parent is not None:
                counts["duplicates"] += 1
                taken = self._origins.accepted(header.id)
                self._passing.pass_on(header, sender, parent, serve, now, taken=taken)
            return
        if header.size > self._context.config.max_message_bytes + TABLE_BYTES:
            counts["dropped_too_large"] += 1
            self._refuse(parent)
            return
        via = "multicast" if parent is None else "tcp"
        if header.number:
            # Missing until it is whole: what follows in order waits for it, and if it never is,
            # it is asked for.
            origin, epoch, _ = header.id
            self._repair.named(origin, epoch, header.number, sender, now)
        arriving = self._large.open(header, sender, via, now)
        if arriving is None:
            self._refuse(parent)  # who sent it plans around us, or numbers tell of it later
            return
        if parent is None:
            if header.confirm_ms or not header.to_everyone:
                arriving.took = sender
            return
        duty = self._duties.open(header._replace(distribution=()), now, parent=parent)
        duty.accepted = False
        arriving.duties.append(duty)
        if serve and self._passing.holds(header.tag):
            arriving.held.append((duty, serve))
        else:
            self._forwarder.forward(duty.gossip, serve, now, duty)

    def _refuse(self, parent: Parent | None) -> None:
        if parent is not None:
            parent[0].exchange.refuse()

    def receive_chunk(self, chunk: Chunk, now: float) -> None:
        """A piece came; with the last one the payload is a broadcast like any other."""
        try:
            whole = self._large.chunk(chunk, now)
        except FrameError as error:
            self._context.counts[f"dropped_{error.reason}"] += 1
            return
        if whole is not None:
            self._receive_whole(*whole, now)

    def _receive_whole(self, gossip: Gossip, arriving: Arriving, now: float) -> None:
        """The last piece of a large payload came."""
        self._context.counts["gossip_received"] += 1
        life = self._origins.open(gossip.id.origin, gossip.id.epoch)
        if life.window.take(gossip.id.seqno) is not Verdict.NEW:
            # It came in another way meanwhile, as when a handler elsewhere made it small.
            self._context.counts["duplicates"] += 1
            kept = self._store.get(gossip.id) or gossip
            for duty, serve in arriving.held:
                self._forwarder.forward(
                    header_of(kept)._replace(hop=duty.gossip.hop), serve, now, duty
                )
            for duty in arriving.duties:
                self._duties.accept(duty, now)
            return
        held: list[NetID] = []
        for _, serve in arriving.held:
            held += [netid for netid in serve if netid not in held]
        sender = arriving.sender
        self._store.add(gossip, now)
        wanted = not gossip.number or self._repair.received(life, gossip.number, sender, now)
        if not wanted:
            self._origins.note_too_late(gossip.id)
        if held:
            first, _ = arriving.held[0]
            self._passing.hold_for(first, gossip, tuple(held), now)
            for duty, _ in arriving.held[1:]:
                self._duties.give_up(duty, now)
        for duty in arriving.duties:
            if all(duty is not one for one, _ in arriving.held):
                if wanted:
                    self._passing.say_taken(duty.gossip, sender, duty.parent, now)
                self._duties.accept(duty, now)
        if arriving.took is not None and wanted:
            confirmed = gossip.confirm_ms > 0
            self._probes.took(arriving.took, gossip.id, confirmed=confirmed, now=now)
        if wanted:
            self._delivering.deliver(
                life, Deliver(gossip, sender, arriving.via, bool(held)), 1, now
            )

    def tick(self, now: float) -> None:
        """Give up what stopped coming."""
        for header, arriving in self._large.tick(now):
            for ready in arriving.ways:
                self._channels[ready.channel].outbox.abandon(header.id)
            for netid in arriving.heads:
                self._links.abandon(netid, header.id)
            for duty in arriving.duties:
                self._duties.give_up(duty, now)

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        return self._large.next_wakeup()
