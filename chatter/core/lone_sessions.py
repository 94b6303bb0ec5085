"""Lone messages on connections: one in a frame, to everyone, for us alone, and the next.

As ``lone.py`` does with datagrams, and for the same reason: what decides about the next frame, and
when we have to answer, is done at once; the rest is noted, and done for several together.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from chatter.core.contact import Contacts
from chatter.core.context import Context
from chatter.core.effects import Deliver
from chatter.core.exchange import LEAF_ACK_DELAY_S
from chatter.core.handlers import SerializerDB
from chatter.core.links import Links
from chatter.core.lone import FEW_NOTED, MOST_NOTED
from chatter.core.origins import OriginLife, Origins
from chatter.core.outbox import charge_of
from chatter.core.pace import least_lately_s
from chatter.core.peers import ALIVE, Peer
from chatter.core.session import Session
from chatter.core.store import Store
from chatter.core.watched import Watched
from chatter.errors import FrameError
from chatter.wire.alike import Alike
from chatter.wire.frame import Start
from chatter.wire.gossip import Gossip

_make = tuple.__new__
_SESSION = itemgetter(1)


class Lane:
    """What was true of a connection's last message, and is as long as the versions are the same."""

    __slots__ = (
        "alike", "at", "handlers_version", "kind", "life", "ordered", "peer", "peers_version",
    )  # fmt: skip

    def __init__(
        self,
        peer: Peer,
        life: OriginLife,
        alike: Alike,
        gossip: Gossip,
        versions: tuple[int, int],
        ordered: bool,
        at: float,
    ) -> None:
        self.peer = peer
        self.life = life
        self.alike = alike
        self.kind = _kind(gossip)
        self.peers_version, self.handlers_version = versions
        self.ordered = ordered
        self.at = at


class LoneSessions:
    """Takes lone messages that are like the one before on their connection. Hot: once for each."""

    def __init__(
        self,
        context: Context,
        handlers: SerializerDB,
        contacts: Contacts,
        origins: Origins,
        store: Store,
        links: Links,
        watched: Watched,
    ) -> None:
        self._most = MOST_NOTED
        self.enough = False
        """Whether ``settle`` should be called, once what was taken is dispatched."""
        self._context = context
        self._handlers = handlers
        self._contacts = contacts
        self._peers = context.peers
        self._origins = origins
        self._store = store
        self._links = links
        self._watched = watched
        self._lately_s = least_lately_s(context.config)
        self.noted: list[tuple[Gossip, Session, Peer, int, int, float]] = []
        """What was taken, and is not settled yet."""

    def take(self, session: Session, data: bytes, now: float) -> Deliver | None:
        """The message in bytes of a connection, if they are a lone one.

        None: nothing was changed. They are for ``Node.session_received``, which has to be given the
        same bytes.
        """
        lane = session.lane
        if lane is None or lane.peers_version != self._peers.version:
            return None
        life, peer = lane.life, lane.peer
        if (
            lane.handlers_version != self._handlers.version
            or now - lane.at > self._lately_s  # that would be news
            or not life.kept
            or peer.state is not ALIVE
            or peer.life != session.life
            or peer.doubtful_until > 0
            or self._contacts.life(peer.netid) != session.life
            or (life.order is not None and life.order.waiting)
            or self._watched.active
        ):
            return None
        body = session.look(data)
        if body is None:
            return None
        try:
            found = lane.alike.read(body)
        except FrameError:
            return None  # whoever looks again finds the same, and counts it
        if found is None:
            return None
        _, gossip = found
        if not life.takes_next(gossip.id.seqno, gossip.number, 1, peer.netid, now):
            return None
        if lane.ordered:
            life.ordered().went(gossip.id.seqno)
        session.took()
        lane.at = now
        exchange = session.exchange
        exchange.done(exchange.take(now, LEAF_ACK_DELAY_S), at=float("inf"))
        charge = charge_of(gossip)
        exchange.taken_in(charge)
        self._links.answer_soon(session)
        noted = self.noted
        noted.append((gossip, session, peer, charge, len(data), now))
        if len(noted) >= self._most or exchange.owes_credit:
            self.enough = True
        return _make(Deliver, (gossip, peer.netid, "tcp", False))

    def settle(self) -> None:
        """Do for those that were taken what is still to be done."""
        noted = self.noted
        if not noted:
            return
        context = self._context
        self.noted, self.enough = [], False
        self._most = context.rng.randint(FEW_NOTED, MOST_NOTED)
        counts, tags = context.counts, context.tags
        counts["frames_received"] += len(noted)
        counts["gossip_received"] += len(noted)
        context.appetite.messages += len(noted)
        for session, notes in groupby(noted, key=_SESSION):
            run = list(notes)
            for gossip, _, _, _, size, at in run:
                counts["bytes_received"] += size
                tags.count(gossip.tag)
                self._store.add(gossip, at)
            # All else is as if the last alone had come, and had cost as much as all of them.
            session.used_at = run[-1][2].heard_at = at
            self._links.heard(session, at)
            self._links.note_taken_in(session, sum(charge for _, _, _, charge, _, _ in run))

    def came(self, session: Session, start: Start | None, gossip: Gossip, now: float) -> None:
        """A gossip came alone in a frame, which was just received as any other: those like it are
        taken here from now on, if nothing speaks against that."""
        lane = session.lane
        versions = self._peers.version, self._handlers.version
        if (
            lane is not None
            and (lane.peers_version, lane.handlers_version) == versions
            and lane.kind == _kind(gossip)
            and lane.life.kept
        ):
            lane.at = now
            return
        peer = None if session.netid is None else self._peers.get(session.netid)
        handler = self._handlers.dispatcher(gossip.tag)
        origin = self._origins.get(gossip.id.origin, gossip.id.epoch)
        if (
            start is None
            or peer is None
            or origin is None
            or origin.named_at != now  # it is none that comes next
            or not Alike.can_be(gossip)
        ):
            return
        session.lane = Lane(
            peer,
            origin,
            Alike(start, gossip),
            gossip,
            versions,
            handler is not None and handler.ordered,
            now,
        )


def _kind(gossip: Gossip) -> tuple[object, ...]:
    return (*gossip.id[:2], gossip.tag, gossip.codec, gossip.hop, gossip.compress)
