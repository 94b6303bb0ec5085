"""What happens with the records of a proven sender: receive, learn, forward, dispatch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from chatter.core.channels import MulticastChannels
from chatter.core.contact import Contacts
from chatter.core.context import Context
from chatter.core.duplicates import Verdict
from chatter.core.duties import Duty
from chatter.core.effects import Deliver
from chatter.core.flow import ReceivingFlow
from chatter.core.forwarder import Forwarder
from chatter.core.handlers import TABLE_BYTES, SerializerDB
from chatter.core.large import Arriving, Large, header_of, with_payload
from chatter.core.links import Links
from chatter.core.membership import MAX_CHANNELS, Membership
from chatter.core.origins import OriginLife, Origins
from chatter.core.outbox import charge_of
from chatter.core.peers import ALIVE, Peer
from chatter.core.probes import Probes
from chatter.core.repair import Repair
from chatter.core.session import Session
from chatter.core.store import Store
from chatter.core.transforms import Transforms
from chatter.core.watched import Watched
from chatter.core.watcher import Watcher
from chatter.errors import FrameError
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Broadcasts, Burst
from chatter.wire.frame import Sender
from chatter.wire.gossip import Gossip
from chatter.wire.records import (
    CARRIERS,
    Ack,
    Beacon,
    Chunk,
    Credit,
    Figures,
    Hello,
    Highest,
    Leave,
    OtherIds,
    Probe,
    Record,
    Report,
    Result,
    SeenIds,
    SessionCredit,
    Took,
    Traces,
    Want,
    WantChunks,
    WantNumbers,
    Watch,
)

Parent = tuple[Session, int]

_make = tuple.__new__


class Receiver:
    """Acts on records, in the order in which they came.

    Args:
        new_life: called when a peer knows a newer life of our address, with its epoch.
    """

    def __init__(
        self,
        context: Context,
        handlers: SerializerDB,
        channels: MulticastChannels,
        contacts: Contacts,
        links: Links,
        membership: Membership,
        forwarder: Forwarder,
        probes: Probes,
        origins: Origins,
        store: Store,
        repair: Repair,
        large: Large,
        flow: ReceivingFlow,
        watched: Watched,
        watcher: Watcher,
        new_life: Callable[[int], None],
    ) -> None:
        self._context = context
        self._peers = context.peers
        self._handlers = handlers
        self._channels = channels
        self._contacts = contacts
        self._links = links
        self._membership = membership
        self._forwarder = forwarder
        self._duties = forwarder.duties
        self._probes = probes
        self._origins = origins
        self._store = store
        self._repair = repair
        self._large = large
        self._flow = flow
        self._watched = watched
        self._watcher = watcher
        self._new_life = new_life
        self._transforms = Transforms()

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
                self._receive_burst(record, netid, session, now)
            elif isinstance(record, Chunk):
                self._receive_chunk(record, now)
            else:
                self._learn(record, peer, session, now)
        if multicast is not None:
            if multicast.channel < MAX_CHANNELS:
                self._flow.heard(peer, multicast.channel, multicast.position, now)
        elif session is not None:
            charge = sum(charge_of(one) for one in records if isinstance(one, CARRIERS))
            if charge:
                self._links.taken_in(session, charge)

    def transformed(self, broadcast: BroadcastID, payload: bytes | None, now: float) -> None:
        """The handler of a held broadcast is done: it travels on, with the new payload if any."""
        held = self._transforms.release(broadcast)
        if held is None:
            return  # it took too long, and the broadcast went on as it came
        gossip, duty = held
        if payload is not None:
            gossip = with_payload(gossip, payload)._replace(revision=gossip.revision + 1)
            self._store.add(gossip._replace(distribution=()), now)
        self._release(gossip, duty, now)

    def tick(self, now: float) -> None:
        """Let go what waited long enough."""
        for gossip, duty in self._transforms.overdue(now):
            self._release(gossip, duty, now)
        for header, arriving in self._large.tick(now):
            for ready in arriving.ways:
                self._channels[ready.channel].outbox.abandon(header.id)
            for netid in arriving.heads:
                self._links.abandon(netid, header.id)
            for duty in arriving.duties:
                self._duties.give_up(duty, now)

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        return min(self._transforms.next_wakeup(), self._large.next_wakeup())

    @property
    def pending(self) -> bool:
        """Whether something waits for its handler before it travels on."""
        return bool(self._transforms)

    @property
    def crowded(self) -> bool:
        """Whether so much waits for its handler that the senders are to be held back."""
        return self._transforms.crowded

    # Receive

    def _receive_gossip(
        self, gossip: Gossip, sender: NetID, session: Session | None, now: float
    ) -> None:
        parent: Parent | None = None
        serve: tuple[NetID, ...] = ()
        via = "multicast"
        if session is not None:
            via = "tcp"
            parent, serve = self._asked(gossip, sender, session, now)
        elif not gossip.number and self._context.local not in gossip.distribution:
            self._context.counts["gossip_overheard"] += 1
            return
        if gossip.size:
            self._receive_header(gossip, sender, parent, serve, now)
        else:
            self._receive_one(gossip, sender, parent, serve, via, now)

    def _asked(
        self, gossip: Broadcasts, sender: NetID, session: Session | None, now: float
    ) -> tuple[Parent | None, tuple[NetID, ...]]:
        """Whom we have to answer, and whom we are asked to serve."""
        if session is None:
            return None, ()
        parent = (session, session.exchange.take(now))
        self._links.answer_soon(session)
        if not gossip.distribution:
            return parent, ()
        local = self._context.local
        return parent, tuple(
            netid for netid in gossip.distribution if netid != local and netid.may_come_from(sender)
        )

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
            self._done(parent, gossip, now)
            return
        life = self._origins.open(origin, epoch)
        number = gossip.number
        wanted = number > 0 and life.takes_next(seqno, number, 1, sender, now)
        if not wanted:
            verdict = life.window.take(seqno)
            if verdict is not Verdict.NEW:
                counts["too_late" if verdict is Verdict.TOO_LATE else "duplicates"] += 1
                taken = self._origins.accepted(gossip.id)
                self._pass_on(gossip, sender, parent, serve, now, taken=taken)
                return
            wanted = not number or self._repair.received(life, number, sender, now)
            if not wanted:
                self._origins.note_too_late(gossip.id)
        self._store.add(gossip._replace(distribution=()) if gossip.distribution else gossip, now)
        held = False
        if serve and wanted:
            held = self._holds(gossip.tag)
        if held:
            self._hold(gossip, serve, parent, now)
        elif parent is not None or serve or gossip.confirm_ms or not number:
            # One that was given up is passed on, and not dispatched: no receipt shall say it was.
            self._pass_on(gossip, sender, parent, serve, now, taken=wanted)
        if wanted:
            self._dispatch(life, _make(Deliver, (gossip, sender, via, held)), 1, now)

    def _receive_burst(
        self, burst: Burst, sender: NetID, session: Session | None, now: float
    ) -> None:
        parent, serve = self._asked(burst, sender, session, now)
        counts = self._context.counts
        if serve and self._holds(burst.tag):
            # Each travels on by itself, when its handler had it. For that we answer from now on.
            for gossip in burst.gossips():
                self._receive_one(gossip, sender, None, serve, "tcp", now)  # who else asks us to
            self._done(parent, burst, now)
            return
        counts["gossip_received"] += burst.many
        if burst.id.origin == self._context.local:
            counts["gossip_own"] += burst.many
            self._done(parent, burst, now)
            return
        life = self._origins.open(burst.id.origin, burst.id.epoch)
        first, many = burst.id.seqno, burst.many
        alone = burst._replace(distribution=()) if burst.distribution else burst
        wanted: list[Broadcasts] = [alone]
        if life.takes_next(first, burst.number, many, sender, now):
            self._store.add_burst(alone, now)
        else:
            fresh = self._fresh(life, alone)
            wanted = [part for one in fresh for part in self._wanted(life, one, sender, now)]
        self._pass_on(burst, sender, parent, serve, now)
        via = "multicast" if session is None else "tcp"
        for part in wanted:
            self._dispatch(life, Deliver(part, sender, via, False), part.many, now)

    def _fresh(self, life: OriginLife, burst: Burst) -> list[Broadcasts]:
        """What of a burst was not here yet."""
        seqno = burst.id.seqno
        counts = self._context.counts
        new: list[bool] = []
        for one in range(seqno, seqno + burst.many):
            verdict = life.window.take(one)
            new.append(verdict is Verdict.NEW)
            if verdict is not Verdict.NEW:
                counts["too_late" if verdict is Verdict.TOO_LATE else "duplicates"] += 1
        return _where(burst, new)

    def _wanted(
        self, life: OriginLife, fresh: Broadcasts, sender: NetID, now: float
    ) -> list[Broadcasts]:
        """What of this is to be dispatched, not what was given up already; all of it is kept."""
        if isinstance(fresh, Burst):
            self._store.add_burst(fresh, now)
        else:
            self._store.add(fresh, now)
        wanted = [
            self._repair.received(life, number, sender, now)
            for number in range(fresh.number, fresh.last_number + 1)
        ]
        origin, epoch, seqno = fresh.id
        for position, one in enumerate(wanted):
            if not one:
                self._origins.note_too_late(BroadcastID(origin, epoch, seqno + position))
        return _where(fresh, wanted)

    def _dispatch(self, life: OriginLife, deliver: Deliver, many: int, now: float) -> None:
        gossip = deliver.gossip
        effects = self._context.effects
        self._context.tags.count(gossip.tag, many)
        self._context.appetite.messages += many
        if self._watched.active:
            self._watched.delivered(deliver, now)
        handler = self._handlers.dispatcher(gossip.tag)
        if handler is not None and handler.ordered:
            if isinstance(gossip, Gossip) and gossip.after > life.numbers.top:
                origin, epoch, _ = gossip.id
                self._repair.named(origin, epoch, gossip.after, deliver.sender, now)
            effects.extend(life.ordered().admit(deliver, life.numbers))
            return
        effects.append(deliver)
        if life.order is not None:
            effects.extend(life.order.release(life.numbers.floor))

    # Forward

    def _pass_on(
        self,
        gossip: Broadcasts,
        sender: NetID,
        parent: Parent | None,
        serve: tuple[NetID, ...],
        now: float,
        *,
        taken: bool = True,
    ) -> None:
        """Serve whom we were asked to serve, and answer that we have it.

        Also for a duplicate: who sent it still relies on us for those it asked us to serve.
        """
        if taken:
            self._say_taken(gossip, sender, parent, now)
        if not serve:
            self._done(parent, gossip, now)
            return
        if isinstance(gossip, Gossip):
            gossip = header_of(gossip)
        duty = self._duties.open(gossip, now, parent=parent)
        self._forwarder.forward(gossip, serve, now, duty)
        self._duties.check(duty, now)

    def _say_taken(
        self, gossip: Broadcasts, sender: NetID, parent: Parent | None, now: float
    ) -> None:
        if parent is None:
            if gossip.confirm_ms or not gossip.to_everyone:
                confirmed = gossip.confirm_ms > 0
                self._probes.took(sender, gossip.id, confirmed=confirmed, now=now)
        elif gossip.confirm_ms:
            session, index = parent
            session.exchange.report(Report(index, ()), at=now)
            self._links.answer_soon(session)

    def _done(self, parent: Parent | None, gossip: Broadcasts, now: float) -> None:
        if parent is not None:
            session, index = parent
            session.exchange.done(index, at=now if gossip.confirm_ms else float("inf"))
            if gossip.confirm_ms:
                self._links.answer_soon(session)

    def _holds(self, tag: str) -> bool:
        """Whether what we are asked to pass on waits for its handler first."""
        handler = self._handlers.get(tag)
        if handler is None or not handler.transforms:
            return False
        if self._transforms.full:
            self._context.counts["transforms_left_out"] += 1
            return False
        return True

    def _hold(
        self, gossip: Gossip, serve: tuple[NetID, ...], parent: Parent | None, now: float
    ) -> None:
        duty = self._duties.open(header_of(gossip), now, parent=parent)
        duty.accepted = False
        self._transforms.hold(gossip._replace(distribution=serve), duty, now)
        self._context.wake(self._transforms.next_wakeup())

    def _release(self, gossip: Gossip, duty: Duty, now: float) -> None:
        duty.gossip = header_of(gossip)._replace(distribution=())
        self._forwarder.forward(duty.gossip, gossip.distribution, now, duty)
        if duty.parent is not None and duty.confirmed:
            self._say_taken(gossip, duty.parent[0].netid or gossip.id.origin, duty.parent, now)
        self._duties.accept(duty, now)

    # Large payloads

    def _receive_header(
        self,
        header: Gossip,
        sender: NetID,
        parent: Parent | None,
        serve: tuple[NetID, ...],
        now: float,
    ) -> None:
        if parent is None and self._large.under_way(header.id):
            return  # it goes with each datagram of chunks
        counts = self._context.counts
        if header.id.origin == self._context.local:
            counts["gossip_own"] += 1
            self._done(parent, header, now)
            return
        if self._origins.seen(header.id):
            if parent is not None:
                counts["duplicates"] += 1
                taken = self._origins.accepted(header.id)
                self._pass_on(header, sender, parent, serve, now, taken=taken)
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
        if serve and self._holds(header.tag):
            arriving.held.append((duty, serve))
        else:
            self._forwarder.forward(duty.gossip, serve, now, duty)

    def _refuse(self, parent: Parent | None) -> None:
        if parent is not None:
            parent[0].exchange.refuse()

    def _receive_chunk(self, chunk: Chunk, now: float) -> None:
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
            self._transforms.hold(gossip._replace(distribution=tuple(held)), first, now)
            self._context.wake(self._transforms.next_wakeup())
            for duty, _ in arriving.held[1:]:
                self._duties.give_up(duty, now)
        for duty in arriving.duties:
            if all(duty is not one for one, _ in arriving.held):
                if wanted:
                    self._say_taken(duty.gossip, sender, duty.parent, now)
                self._duties.accept(duty, now)
        if arriving.took is not None and wanted:
            confirmed = gossip.confirm_ms > 0
            self._probes.took(arriving.took, gossip.id, confirmed=confirmed, now=now)
        if wanted:
            self._dispatch(life, Deliver(gossip, sender, arriving.via, bool(held)), 1, now)

    # Learn

    def _learn(self, record: Record, peer: Peer, session: Session | None, now: float) -> None:
        """Take in what a peer tells of itself and of others."""
        netid = peer.netid
        if isinstance(record, Ack):
            if session is not None:
                for handover in self._links.acknowledged(session, record, now):
                    self._duties.done(handover, now)
        elif isinstance(record, SessionCredit):
            if session is not None:
                self._links.granted(session, record)
        elif isinstance(record, Credit):
            self._learn_credit(record, peer, now)
        elif isinstance(record, Took):
            self._duties.took(netid, record.ids, now)
        elif isinstance(record, Report):
            handed = None if session is None else session.exchange.open.get(record.index)
            if handed is not None:
                self._duties.reported(handed, record.groups, now)
        elif isinstance(record, Highest):
            for origin, epoch, number in record.entries:
                self._repair.named(origin, epoch, number, netid, now)
        elif isinstance(record, WantNumbers):
            self._repair.wanted(netid, record, now)
        elif isinstance(record, WantChunks):
            self._large.wanted(netid, record)
        elif isinstance(record, Probe):
            self._probes.asked(netid, record, now)
        elif isinstance(record, Want):
            self._probes.wanted(
                netid, record.ids, lambda who, what: self._forwarder.answer(who, what, now)
            )
        elif isinstance(record, Beacon):
            if record.segment != peer.segment:
                peer.segment = record.segment
                self._context.peers.version += 1
        elif isinstance(record, SeenIds):
            heard = [one for one in record.heard if one[0] < len(self._channels)]
            self._context.peers.note_seen_ids(netid, heard, record.complete, now)
        elif isinstance(record, OtherIds):
            self._membership.note_others(netid, record.entries, now)
        elif isinstance(record, Watch):
            self._watched.asked(peer, record, now)
        elif isinstance(record, Figures):
            self._watcher.figures(peer, record, now)
        elif isinstance(record, Traces):
            self._watcher.traces(peer, record, now)
        elif isinstance(record, Result):
            self._watcher.result(peer, record, now)
        elif isinstance(record, Leave):
            self._membership.left(netid, peer.life, now)
        elif isinstance(record, Hello):
            self._learn_hello(record, peer, session, now)

    def _learn_hello(self, hello: Hello, peer: Peer, session: Session | None, now: float) -> None:
        netid = peer.netid
        if hello.known_epoch > self._context.identity.epoch:
            self._new_life(hello.known_epoch)
            return
        peer.buffer = hello.buffer
        if hello.echo is not None:
            self._repair.told_since(netid, peer.epoch, hello.since, now)
        if session is None:
            self._contacts.answer(netid, peer.life, hello, now)
            return
        self._contacts.note_echo(netid, hello, now)
        if hello.challenge is not None:
            # Answers return on the connection: who asks there may hear no datagrams.
            self._links.send(netid, self._contacts.own_hello(netid, echo=hello.challenge))

    def _learn_credit(self, credit: Credit, peer: Peer, now: float) -> None:
        for sender, channel, limit in credit.entries:
            if sender == peer.netid and channel < MAX_CHANNELS:
                # It speaks of a channel of its own: it is held up, and asks how far it may go.
                self._flow.asked(peer, channel, limit, now)
        self._channels.granted(peer, credit)


def _where(broadcasts: Broadcasts, yes: Sequence[bool]) -> list[Broadcasts]:
    """The stretches of a burst for which it is so."""
    if all(yes):
        return [broadcasts]
    if isinstance(broadcasts, Gossip):
        return []
    spans: list[tuple[int, int]] = []
    start = 0
    for so, group in groupby(yes):
        stop = start + len(list(group))
        if so:
            spans.append((start, stop))
        start = stop
    return broadcasts.stretches(spans)
