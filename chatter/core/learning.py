"""What peers tell of themselves, of others and of what they got: each to whom it concerns."""

from __future__ import annotations

from collections.abc import Callable

from chatter.core.channels import MulticastChannels
from chatter.core.contact import Contacts
from chatter.core.context import Context
from chatter.core.flow import ReceivingFlow
from chatter.core.forwarder import Forwarder
from chatter.core.large import Large
from chatter.core.links import Links
from chatter.core.membership import MAX_CHANNELS, Membership
from chatter.core.peers import Peer
from chatter.core.probes import Probes
from chatter.core.repair import Repair
from chatter.core.session import Session
from chatter.core.watched import Watched
from chatter.core.watcher import Watcher
from chatter.wire.records import (
    Ack,
    Beacon,
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


class Learning:
    """Acts on the records that carry no broadcast.

    Args:
        new_life: called when a peer knows a newer life of our address, with its epoch.
    """

    def __init__(
        self,
        context: Context,
        channels: MulticastChannels,
        contacts: Contacts,
        links: Links,
        membership: Membership,
        forwarder: Forwarder,
        probes: Probes,
        repair: Repair,
        large: Large,
        flow: ReceivingFlow,
        watched: Watched,
        watcher: Watcher,
        new_life: Callable[[int], None],
    ) -> None:
        self._context = context
        self._channels = channels
        self._contacts = contacts
        self._links = links
        self._membership = membership
        self._forwarder = forwarder
        self._duties = forwarder.duties
        self._probes = probes
        self._repair = repair
        self._large = large
        self._flow = flow
        self._watched = watched
        self._watcher = watcher
        self._new_life = new_life

    def learn(self, record: Record, peer: Peer, session: Session | None, now: float) -> None:
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
                self._repair.told_highest(origin, epoch, number, netid, now)
        elif isinstance(record, WantNumbers):
            self._repair.wanted(netid, record, now)
        elif isinstance(record, WantChunks):
            self._large.wanted(netid, record)
        elif isinstance(record, Probe):
            self._probes.asked(netid, record, now)
        elif isinstance(record, Want):
            first = self._probes.wanted(
                netid, record.ids, lambda who, what: self._forwarder.answer(who, what, now), now
            )
            if first:  # who else missed it learns from a digest that it did
                self._membership.speak_soon(now)
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
