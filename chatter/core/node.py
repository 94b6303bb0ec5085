"""One node: bytes and a time in; frames, effects and the next wakeup out.

A broadcast comes in through ``broadcast`` or inside a frame, and goes the same way: receive, learn,
forward, plan. The shell carries out what ``take_effects`` returns, in order, after every call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from chatter.config import Config
from chatter.core.channels import ChannelSpec, MulticastChannels
from chatter.core.contact import Accepted, Contacts, NotOurBusiness, OurName, SupersededLife
from chatter.core.context import Context
from chatter.core.effects import (
    Disconnect,
    Effect,
    FlushSoon,
    MulticastReady,
    NodeFigures,
    SessionReady,
    Trouble,
    UdpReady,
)
from chatter.core.flow import ReceivingFlow
from chatter.core.forwarder import Forwarder
from chatter.core.gathering import MAX_BURST_BYTES, Gathering
from chatter.core.handlers import SerializerDB
from chatter.core.identity import Identity
from chatter.core.large import Bodies, Large, header_of, with_payload
from chatter.core.links import Links
from chatter.core.membership import NEWCOMER_S, Membership, Summary
from chatter.core.notices import Notices
from chatter.core.origins import Origins
from chatter.core.outbox import UdpQueue
from chatter.core.peers import ALIVE, FAILED, LEFT, SUSPECT, Peer, PeerDB
from chatter.core.probes import Probes
from chatter.core.receipts import Receipts
from chatter.core.receiver import Receiver
from chatter.core.repair import Repair
from chatter.core.session import Session
from chatter.core.store import Store
from chatter.core.watched import Watched
from chatter.core.watcher import Watcher
from chatter.errors import FrameError, LifeExhausted
from chatter.ids import BroadcastID, NetID, epoch_of, make_life
from chatter.wire.burst import SIZE_BYTES, Broadcasts, Burst, head_bound
from chatter.wire.frame import Sender, encode_body
from chatter.wire.gossip import MAX_HOPS, Gossip
from chatter.wire.idtable import sort_netids
from chatter.wire.records import CARRIERS, CHALLENGE_BYTES, Credit, Record
from chatter.wire.seal import KeyRing

if TYPE_CHECKING:
    import random


# Frames in our own name before it is called a clash: some seconds of another node's beacons.
OUR_NETID_FRAMES = 5


# How often is done what may be done a little late.
SWEEP_S = 0.25


class Timed(Protocol):
    """A part that does something at times."""

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""

    def tick(self, now: float) -> None:
        """Do what is due."""


class Node:
    """Decides everything a node does; does nothing itself.

    Args:
        local: the address others reach us at.
        unix_ms: the wall clock when this node starts, for its epoch; never read again.
        random_bytes: unpredictable bytes, for lives and challenges.
        rng: for choices that need not be secret.
        channels: the multicast channels that the shell opened.
        buffer: bytes of receive buffer that the operating system granted.
        gauges: what the shell can tell of itself at the moment, by name; must not switch greenlets.
        package: the version of our package, for those who watch.
    """

    def __init__(
        self,
        config: Config,
        local: NetID,
        handlers: SerializerDB,
        *,
        unix_ms: int,
        random_bytes: Callable[[int], bytes],
        rng: random.Random,
        channels: Sequence[ChannelSpec] = (),
        buffer: int = 0,
        gauges: Callable[[], Mapping[str, int]] = dict,
        package: str = "",
    ) -> None:
        ring = KeyRing(config.secrets, config.label)
        identity = Identity(ring, make_life(unix_ms, random_bytes(10)))
        peers = PeerDB(local)
        context = Context(config, local, identity, peers, rng, random_bytes, UdpQueue(), buffer)
        context.package = package
        self._context = context
        self._gauges = gauges
        self._now = 0.0
        self._handlers_full = False
        self._started_at = 0.0
        self._channels = MulticastChannels(context, channels)
        self._groups = [one.group for one in self._channels]
        budgets = [one.budget for one in self._channels]
        self._burst_bytes = min(MAX_BURST_BYTES, max(budgets, default=MAX_BURST_BYTES))
        self._contacts = Contacts(context)
        self._links = Links(context, self._accepting)
        self._origins = Origins()
        self._store = Store(config.store_bytes, config.store_age_s)
        self._flow = ReceivingFlow(context, self._accepting, self._tell_credit)
        self._membership = Membership(
            context, self._contacts, self._links, self._channels, self._told_along, self._gone
        )
        bodies = Bodies(context, self._store)
        self._large = Large(
            context, bodies, self._channels, self._links, self._origins, self._store
        )
        self._probes = Probes(
            context,
            self._links,
            self._origins,
            self._store,
            self._large.asked_about,
            self._accepting,
        )
        self._watched = Watched(context, self._membership.send_unicast, self.gauges)
        self._watcher = Watcher(context, self._watched, self._membership.send_unicast)
        self._receipts = Receipts(context, self._watched.settled)
        self._notices = Notices(
            context, self._channels, self._origins, lambda now: self._repair.highest(now)
        )
        self._forwarder = Forwarder(
            context,
            self._channels,
            self._links,
            self._membership,
            self._probes,
            self._receipts,
            self._notices,
            bodies,
        )
        self._duties = self._forwarder.duties
        self._repair = Repair(
            context,
            self._origins,
            self._store,
            self._links.send,
            self._multicast_again,
            lambda netid, gossip: self._forwarder.answer(netid, gossip, self._now),
            self._ask_since,
        )
        self._receiver = Receiver(
            context,
            handlers,
            self._channels,
            self._contacts,
            self._links,
            self._membership,
            self._forwarder,
            self._probes,
            self._origins,
            self._store,
            self._repair,
            self._large,
            self._flow,
            self._watched,
            self._watcher,
            self._new_life,
        )
        self._timed: tuple[Timed, ...] = (
            self._membership,
            self._probes,
            self._receiver,
            self._repair,
            self._duties,
            self._receipts,
            self._links,
            self._notices,
            self._channels,
        )
        self._swept_at = float("-inf")
        self._seqno = 0
        self._gathering: Gathering | None = None

    # What the shell and users may look at

    @property
    def local(self) -> NetID:
        """The address others reach us at."""
        return self._context.local

    @property
    def life(self) -> bytes:
        """Our present life."""
        return self._context.identity.life

    @property
    def epoch(self) -> int:
        """The epoch of our present life."""
        return self._context.identity.epoch

    @property
    def segment(self) -> NetID:
        """The segment we see ourselves in, named after its lowest NetID."""
        return self._membership.segments[0]

    @property
    def buffer(self) -> int:
        """Bytes of receive buffer that the operating system granted, the least of all channels."""
        return self._context.buffer

    @property
    def counts(self) -> dict[str, int]:
        """How often what happened, since the start."""
        return self._context.counts

    def gauges(self) -> dict[str, int]:
        """How much waits and is kept at the moment, how many peers are in which state, and what the
        shell tells of itself."""
        states = Counter(peer.state for peer in self._context.peers)
        return {
            **self._gauges(),
            "outbox_bytes": self._links.waiting_bytes()
            + sum(one.outbox.bytes for one in self._channels),
            "store_bytes": self._store.bytes,
            **{f"peers_{state}": states[state] for state in (ALIVE, SUSPECT, FAILED, LEFT)},
        }

    def peers(self, now: float) -> list[Summary]:
        """What is known of each peer, live or not."""
        return self._membership.summaries(now)

    def live_count(self) -> int:
        """How many peers a broadcast to everyone goes to."""
        return len(self._context.peers.live())

    def unanswered_seeds(self) -> list[NetID]:
        """The addresses given with ``join`` behind which no live peer is known."""
        return self._membership.seeds.unanswered()

    def pending(self, now: float) -> bool:
        """Whether anything waits to be sent to those who take it."""
        return (
            bool(self._context.udp)
            or self._links.pending(now)
            or self._channels.pending()
            or self._receiver.pending
            or self._gathering is not None
            or len(self._duties) > 0
        )

    def room(self, now: float) -> int:
        """Bytes of broadcasts that our own queues still take: the least of all groups and of the
        peers that are taking something. Who takes nothing is not waited for."""
        rooms = (one.outbox.room() for one in self._channels)
        gathered = 0 if self._gathering is None else self._gathering.size
        return min([self._links.room(now), *rooms]) - gathered

    def note_handlers(self, full: bool, now: float) -> None:
        """Whether some handler is so far behind that senders shall wait."""
        self._begin(now)
        self._handlers_full = full
        if not full:
            self._pay(now)

    def note_send(self, seconds: float) -> None:
        """A frame was taken for a connection, sealed and given to the system in so much time."""
        self._context.timing.sent(seconds)

    # Life cycle and time

    def start(self, now: float) -> None:
        """Begin to speak."""
        self._now = self._started_at = now
        self._membership.start(now)
        self._watched.start(now)
        self._context.wake(self._membership.next_wakeup())

    def watch(self, now: float) -> None:
        """Somebody looks at the cluster: for the next seconds have all nodes tell their figures."""
        self._begin(now)
        self._watcher.watch(now)
        self._watcher.tick(now)
        self._flush_udp()

    def ask_figures(self, netids: Iterable[NetID], now: float) -> None:
        """Have these peers tell all their figures, once."""
        self._begin(now)
        self._watcher.ask(netids, now)
        self._flush_udp()

    def figures(self, now: float) -> NodeFigures:
        """Our own, as those of others come."""
        context = self._context
        return NodeFigures(
            self.local,
            self.epoch,
            0.0,
            self._watched.uptime_s(now),
            context.package,
            {**context.counts, **self.gauges()},
            dict(context.tags.values),
        )

    def set_seeds(self, addresses: Sequence[NetID], now: float) -> None:
        """The addresses that ``join`` stands for at the moment."""
        self._membership.seeds.set(list(addresses), now)
        self._context.wake(self._membership.next_wakeup())

    def leave(self, now: float) -> None:
        """Tell everybody that we go. What is queued is still sent."""
        self._begin(now)
        self._receipts.settle_all()
        self._membership.leave(now)
        self._flush_udp()

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._begin(now)
        if now - self._swept_at >= SWEEP_S:
            self._swept_at = now
            self._sweep(now)
        # Mostly a single part has something to do, and the others need not even be looked into.
        if self._links.next_wakeup() <= now:
            self._forwarder.silent(now)
        for part in self._timed:
            if part.next_wakeup() <= now:
                part.tick(now)
        if self._watched.wakeup <= now:
            self._watched.tick(now)
        if self._watcher.wakeup <= now:
            self._watcher.tick(now)
        self._pay(now)
        self._flush_udp()

    def _sweep(self, now: float) -> None:
        """Do what is to be done now and then, and has no time of its own."""
        if self._context.young and now - self._started_at > NEWCOMER_S:
            self._context.young = False
        self._store.expire(now)
        self._duties.tick(now)
        self._measure(now)

    @property
    def due(self) -> float:
        """When ``tick`` wants to be called, or a little earlier; cheap, for after each call."""
        return self._context.due

    def next_wakeup(self) -> float:
        """When ``tick`` wants to be called."""
        self._context.due = min(
            self._membership.next_wakeup(),
            self._probes.next_wakeup(),
            self._receiver.next_wakeup(),
            self._repair.next_wakeup(),
            self._duties.next_wakeup(),
            self._receipts.next_wakeup(),
            self._links.next_wakeup(),
            self._notices.next_wakeup(),
            self._channels.next_wakeup(),
            self._watched.wakeup,
            self._watcher.wakeup,
        )
        return self._context.due

    def take_effects(self) -> list[Effect]:
        """What the shell has to carry out, in order."""
        effects, self._context.effects = self._context.effects, []
        return effects

    # Broadcasting

    def broadcast(
        self,
        tag: str,
        codec: str,
        payload: bytes,
        to: Iterable[NetID] | None,
        now: float,
        *,
        compress: bool = True,
        confirm_s: float | None = None,
    ) -> tuple[BroadcastID, tuple[NetID, ...]]:
        """Send a payload on its way; its id, and whom it is meant for.

        Args:
            to: whom to reach; our own address is ignored. None: every live peer.
            confirm_s: seconds for their answers; a Settled effect follows when all have answered,
                or when the time is over. None: nobody answers.
        """
        self._begin(now)
        context = self._context
        self._seqno += 1
        broadcast = BroadcastID(self.local, self.epoch, self._seqno)
        number = after = 0
        if to is None:
            context.number += 1
            number = context.number
            targets = list(context.peers.live_netids())
        else:
            after = context.number
            targets = [netid for netid in sort_netids(to) if netid != self.local]
        confirm_ms = 0 if confirm_s is None else max(1, int(confirm_s * 1000))
        gossip = with_payload(
            Gossip(broadcast, tag, codec, b"", number, 0, (), 0, compress, confirm_ms, after),
            payload,
        )
        self._store.add(gossip, now)
        if number:
            self._repair.note_own(number, number, now)
        context.counts["broadcasts"] += 1
        if not targets:
            context.counts["broadcasts_to_nobody"] += 1
        duty = None
        if confirm_s is not None:
            tally = self._receipts.open(broadcast, targets, confirm_s, now)
            duty = self._duties.open(header_of(gossip), now, tally=tally)
        if self._watched.active:
            self._watched.sent(gossip, len(payload), len(targets), now)
        self._forwarder.forward(header_of(gossip), targets, now, duty)
        if duty is not None:
            self._duties.check(duty, now)
        return broadcast, tuple(targets)

    def gather(
        self, tag: str, codec: str, body: bytes, now: float, room: int, *, compress: bool = True
    ) -> tuple[BroadcastID, tuple[NetID, ...]]:
        """Send a body that names no NetIDs to every live peer, with others that follow.

        For those of up to MAX_GATHERED_BYTES. It goes out with ``flush``, which a FlushSoon effect
        asks for, or with whatever the node does next.

        Args:
            room: what ``room`` says that the queues take.

        Returns:
            As ``broadcast``.
        """
        joined = self.join(tag, codec, body, compress)
        if joined is not None:
            return joined
        self._begin(now)
        context = self._context
        targets = context.peers.live_netids()
        if not targets:
            context.counts["broadcasts_to_nobody"] += 1
        local = context.local
        limit = min(self._burst_bytes - head_bound(tag, local), room)
        self._gathering = Gathering(
            BroadcastID(local, context.identity.epoch, self._seqno + 1),
            context.number + 1,
            tag,
            codec,
            compress,
            targets,
            context.peers.version,
            max(len(body) + SIZE_BYTES, limit),
        )
        context.effects.append(FlushSoon())
        joined = self.join(tag, codec, body, compress)
        assert joined is not None
        return joined

    def join(
        self, tag: str, codec: str, body: bytes, compress: bool
    ) -> tuple[BroadcastID, tuple[NetID, ...]] | None:
        """As ``gather``, if it can join those that are being gathered, and then without effects.

        None: it cannot, and nothing changed.
        """
        gathering = self._gathering
        if gathering is None:
            return None
        context = self._context
        broadcast = gathering.add(tag, codec, body, compress, context.peers.version)
        if broadcast is None:
            return None
        context.number += 1
        context.counts["broadcasts"] += 1
        self._seqno += 1
        return broadcast, gathering.targets

    def flush(self, now: float) -> None:
        """Have what was gathered sent."""
        gathering = self._gathering
        if gathering is None:
            return
        self._now = now
        self._gathering = None
        sent = gathering.broadcasts()
        if isinstance(sent, Burst):
            self._store.add_burst(sent, now)
        else:
            self._store.add(sent, now)
        self._repair.note_own(sent.number, sent.last_number, now)
        if self._watched.active:
            self._watched.gathered(sent, len(gathering.targets), now)
        self._forwarder.forward(sent, gathering.targets, now)

    def _begin(self, now: float) -> None:
        """Whatever is done next comes after what was gathered before."""
        self._now = now
        if self._gathering is not None:
            self.flush(now)

    def transformed(self, broadcast: BroadcastID, payload: bytes | None, now: float) -> None:
        """The handler of a held broadcast is done: it travels on, with the new payload if any."""
        self._begin(now)
        self._receiver.transformed(broadcast, payload, now)

    # Datagrams

    def receive_datagram(
        self, data: bytes, channel: int | None, from_loopback: bool, now: float
    ) -> None:
        """Take a datagram from one of our channels, or from unicast with None.

        Whatever the bytes: they are acted on, or counted and dropped.
        """
        group = None if channel is None else self._groups[channel]
        self._now = now
        if self._gathering is not None:
            self.flush(now)
        counts = self._context.counts
        counts["frames_received"] += 1
        counts["bytes_received"] += len(data)
        try:
            accepted = self._contacts.receive(data, group, from_loopback, now)
        except FrameError as error:
            counts[f"dropped_{error.reason}"] += 1
            accepted = []
            # One may be a replay, or still be under way from our former life. Many are a node.
            if isinstance(error, OurName) and counts["dropped_our_netid"] % OUR_NETID_FRAMES == 0:
                self._warn_of_clash(self.local)
        for one in accepted:
            self._receive_accepted(one, now)
        if self._context.udp.waiting:
            self._context.effects.append(UdpReady())

    def multicast_frame(self, channel: int, now: float) -> bytes | None:
        """The next datagram for a channel, or None."""
        self._begin(now)
        try:
            frame = self._channels[channel].next_frame(now)
        except LifeExhausted:
            self._new_life(self.epoch)
            return None
        return self._count_sent(frame)

    def udp_frame(self) -> tuple[NetID, bytes] | None:
        """The next unicast datagram and where it goes, or None."""
        waiting = self._context.udp.take()
        if waiting is None:
            return None
        netid, life, records = waiting
        body = encode_body(records, Sender(self.local, 0))
        try:
            frame = self._context.identity.udp_sealer(life).seal(body)
        except LifeExhausted:
            self._new_life(self.epoch)
            return None
        self._count_sent(frame)
        return netid, frame

    # Connections

    def open_session(self, expected: NetID | None, now: float) -> Session:
        """A connection is open: ours to ``expected``, or with None one that we accepted."""
        hello = self._contacts.own_hello(
            expected, challenge=self._context.random_bytes(CHALLENGE_BYTES)
        )
        identity = self._context.identity
        session = Session(
            identity.ring,
            self.local,
            identity.life,
            hello,
            identity.hello_sealer,
            client=expected is not None,
            known_epoch=self._contacts.known_epoch,
            since=self._contacts.since,
            expected=expected,
        )
        session.asked_at = now
        self._links.opened(session, now)
        return session

    def session_received(
        self, session: Session, data: bytes, from_loopback: bool, now: float
    ) -> bool:
        """Take bytes of a connection; False if it has to be closed.

        Whatever the bytes: they are acted on, or counted, and then the connection is of no use.
        """
        self._begin(now)
        counts = self._context.counts
        counts["bytes_received"] += len(data)
        was_proven = session.proven
        try:
            bodies = session.receive(data)
            if (
                session.proven
                and not was_proven
                and not self._session_up(session, from_loopback, now)
            ):
                return False
        except FrameError as error:
            counts[f"dropped_{error.reason}"] += 1
            return False
        except LifeExhausted:
            self._new_life(self.epoch)
            return False
        session.used_at = now
        if session.has_handshake_bytes:
            session.asked_at = now
            self._context.effects.append(SessionReady(session))
        if bodies:
            self._links.heard(session, now)
            self._believe(session)
        for body in bodies:
            counts["frames_received"] += 1
            counts["records_unknown"] += body.unknown
            assert session.netid is not None
            if self._contacts.life(session.netid) != session.life:
                # Another life took the address; what this one still had on its way is too late.
                counts[f"dropped_{SupersededLife.reason}"] += 1
                return False
            self._receiver.receive(session.netid, session.life, body.records, now, session=session)
        self._flush_udp()
        if session.failure is not None:
            counts[f"dropped_{session.failure.reason}"] += 1
            return False
        return True

    def session_bytes(self, session: Session, now: float) -> bytes:
        """The next bytes to send on a connection; empty if there are none."""
        self._begin(now)
        try:
            data = self._links.bytes_for(session, now)
        except LifeExhausted:
            self._context.effects.append(Disconnect(session))
            return b""
        if data:
            self._context.counts["frames_sent"] += 1
            self._context.counts["bytes_sent"] += len(data)
        return data

    def session_closed(self, session: Session, now: float) -> None:
        """A connection ended, whoever ended it: find another way for what it had to carry."""
        self._begin(now)
        sent, unsent = self._links.down(session, now)
        self._forwarder.closed(sent, unsent, now)
        if session.netid is not None:
            self._large.source_gone(session.netid, now)

    def connect_failed(self, netid: NetID, now: float) -> None:
        """Nobody answered at this address: find another way for what had to go there."""
        self._begin(now)
        self._context.counts["connects_failed"] += 1
        self._forwarder.unreachable(self._links.failed(netid), now)

    # Receive

    def _session_up(self, session: Session, from_loopback: bool, now: float) -> bool:
        """The other side has proven itself; False if we may not talk with it."""
        netid, hello = session.netid, session.hello
        assert netid is not None
        assert hello is not None
        if netid == self.local:
            raise OurName("a connection with our own address")
        if netid.is_group:
            raise NotOurBusiness("a group's address where a node's should be")
        if netid.is_loopback and not from_loopback:
            raise NotOurBusiness("a loopback address from another host")
        if hello.known_epoch > self.epoch:
            self._new_life(hello.known_epoch)
            return False
        if not self._contacts.prove(netid, session.life, hello.counter):
            self._warn_of_clash(netid)
            return False
        peer = self._membership.heard(netid, session.life, now)
        if peer is not None:
            peer.buffer = hello.buffer
            peer.doubtful_until = float("-inf")
        self._context.timing.answered(netid, now - session.asked_at, now)
        if session.expected is not None:
            self._membership.seeds.answered(session.expected, netid)
        self._links.up(session, now)
        self._repair.told_since(netid, epoch_of(session.life), hello.since, now)
        self._membership.greet(netid, now)
        for one in self._contacts.released(session.life, now):
            self._receive_accepted(one, now)
        return True

    def _receive_accepted(self, accepted: Accepted, now: float) -> None:
        netid, life, body, group = accepted
        if body.unknown:
            self._context.counts["records_unknown"] += body.unknown
        if group is not None:
            self._receiver.receive(netid, life, body.records, now, multicast=body.sender)
        elif any(isinstance(one, CARRIERS) for one in body.records):
            self._context.counts["dropped_gossip_by_udp"] += 1
        else:
            self._receiver.receive(netid, life, body.records, now)
            peer = self._context.peers.get(netid)
            if peer is not None:
                peer.udp_heard = True

    def _measure(self, now: float) -> None:
        """Ask somebody whom branches may have to reach, to know how far away it is.

        As often as there is something else to do, which is with each beacon.
        """
        peers = self._context.peers
        asked = self._context.timing.next_to_ask(
            (peer.netid for peer in peers if peer.live and not peer.hears), now
        )
        peer = None if asked is None else peers.get(asked)
        if peer is not None and peer.live:
            self._contacts.challenge(peer.netid, peer.life, now)

    def _believe(self, session: Session) -> None:
        """A frame came on a connection: its peer may head branches again."""
        peer = None if session.netid is None else self._context.peers.get(session.netid)
        if peer is not None and peer.doubtful_until > 0:
            peer.doubtful_until = float("-inf")
            self._context.peers.version += 1

    # What the parts need of each other

    def _gone(self, netid: NetID, now: float) -> None:
        """A peer failed or left: it answers for nothing any more."""
        self._duties.gone(netid, now)
        self._large.source_gone(netid, now)
        for channel in self._channels:
            if channel.outbox.has_data:  # it may have been the one that was waited for
                self._context.effects.append(MulticastReady(channel.index))

    def _accepting(self) -> bool:
        """Whether gossips that come now can be taken in, and passed on."""
        return not (
            self._handlers_full
            or self._links.crowded(self._now)
            or any(one.outbox.crowded for one in self._channels)
        )

    def _pay(self, now: float) -> None:
        self._flow.pay(now)
        self._links.pay()

    def _tell_credit(self, peer: Peer, credit: Credit) -> None:
        if peer.udp_heard or not self._links.warm(peer.netid):
            self._context.udp.put(peer.netid, peer.life, [credit])
        else:
            self._links.send(peer.netid, credit)

    def _told_along(self, now: float) -> list[Record]:
        """What goes with each beacon and digest."""
        # What still waits in a queue of ours is not lost, and nobody shall ask for it.
        on_its_way = self._links.has_data or any(one.outbox.has_data for one in self._channels)
        highest = None if on_its_way else self._repair.highest(now)
        told = (highest, self._flow.for_beacon(now))
        return [record for record in told if record is not None]

    def _multicast_again(self, gossip: Broadcasts, askers: Sequence[NetID]) -> bool:
        """Answer by multicast, if one of our channels reaches all of these."""
        if gossip.large:
            return False
        hop = min(MAX_HOPS, gossip.hop + 1)  # one at its last hop is still repaired
        again = gossip._replace(hop=hop, distribution=())
        if isinstance(again, Gossip) and again.confirm_ms:
            again = again._replace(confirm_ms=0)
        for channel in self._channels.fitting(again.size_bound()):
            peers = [self._context.peers.get(netid) for netid in askers]
            if all(peer is not None and channel in peer.hears for peer in peers):
                return self._channels[channel].put_gossip(again)
        return False

    def _ask_since(self, origin: NetID, now: float) -> bool:
        peer = self._context.peers.get(origin)
        return peer is not None and self._contacts.challenge(origin, peer.life, now)

    # Lives

    def _new_life(self, above: int) -> None:
        """Others know a newer life of our address, or this one is used up: begin another.

        Connections belong to a life, so they end; the next broadcast has an epoch above any known.
        """
        context = self._context
        life = make_life(0, context.random_bytes(10), above=above)
        context.identity = Identity(context.identity.ring, life)
        self._contacts.renew()
        self._seqno = context.number = 0
        for peer in context.peers:
            peer.since = 0
        context.counts["lives_drawn"] += 1
        for session in self._links.sessions():
            context.effects.append(Disconnect(session))
        # Who heard the former life has to hear of the new one first.
        self._membership.reintroduce()

    def _warn_of_clash(self, netid: NetID) -> None:
        self._context.counts["address_clashes"] += 1
        self._context.effects.append(
            Trouble(
                f"two nodes use the address {netid}, or the clock of one went back: give each"
                " node an address of its own"
            )
        )

    def _count_sent(self, frame: bytes | None) -> bytes | None:
        if frame is not None:
            self._context.counts["frames_sent"] += 1
            self._context.counts["bytes_sent"] += len(frame)
        return frame

    def _flush_udp(self) -> None:
        if self._context.udp:
            self._context.effects.append(UdpReady())
