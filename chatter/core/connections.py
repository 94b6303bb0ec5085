"""What comes and goes on connections: from the first hello to what is left undone at the end."""

from __future__ import annotations

from collections.abc import Callable

from chatter.core.contact import Accepted, Contacts, NotOurBusiness, OurName, SupersededLife
from chatter.core.context import Context
from chatter.core.effects import Disconnect, SessionReady
from chatter.core.forwarder import Forwarder
from chatter.core.large import Large
from chatter.core.links import Links
from chatter.core.lone_sessions import LoneSessions
from chatter.core.membership import Membership
from chatter.core.receiver import Receiver
from chatter.core.repair import Repair
from chatter.core.session import Session
from chatter.errors import FrameError, LifeExhausted
from chatter.ids import NetID, epoch_of
from chatter.wire.gossip import Gossip
from chatter.wire.records import CHALLENGE_BYTES


class Connections:
    """Opens sessions, and brings their frames to the parts that they concern.

    Args:
        accept: takes what waited for a sender's proof.
        new_life: called when a peer knows a newer life of our address, with its epoch, or when ours
            is used up.
        clash: called with an address that two nodes seem to use.
    """

    def __init__(
        self,
        context: Context,
        contacts: Contacts,
        links: Links,
        membership: Membership,
        repair: Repair,
        large: Large,
        forwarder: Forwarder,
        receiver: Receiver,
        lone: LoneSessions,
        accept: Callable[[Accepted, float], None],
        new_life: Callable[[int], None],
        clash: Callable[[NetID], None],
    ) -> None:
        self._context = context
        self._contacts = contacts
        self._links = links
        self._membership = membership
        self._repair = repair
        self._large = large
        self._forwarder = forwarder
        self._receiver = receiver
        self._lone = lone
        self._receive_accepted = accept
        self._new_life = new_life
        self._warn_of_clash = clash

    def open(self, expected: NetID | None, now: float) -> Session:
        """A connection is open: ours to ``expected``, or with None one that we accepted."""
        hello = self._contacts.own_hello(
            expected, challenge=self._context.random_bytes(CHALLENGE_BYTES)
        )
        identity = self._context.identity
        session = Session(
            identity.ring,
            self._context.local,
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

    def received(self, session: Session, data: bytes, from_loopback: bool, now: float) -> bool:
        """Take bytes of a connection; False if it has to be closed.

        Whatever the bytes: they are acted on, or counted, and then the connection is of no use.
        """
        counts = self._context.counts
        counts["bytes_received"] += len(data)
        was_proven = session.proven
        try:
            bodies = session.receive(data)
            if session.proven and not was_proven and not self._up(session, from_loopback, now):
                return False
        except FrameError as error:
            counts[f"dropped_{error.reason}"] += 1
            return False
        except LifeExhausted:
            self._new_life(self._context.identity.epoch)
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
            if len(body.records) == 1 and isinstance(gossip := body.records[0], Gossip):
                self._lone.came(session, body.start, gossip, now)
        if session.failure is not None:
            counts[f"dropped_{session.failure.reason}"] += 1
            return False
        return True

    def bytes_for(self, session: Session, now: float) -> bytes:
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

    def closed(self, session: Session, now: float) -> None:
        """A connection ended, whoever ended it: find another way for what it had to carry."""
        sent, unsent = self._links.down(session, now)
        self._forwarder.closed(sent, unsent, now)
        if session.netid is not None:
            self._large.source_gone(session.netid, now)

    def failed(self, netid: NetID, now: float) -> None:
        """Nobody answered at this address: find another way for what had to go there."""
        self._context.counts["connects_failed"] += 1
        self._forwarder.unreachable(self._links.failed(netid), now)

    def _up(self, session: Session, from_loopback: bool, now: float) -> bool:
        """The other side has proven itself; False if we may not talk with it."""
        netid, hello = session.netid, session.hello
        assert netid is not None
        assert hello is not None
        if netid == self._context.local:
            raise OurName("a connection with our own address")
        if netid.is_group:
            raise NotOurBusiness("a group's address where a node's should be")
        if netid.is_loopback and not from_loopback:
            raise NotOurBusiness("a loopback address from another host")
        if hello.known_epoch > self._context.identity.epoch:
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

    def _believe(self, session: Session) -> None:
        """A frame came on a connection: its peer may head branches again."""
        peer = None if session.netid is None else self._context.peers.get(session.netid)
        if peer is not None and peer.doubtful_until > 0:
            peer.doubtful_until = float("-inf")
            self._context.peers.version += 1
