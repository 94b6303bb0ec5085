"""What happens with the records of a proven sender: each goes to whom it concerns, in order.

Broadcasts are received here: learnt, kept, passed on and dispatched. Those of a burst, large ones
and what carries none are for others.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatter.core.arrivals import Arrivals
from chatter.core.bursts import Bursts
from chatter.core.context import Context
from chatter.core.delivering import Delivering
from chatter.core.duplicates import Verdict
from chatter.core.effects import Deliver
from chatter.core.flow import ReceivingFlow
from chatter.core.learning import Learning
from chatter.core.links import Links
from chatter.core.membership import MAX_CHANNELS, Membership
from chatter.core.origins import Origins
from chatter.core.outbox import charge_of
from chatter.core.passing import Parent, Passing
from chatter.core.peers import ALIVE
from chatter.core.repair import Repair
from chatter.core.session import Session
from chatter.core.store import Store
from chatter.ids import NetID
from chatter.wire.burst import Burst
from chatter.wire.frame import Sender
from chatter.wire.gossip import Gossip
from chatter.wire.records import CARRIERS, Chunk, Record

_make = tuple.__new__


class Receiver:
    """Acts on records, in the order in which they came."""

    def __init__(
        self,
        context: Context,
        links: Links,
        membership: Membership,
        origins: Origins,
        store: Store,
        repair: Repair,
        flow: ReceivingFlow,
        learning: Learning,
        arrivals: Arrivals,
        passing: Passing,
        delivering: Delivering,
    ) -> None:
        self._context = context
        self._peers = context.peers
        self._links = links
        self._membership = membership
        self._origins = origins
        self._store = store
        self._repair = repair
        self._flow = flow
        self._learning = learning
        self._arrivals = arrivals
        self._passing = passing
        self._delivering = delivering
        self._bursts = Bursts(
            context, origins, store, repair, passing, delivering, self._receive_one
        )

    def receive(
        self,
        netid: NetID,
        life: bytes,
        records: Sequence[Record],
        now: float,
        *,
        multicast: Sender | None = None,
        session: Session | None = None,
    ) -> None:
        """Act on the records of one frame.

        Args:
            multicast: who sent it, on which of its channels, if it came by multicast.
            session: the connection, if it came by TCP.
        """
        peer = self._peers.get(netid)
        if peer is not None and peer.state is ALIVE and peer.life == life:
            peer.heard_at = now  # as ``heard`` does with who is no news
        else:
            peer = self._membership.heard(netid, life, now)
            if peer is None:
                self._context.counts["dropped_no_room_for_peer"] += 1
                return
        if multicast is not None:
            self._membership.note_multicast(peer, multicast.channel, now)
        for record in records:
            if isinstance(record, Gossip):
                self._receive_gossip(record, netid, session, now)
            elif isinstance(record, Burst):
                self._bursts.receive(record, netid, session, now)
            elif isinstance(record, Chunk):
                self._arrivals.receive_chunk(record, now)
            else:
                self._learning.learn(record, peer, session, now)
        if multicast is not None:
            if multicast.channel < MAX_CHANNELS:
                self._flow.heard(peer, multicast.channel, multicast.position, now)
        elif session is not None:
            charge = sum(charge_of(one) for one in records if isinstance(one, CARRIERS))
            if charge:
                self._links.taken_in(session, charge)

    def _receive_gossip(
        self, gossip: Gossip, sender: NetID, session: Session | None, now: float
    ) -> None:
        parent: Parent | None = None
        serve: tuple[NetID, ...] = ()
        via = "multicast"
        if session is not None:
            via = "tcp"
            parent, serve = self._passing.asked(gossip, sender, session, now)
        elif not gossip.number and self._context.local not in gossip.distribution:
            self._context.counts["gossip_overheard"] += 1
            return
        if gossip.size:
            self._arrivals.receive_header(gossip, sender, parent, serve, now)
        else:
            self._receive_one(gossip, sender, parent, serve, via, now)

    def _receive_one(
        self,
        gossip: Gossip,
        sender: NetID,
        parent: Parent | None,
        serve: tuple[NetID, ...],
        via: str,
        now: float,
    ) -> None:
        counts = self._context.counts
        counts["gossip_received"] += 1
        origin, epoch, seqno = gossip.id
        if origin == self._context.local:
            counts["gossip_own"] += 1
            self._passing.done(parent, gossip, now)
            return
        life = self._origins.open(origin, epoch)
        number = gossip.number
        wanted = number > 0 and life.takes_next(seqno, number, 1, sender, now)
        if not wanted:
            verdict = life.window.take(seqno)
            if verdict is not Verdict.NEW:
                counts["too_late" if verdict is Verdict.TOO_LATE else "duplicates"] += 1
                taken = self._origins.accepted(gossip.id)
                self._passing.pass_on(gossip, sender, parent, serve, now, taken=taken)
                return
            wanted = not number or self._repair.received(life, number, sender, now)
            if not wanted:
                self._origins.note_too_late(gossip.id)
        self._store.add(gossip._replace(distribution=()) if gossip.distribution else gossip, now)
        held = False
        if serve and wanted:
            held = self._passing.holds(gossip.tag)
        if held:
            self._passing.hold(gossip, serve, parent, now)
        elif parent is not None or serve or gossip.confirm_ms or not number:
            # One that was given up is passed on, and not dispatched: no receipt shall say it was.
            self._passing.pass_on(gossip, sender, parent, serve, now, taken=wanted)
        if wanted:
            self._delivering.deliver(life, _make(Deliver, (gossip, sender, via, held)), 1, now)
