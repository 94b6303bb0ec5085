"""One node: bytes and a time in; frames, effects and the next wakeup out.

A broadcast comes in through ``broadcast`` or inside a frame, and goes the same way: receive, learn,
forward, plan. The shell carries out what ``take_effects`` returns, in order, after every call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from chatter.config import MAX_MESSAGE_BYTES, Config
from chatter.core.channels import ChannelSpec, MulticastChannels
from chatter.core.contact import Accepted, Contacts, NotOurBusiness, OurName, SupersededLife
from chatter.core.context import Context
from chatter.core.duplicates import Duplicates, Verdict
from chatter.core.effects import Deliver, Disconnect, Effect, SessionReady, Trouble, UdpReady
from chatter.core.forwarder import Forwarder
from chatter.core.handlers import SerializerDB
from chatter.core.identity import Identity
from chatter.core.links import Links
from chatter.core.membership import Membership, Summary
from chatter.core.outbox import UdpQueue
from chatter.core.peers import Peer, PeerDB
from chatter.core.probes import Probes
from chatter.core.session import Session
from chatter.core.store import Store
from chatter.core.transforms import Transforms
from chatter.errors import FrameError, LifeExhausted
from chatter.ids import BroadcastID, NetID, make_life
from chatter.wire.frame import Sender, encode_body
from chatter.wire.gossip import Gossip
from chatter.wire.idtable import sort_netids
from chatter.wire.records import (
    CHALLENGE_BYTES,
    Beacon,
    Hello,
    Leave,
    OtherIds,
    Probe,
    Record,
    SeenIds,
    Want,
)
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
    ) -> None:
        self._handlers = handlers
        ring = KeyRing(config.secrets, config.label)
        identity = Identity(ring, make_life(unix_ms, random_bytes(10)))
        peers = PeerDB(local)
        context = Context(config, local, identity, peers, rng, random_bytes, UdpQueue(), buffer)
        self._context = context
        self._channels = MulticastChannels(context, channels)
        self._contacts = Contacts(context)
        self._links = Links(context)
        self._duplicates = Duplicates()
        self._store = Store()
        self._membership = Membership(context, self._contacts, self._links, self._channels)
        self._probes = Probes(context, self._links, self._duplicates, self._store)
        self._forwarder = Forwarder(
            context, self._channels, self._links, self._membership, self._probes
        )
        self._transforms = Transforms()
        self._seqno = 0
        self._number = 0

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
    def counts(self) -> dict[str, int]:
        """How often what happened, since the start."""
        return self._context.counts

    def peers(self, now: float) -> list[Summary]:
        """What is known of each peer, live or not."""
        return self._membership.summaries(now)

    def live_count(self) -> int:
        """How many peers a broadcast to everyone goes to."""
        return len(self._context.peers.live())

    def unanswered_seeds(self) -> list[NetID]:
        """The addresses given with ``join`` behind which no live peer is known."""
        return self._membership.seeds.unanswered()

    def pending(self) -> bool:
        """Whether anything waits to be sent."""
        return (
            bool(self._context.udp)
            or self._links.pending()
            or self._channels.pending()
            or bool(self._transforms)
        )

    def room(self, now: float) -> int:
        """Bytes that our own queues still take: the least of all groups and of the peers that are
        taking something. Who takes nothing is not waited for."""
        rooms = (one.outbox.room() for one in self._channels)
        return min([self._links.room(now), *rooms])

    # Life cycle and time

    def start(self, now: float) -> None:
        """Begin to speak."""
        self._membership.start(now)

    def set_seeds(self, addresses: Sequence[NetID], now: float) -> None:
        """The addresses that ``join`` stands for at the moment."""
        self._membership.seeds.set(list(addresses), now)

    def leave(self, now: float) -> None:
        """Tell everybody that we go. What is queued is still sent."""
        self._membership.leave(now)
        self._flush_udp()

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._membership.tick(now)
        self._probes.tick(now)
        self._store.expire(now)
        for gossip in self._transforms.overdue(now):
            self._forwarder.forward(gossip, gossip.distribution, now)
        self._flush_udp()

    def next_wakeup(self) -> float:
        """When ``tick`` wants to be called, at the latest."""
        return min(
            self._membership.next_wakeup(),
            self._probes.next_wakeup(),
            self._transforms.next_wakeup(),
        )

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
    ) -> tuple[BroadcastID, int]:
        """Send a payload on its way; its id, and how many peers it is meant for.

        Args:
            to: whom to reach; our own address is ignored. None: every live peer.
        """
        self._seqno += 1
        broadcast = BroadcastID(self.local, self.epoch, self._seqno)
        number = 0
        if to is None:
            self._number += 1
            number = self._number
            targets = [peer.netid for peer in self._context.peers.live()]
        else:
            targets = [netid for netid in sort_netids(to) if netid != self.local]
        gossip = Gossip(broadcast, tag, codec, payload, number, 0, (), 0, compress)
        self._duplicates.take(broadcast)
        self._store.add(gossip, now)
        self._context.counts["broadcasts"] += 1
        if not targets:
            self._context.counts["broadcasts_to_nobody"] += 1
        else:
            self._forwarder.forward(gossip, targets, now)
        return broadcast, len(targets)

    def transformed(self, broadcast: BroadcastID, payload: bytes | None, now: float) -> None:
        """The handler of a held broadcast is done: it travels on, with the new payload if any."""
        gossip = self._transforms.release(broadcast)
        if gossip is None:
            return  # it took too long, and the broadcast went on as it came
        if payload is not None:
            gossip = gossip._replace(payload=payload, revision=gossip.revision + 1)
            self._store.add(gossip, now)
        self._forwarder.forward(gossip, gossip.distribution, now)

    # Datagrams

    def receive_datagram(
        self, data: bytes, channel: int | None, from_loopback: bool, now: float
    ) -> None:
        """Take a datagram from one of our channels, or from unicast with None.

        Whatever the bytes: they are acted on, or counted and dropped.
        """
        group = None if channel is None else self._channels[channel].group
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
        self._flush_udp()

    def multicast_frame(self, channel: int) -> bytes | None:
        """The next datagram for a channel, or None."""
        try:
            frame = self._channels[channel].next_frame()
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
            expected=expected,
        )
        self._links.opened(session, now)
        return session

    def session_received(
        self, session: Session, data: bytes, from_loopback: bool, now: float
    ) -> bool:
        """Take bytes of a connection; False if it has to be closed.

        Whatever the bytes: they are acted on, or counted, and then the connection is of no use.
        """
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
            self._context.effects.append(SessionReady(session))
        for body in bodies:
            counts["frames_received"] += 1
            counts["records_unknown"] += body.unknown
            assert session.netid is not None
            if self._contacts.life(session.netid) != session.life:
                # Another life took the address; what this one still had on its way is too late.
                counts[f"dropped_{SupersededLife.reason}"] += 1
                return False
            self._receive_records(session.netid, session.life, body.records, None, now, session)
        self._flush_udp()
        if session.failure is not None:
            counts[f"dropped_{session.failure.reason}"] += 1
            return False
        return True

    def session_bytes(self, session: Session, now: float) -> bytes:
        """The next bytes to send on a connection; empty if there are none."""
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
        for netid, records in self._links.down(session):
            self._forwarder.find_another_way(netid, records, now)

    def connect_failed(self, netid: NetID, now: float) -> None:
        """Nobody answered at this address: find another way for what had to go there."""
        self._context.counts["connects_failed"] += 1
        self._forwarder.find_another_way(netid, self._links.failed(netid), now)

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
        if session.expected is not None:
            self._membership.seeds.answered(session.expected, netid)
        self._links.up(session, now)
        self._membership.greet(netid, now)
        for one in self._contacts.released(session.life, now):
            self._receive_accepted(one, now)
        return True

    def _receive_accepted(self, accepted: Accepted, now: float) -> None:
        netid, life, body, group = accepted
        assert body.sender is not None
        self._context.counts["records_unknown"] += body.unknown
        channel = None if group is None else body.sender.channel
        if any(isinstance(record, Gossip) for record in body.records) and group is None:
            self._context.counts["dropped_gossip_by_udp"] += 1
            return
        self._receive_records(netid, life, body.records, channel, now)
        if group is None:
            peer = self._context.peers.get(netid)
            if peer is not None:
                peer.udp_heard = True

    def _receive_records(
        self,
        sender: NetID,
        life: bytes,
        records: Sequence[Record],
        channel: int | None,
        now: float,
        session: Session | None = None,
    ) -> None:
        """Act on the records of a proven sender.

        Args:
            channel: which of the sender's it was, if they came by multicast.
            session: the connection, if they came by TCP.
        """
        peer = self._membership.heard(sender, life, now)
        if peer is None:
            self._context.counts["dropped_no_room_for_peer"] += 1
            return
        if channel is not None:
            self._membership.note_multicast(peer, channel, now)
        for record in records:
            if isinstance(record, Gossip):
                self._receive_gossip(record, sender, channel is not None, now)
            else:
                self._learn(record, peer, session, now)

    def _receive_gossip(
        self, gossip: Gossip, sender: NetID, by_multicast: bool, now: float
    ) -> None:
        counts = self._context.counts
        if len(gossip.payload) > MAX_MESSAGE_BYTES:
            # No version of ours sends it, and with a list beside it no frame of ours would hold it.
            counts["dropped_too_large"] += 1
            return
        if by_multicast:
            if not gossip.to_everyone and self.local not in gossip.distribution:
                counts["gossip_overheard"] += 1
                return
            serve: tuple[NetID, ...] = ()
        else:
            serve = tuple(
                netid
                for netid in gossip.distribution
                if netid != self.local and netid.may_come_from(sender)
            )
        counts["gossip_received"] += 1
        if gossip.id.origin == self.local:
            counts["gossip_own"] += 1
            return
        verdict = self._duplicates.take(gossip.id)
        if verdict is not Verdict.NEW:
            counts["too_late" if verdict is Verdict.TOO_LATE else "duplicates"] += 1
            # Who sent it still relies on us for those it asked us to serve.
            self._forwarder.forward(gossip, serve, now)
            return
        self._store.add(gossip._replace(distribution=()), now)
        handler = self._handlers.get(gossip.tag)
        held = bool(serve) and handler is not None and handler.transforms
        if held:
            self._transforms.hold(gossip._replace(distribution=serve), now)
        else:
            self._forwarder.forward(gossip, serve, now)
        via = "multicast" if by_multicast else "tcp"
        self._context.effects.append(Deliver(gossip, sender, via, held))

    # Learn

    def _learn(self, record: Record, peer: Peer, session: Session | None, now: float) -> None:
        """Take in what a peer tells of itself and of others."""
        netid = peer.netid
        if isinstance(record, Beacon):
            peer.segment = record.segment
        elif isinstance(record, SeenIds):
            heard = [one for one in record.heard if one[0] < len(self._channels)]
            self._context.peers.note_seen_ids(netid, heard, record.complete, now)
        elif isinstance(record, OtherIds):
            self._membership.note_others(netid, record.entries, now)
        elif isinstance(record, Probe):
            self._probes.asked(netid, record.ids, now)
        elif isinstance(record, Want):
            self._probes.wanted(netid, record.ids)
        elif isinstance(record, Leave):
            self._membership.left(netid, peer.life, now)
        elif isinstance(record, Hello):
            if record.known_epoch > self.epoch:
                self._new_life(record.known_epoch)
                return
            peer.buffer = record.buffer
            if session is None:
                self._contacts.answer(netid, peer.life, record, now)
            elif record.challenge is not None:
                # Answers return on the connection: who asks there may hear no datagrams.
                self._links.send(netid, self._contacts.own_hello(netid, echo=record.challenge))

    # Lives

    def _new_life(self, above: int) -> None:
        """Others know a newer life of our address, or this one is used up: begin another.

        Connections belong to a life, so they end; the next broadcast has an epoch above any known.
        """
        context = self._context
        life = make_life(0, context.random_bytes(10), above=above)
        context.identity = Identity(context.identity.ring, life)
        self._contacts.renew()
        self._seqno = self._number = 0
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
