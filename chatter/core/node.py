"""One node: bytes and a time in; frames, effects and the next wakeup out.

A broadcast comes in through ``broadcast`` or inside a frame, and goes the same way: receive, learn,
forward, plan. The shell carries out what ``take_effects`` returns, in order, after every call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from chatter.config import Config
from chatter.core.arrivals import Arrivals
from chatter.core.channels import ChannelSpec, MulticastChannels
from chatter.core.connections import Connections
from chatter.core.contact import Accepted, Contacts, OurName
from chatter.core.context import Context
from chatter.core.delivering import Delivering
from chatter.core.effects import (
    Effect,
    MulticastReady,
    NodeFigures,
    UdpReady,
)
from chatter.core.flow import ReceivingFlow
from chatter.core.forwarder import Forwarder
from chatter.core.handlers import SerializerDB
from chatter.core.identity import Identity
from chatter.core.large import Bodies, Large
from chatter.core.learning import Learning
from chatter.core.links import Links
from chatter.core.lives import Lives
from chatter.core.lone import Lone
from chatter.core.lone_sessions import LoneSessions
from chatter.core.membership import Membership, Summary
from chatter.core.notices import Notices
from chatter.core.origins import Origins
from chatter.core.outbox import UdpQueue
from chatter.core.passing import Passing
from chatter.core.peers import ALIVE, FAILED, LEFT, SUSPECT, Peer, PeerDB
from chatter.core.probes import Probes
from chatter.core.publishing import Publishing
from chatter.core.receipts import Receipts
from chatter.core.receiver import Receiver
from chatter.core.repair import Repair
from chatter.core.schedule import Schedule
from chatter.core.session import Session
from chatter.core.store import Store
from chatter.core.straight import Straightway
from chatter.core.upkeep import Upkeep
from chatter.core.watched import Watched
from chatter.core.watcher import Watcher
from chatter.errors import FrameError, LifeExhausted
from chatter.ids import BroadcastID, NetID, make_life
from chatter.wire.frame import Sender, encode_body
from chatter.wire.gossip import Gossip
from chatter.wire.records import CARRIERS, Credit, Record
from chatter.wire.seal import KeyRing

if TYPE_CHECKING:
    import random


# Frames in our own name before it is called a clash: some seconds of another node's beacons.
OUR_NETID_FRAMES = 5


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
        queued: how many messages wait for handlers at the moment; must not switch greenlets.
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
        queued: Callable[[], int] = lambda: 0,
        package: str = "",
    ) -> None:
        ring = KeyRing(config.secrets, config.label)
        identity = Identity(ring, make_life(unix_ms, random_bytes(10)))
        peers = PeerDB(local)
        context = Context(config, local, identity, peers, rng, random_bytes, UdpQueue(), buffer)
        context.package = package
        context.appetite.queued = queued
        self._context = context
        self._gauges = gauges
        self._now = 0.0
        self._handlers_full = False
        self._channels = MulticastChannels(context, channels)
        self._groups = [one.group for one in self._channels]
        self._contacts = Contacts(context)
        self._links = Links(context, self._accepting)
        self._origins = Origins()
        self._store = Store(config.store_bytes, config.store_age_s)
        self._flow = ReceivingFlow(context, self._accepting, self._tell_credit)
        self._membership = Membership(
            context, self._contacts, self._links, self._channels, self._told_along, self._gone
        )
        self._lives = Lives(
            context,
            self._contacts,
            self._links,
            self._membership,
            lambda: self._publishing.begin_anew(),
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
            lambda gossip, askers: self._forwarder.multicast_again(gossip, askers, self._now),
            lambda netid, gossip: self._forwarder.answer(netid, gossip, self._now),
            self._ask_since,
        )
        self._passing = Passing(
            context, handlers, self._links, self._forwarder, self._probes, self._store
        )
        delivering = Delivering(context, handlers, self._repair, self._watched)
        self._arrivals = Arrivals(
            context,
            self._channels,
            self._links,
            self._forwarder,
            self._probes,
            self._origins,
            self._store,
            self._repair,
            self._large,
            self._passing,
            delivering,
        )
        learning = Learning(
            context,
            self._channels,
            self._contacts,
            self._links,
            self._membership,
            self._forwarder,
            self._probes,
            self._repair,
            self._large,
            self._flow,
            self._watched,
            self._watcher,
            self._lives.begin_anew,
        )
        self._receiver = Receiver(
            context,
            self._links,
            self._membership,
            self._origins,
            self._store,
            self._repair,
            self._flow,
            learning,
            self._arrivals,
            self._passing,
            delivering,
        )
        self.lone = Lone(
            context,
            self._groups,
            handlers,
            self._contacts,
            self._membership,
            self._origins,
            self._store,
            self._flow,
            self._watched,
        )
        """Takes most messages that come one at a time, before ``receive_datagram`` is called."""
        self._publishing = Publishing(
            context,
            self._store,
            self._repair,
            self._receipts,
            self._forwarder,
            self._watched,
            lambda *went: self.straightway.went(*went),
        )
        self.straightway = Straightway(
            context, self._channels, self._forwarder, self._publishing, self._watched
        )
        """Takes most broadcasts that are sent one at a time, before ``gather`` is called."""
        self.lone_sessions = LoneSessions(
            context,
            handlers,
            self._contacts,
            self._origins,
            self._store,
            self._links,
            self._watched,
        )
        """Takes most messages that come one at a time, before ``session_received`` is called."""
        self._connections = Connections(
            context,
            self._contacts,
            self._links,
            self._membership,
            self._repair,
            self._large,
            self._forwarder,
            self._receiver,
            self.lone_sessions,
            self._receive_accepted,
            self._lives.begin_anew,
            self._lives.warn_of_clash,
        )
        self._upkeep = Upkeep(context, self._contacts, self._links, self._store, self._duties)
        self._schedule = Schedule(
            context,
            (
                self._membership,
                self._probes,
                self._passing,
                self._arrivals,
                self._repair,
                self._duties,
                self._receipts,
                self._links,
                self._notices,
                self._channels,
                self._watched,
                self._watcher,
            ),
        )
        self.join = self._publishing.join
        """As ``gather``, if it can join those that are being gathered, and then without effects.
        None: it cannot, and nothing changed. Takes tag, codec, body and whether to compress."""

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
        """How often what happened, since the start and up to the last ``settle``."""
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
            or self._passing.pending
            or self._publishing.gathering is not None
            or len(self._duties) > 0
        )

    def room(self, now: float) -> int:
        """Bytes of broadcasts that our own queues still take: the least of all groups and of the
        peers that are taking something. Who takes nothing is not waited for."""
        rooms = (one.outbox.room() for one in self._channels)
        gathering = self._publishing.gathering
        gathered = 0 if gathering is None else gathering.size
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
        self._now = now
        self._upkeep.start(now)
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
        self._upkeep.sweep(now)
        if self._links.next_wakeup() <= now:
            self._forwarder.silent(now)
        self._schedule.tick(now)
        self._pay(now)
        self._flush_udp()

    @property
    def due(self) -> float:
        """When ``tick`` wants to be called, or a little earlier; cheap, for after each call."""
        return self._context.due

    def next_wakeup(self) -> float:
        """When ``tick`` wants to be called."""
        return self._schedule.next_wakeup()

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
        return self._publishing.broadcast(
            tag, codec, payload, to, now, compress=compress, confirm_s=confirm_s
        )

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
        return self._publishing.gather(tag, codec, body, room, compress)

    def flush(self, now: float) -> None:
        """Have what was gathered sent."""
        self._begin(now)

    def _begin(self, now: float) -> None:
        """Whatever is done next comes after what was taken and what was gathered before."""
        self._now = now
        if self.lone.noted:
            self.lone.settle()
        if self.lone_sessions.noted:
            self.lone_sessions.settle()
        if self.straightway.noted is not None:
            self.straightway.settle()
        if self._publishing.gathering is not None:
            self._publishing.flush(now)

    def transformed(self, broadcast: BroadcastID, payload: bytes | None, now: float) -> None:
        """The handler of a held broadcast is done: it travels on, with the new payload if any."""
        self._begin(now)
        self._passing.transformed(broadcast, payload, now)
        self._pay(now)

    # Datagrams

    def settle(self, now: float) -> None:
        """Do what is still to be done for messages that ``lone`` and ``straightway`` took.

        Whoever looks at counts, figures or peers calls it first, and carries out what follows.
        """
        self._begin(now)

    def receive_datagram(
        self, data: bytes, channel: int | None, from_loopback: bool, now: float
    ) -> None:
        """Take a datagram from one of our channels, or from unicast with None.

        Whatever the bytes: they are acted on, or counted and dropped.
        """
        group = None if channel is None else self._groups[channel]
        self._begin(now)
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
                self._lives.warn_of_clash(self.local)
        for one in accepted:
            self._receive_accepted(one, now)
            sender, records, *_ = one.body
            if channel is not None and sender is not None and len(records) == 1:
                gossip = records[0]
                if isinstance(gossip, Gossip):
                    self.lone.came(channel, one.life, sender, gossip, now)
        if self._context.udp.waiting:
            self._context.effects.append(UdpReady())

    def multicast_frame(self, channel: int, now: float) -> bytes | None:
        """The next datagram for a channel, or None."""
        self._begin(now)
        try:
            frame = self._channels[channel].next_frame(now)
        except LifeExhausted:
            self._lives.begin_anew(self.epoch)
            return None
        return self._count_sent(frame)

    def udp_frame(self, now: float) -> tuple[NetID, bytes] | None:
        """The next unicast datagram and where it goes, or None."""
        self._begin(now)
        waiting = self._context.udp.take()
        if waiting is None:
            return None
        netid, life, records = waiting
        body = encode_body(records, Sender(self.local, 0))
        try:
            frame = self._context.identity.udp_sealer(life).seal(body)
        except LifeExhausted:
            self._lives.begin_anew(self.epoch)
            return None
        self._count_sent(frame)
        return netid, frame

    # Connections

    def open_session(self, expected: NetID | None, now: float) -> Session:
        """A connection is open: ours to ``expected``, or with None one that we accepted."""
        return self._connections.open(expected, now)

    def session_received(
        self, session: Session, data: bytes, from_loopback: bool, now: float
    ) -> bool:
        """Take bytes of a connection; False if it has to be closed.

        Whatever the bytes: they are acted on, or counted, and then the connection is of no use.
        """
        self._begin(now)
        alive = self._connections.received(session, data, from_loopback, now)
        self._flush_udp()
        return alive

    def session_bytes(self, session: Session, now: float) -> bytes:
        """The next bytes to send on a connection; empty if there are none."""
        self._begin(now)
        return self._connections.bytes_for(session, now)

    def session_closed(self, session: Session, now: float) -> None:
        """A connection ended, whoever ended it: find another way for what it had to carry."""
        self._begin(now)
        self._connections.closed(session, now)

    def connect_failed(self, netid: NetID, now: float) -> None:
        """Nobody answered at this address: find another way for what had to go there."""
        self._begin(now)
        self._connections.failed(netid, now)

    # Receive

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
            or self._passing.crowded
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

    def _ask_since(self, origin: NetID, now: float) -> bool:
        peer = self._context.peers.get(origin)
        return peer is not None and self._contacts.challenge(origin, peer.life, now)

    def _count_sent(self, frame: bytes | None) -> bytes | None:
        if frame is not None:
            self._context.counts["frames_sent"] += 1
            self._context.counts["bytes_sent"] += len(frame)
        return frame

    def _flush_udp(self) -> None:
        if self._context.udp:
            self._context.effects.append(UdpReady())
