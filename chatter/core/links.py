"""What goes to one peer over TCP: a queue, and the connection that empties it, if one is up.

A connection serves both ways whoever opened it. With nothing up, the first record asks the shell to
connect. Of each gossip that was handed to a peer we keep that it was, until the peer says done:
what a failed connection, or a peer that falls silent, leaves undone goes back to whoever can find
another way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chatter.core.context import Context
from chatter.core.effects import Connect, Disconnect, SessionReady
from chatter.core.exchange import LEAF_ACK_DELAY_S, LEAST_WINDOW_BYTES, WINDOW_BYTES
from chatter.core.handover import Handover
from chatter.core.outbox import RECORD_HEAD_BYTES, Outbox
from chatter.core.session import Session
from chatter.core.transfer import Transfer
from chatter.ids import BroadcastID, NetID
from chatter.wire.frame import MAX_ROUTING_BYTES
from chatter.wire.records import Ack, Record, SessionCredit

# What may wait for one peer: a second of a fast network, so a connection that stalls for a moment
# loses nothing, and one that stalls for good holds little memory.
MAX_OUTBOX_BYTES = 4 * 1024 * 1024

# A connection that carried nothing for so long is closed by who opened it.
IDLE_AFTER_S = 60.0

# Peers with a queue or a connection at a time. A tree asks for log n of them; above it others are
# served by heads that are up, until idle ones have ended.
MAX_LINKS = 4096

# A head that says nothing for so long, or four times what it usually takes to answer, is planned
# around; design section 6. One that is up again after all gets twice the time from then on.
LEAST_PATIENCE_S = 0.15
MOST_PATIENCE_S = 2.0

# ... and one to which a connection has to be opened first: three round trips, of processes that may
# have to wait for their turn each time.
CONNECTING_PATIENCE_S = 0.45

# The slowest line on which a head is not taken for silent while it still receives: 4 Mbit/s.
SLOWEST_BYTES_PER_S = 500_000

# Room for the frame's own table counts, and for a few answers that go along, besides the records.
_FRAME_RECORDS_BYTES = MAX_ROUTING_BYTES - 1024
_SPARE_BYTES = 512


class Link:
    """The way to one peer."""

    __slots__ = (
        "answer_s",
        "blocked_at",
        "branches",
        "connecting",
        "open",
        "outbox",
        "patience",
        "session",
        "silent_since",
    )

    def __init__(self) -> None:
        self.outbox = Outbox(MAX_OUTBOX_BYTES)
        self.session: Session | None = None
        self.connecting = False
        self.blocked_at: float | None = None
        """Since when something waits here without moving."""
        self.open: dict[Handover, None] = {}
        """What was handed to the peer and is not done, queued or sent."""
        self.branches: dict[Handover, None] = {}
        """Those of them by which others were to be served."""
        self.silent_since: float | None = None
        """Since when the peer owes us a sign of life; None if it owes none."""
        self.answer_s = 0.0
        """How long it usually takes to answer, beyond what who serves nobody may wait with it."""
        self.patience = 1.0

    @property
    def patience_s(self) -> float:
        """How long the peer may be silent while it owes us a sign of life.

        What is on its way counts too: over a slow line the peer has not even got it yet.
        """
        least_s = CONNECTING_PATIENCE_S if self.session is None else LEAST_PATIENCE_S
        patience_s = max(least_s, 4 * self.answer_s) * self.patience
        if not self.branches:
            patience_s += LEAF_ACK_DELAY_S
        on_its_way = 0 if self.session is None else self.session.exchange.on_its_way
        return min(MOST_PATIENCE_S, patience_s) + on_its_way / SLOWEST_BYTES_PER_S

    def add(self, handover: Handover) -> None:
        """It is handed to the peer."""
        self.open[handover] = None
        if handover.gossip.distribution:
            self.branches[handover] = None

    def remove(self, handover: Handover) -> None:
        """It is done, or never will be."""
        self.open.pop(handover, None)
        self.branches.pop(handover, None)


class Links:
    """The ways to all peers that are spoken to over TCP.

    Args:
        accepting: whether gossips that come can be taken in: if not, senders get no more credit.
    """

    def __init__(self, context: Context, accepting: Callable[[], bool]) -> None:
        self._context = context
        self._accepting = accepting
        self._links: dict[NetID, Link] = {}
        self._sessions: dict[Session, None] = {}
        self._up: dict[Session, None] = {}
        self._answering: dict[Session, None] = {}
        self._unpaid: dict[Session, None] = {}
        self._waiting: dict[NetID, Link] = {}
        self._wakeup = float("inf")

    def warm(self, netid: NetID) -> bool:
        """Whether a proven connection to this peer is up."""
        link = self._links.get(netid)
        return link is not None and link.session is not None

    def answer_s(self, netid: NetID) -> float:
        """How long this peer usually takes to answer; 0 while that is not known."""
        link = self._links.get(netid)
        return 0.0 if link is None else link.answer_s

    def waiting_bytes(self) -> int:
        """How much waits for all peers together."""
        return sum(link.outbox.bytes for link in self._links.values())

    # What is to go out

    def send(self, netid: NetID, record: Record) -> bool:
        """Queue a control record; False if there is no room, and then nothing changed."""
        link = self._link(netid)
        if link is None or not link.outbox.put(record):
            return False
        self._wake(netid, link)
        return True

    def hand_over(self, handover: Handover, now: float) -> bool:
        """Queue a gossip for its head; False if there is no room, and then nothing changed."""
        netid = handover.head
        link = self._link(netid)
        if link is None or not link.outbox.put_gossip(handover.gossip, handover):
            return False
        link.add(handover)
        if link.silent_since is None or link.branches.keys() == {handover}:
            link.silent_since = now
            self._waiting[netid] = link
            self._wake_by(now + link.patience_s)
        if link.blocked_at is None:
            link.blocked_at = now
        self._wake(netid, link)
        return True

    def add_transfer(self, netid: NetID, transfer: Transfer) -> bool:
        """Send chunks of a large payload; False if there are too many links."""
        link = self._link(netid)
        if link is None:
            return False
        link.outbox.add_transfer(transfer)
        self._wake(netid, link)
        return True

    def abandon(self, netid: NetID, broadcast: BroadcastID) -> None:
        """The rest of a large payload will never be here to be sent to this peer."""
        link = self._links.get(netid)
        if link is not None:
            link.outbox.abandon(broadcast)

    def wake(self, netid: NetID) -> None:
        """Something that waits for this peer can go now."""
        link = self._links.get(netid)
        if link is not None and link.session is not None:
            self._context.effects.append(SessionReady(link.session))

    def connect(self, netid: NetID) -> None:
        """Have a connection opened, unless one is up or being opened, or there are too many."""
        link = self._link(netid)
        if link is not None and link.session is None and not link.connecting:
            link.connecting = True
            self._context.effects.append(Connect(netid))

    # Connections

    def opened(self, session: Session, now: float) -> None:
        """Watch over a connection whose first exchange begins."""
        session.used_at = now
        self._sessions[session] = None
        if session.has_handshake_bytes:
            self._context.effects.append(SessionReady(session))

    def up(self, session: Session, now: float) -> None:
        """The other side has proven itself: what waits for it may go."""
        assert session.netid is not None
        session.used_at = now
        self._up[session] = None
        link = self._links.setdefault(session.netid, Link())
        link.session = session
        link.connecting = False
        if link.silent_since is not None:
            link.silent_since = now  # only from now on can it answer
        if session.expected is not None and session.expected != session.netid:
            # Another name answered for the address we called; what was queued is for this one.
            called = self._links.get(session.expected)
            if called is not None and called.session is None:
                records, handovers = called.outbox.drain()
                self._drop(session.expected)
                for record in records:
                    link.outbox.put(record)
                for handover in handovers:
                    handover.head = session.netid
                    self.hand_over(handover, now)
        self._context.effects.append(SessionReady(session))

    def down(self, session: Session, now: float) -> tuple[list[Handover], list[Handover]]:
        """A connection ended: what was handed over on it, and what nobody will come for.

        The first may have arrived or not; it is for its heads to be asked again. The second was
        never sent, and there is no other connection to send it on.
        """
        session.close()
        self._sessions.pop(session, None)
        self._up.pop(session, None)
        self._answering.pop(session, None)
        self._unpaid.pop(session, None)
        sent = list(session.exchange.open.values())
        session.exchange.open.clear()
        unsent: list[Handover] = []
        # Who answered may be another than who was called; then both were waiting for this one.
        for netid in {session.expected: None, session.netid: None}:
            link = None if netid is None else self._links.get(netid)
            if netid is None or link is None:
                continue
            for handover in sent:
                link.remove(handover)
            was_up = link.session is session
            if was_up:
                link.session = next((one for one in self._up if one.netid == netid), None)
            elif session.client and session.expected == netid:
                link.connecting = False
            if link.session is not None:
                self._context.effects.append(SessionReady(link.session))
            elif link.connecting:
                pass
            elif was_up and link.outbox:
                self.connect(netid)
            else:
                unsent += self._drop(netid)
        return sent, unsent

    def failed(self, netid: NetID) -> list[Handover]:
        """A connection could not be opened: what waited for it."""
        link = self._links.get(netid)
        if link is None:
            return []
        link.connecting = False
        return [] if link.session is not None else self._drop(netid)

    def bytes_for(self, session: Session, now: float) -> bytes:
        """The next bytes of a connection; empty if it has nothing to send."""
        if session.has_handshake_bytes:
            return session.handshake_bytes()
        if not session.proven or session.netid is None:
            return b""
        if session.client and not session.spoke:
            # Alone and small: until it has proven us the other side takes no large frame.
            session.spoke = True
            return session.seal([])
        exchange = session.exchange
        records: list[Record] = []
        if session in self._unpaid and self._accepting():
            del self._unpaid[session]
            grant = exchange.grant(
                self._context.appetite.window_bytes(session, LEAST_WINDOW_BYTES, WINDOW_BYTES, now)
            )
            if grant is not None:
                records.append(grant)
        used = 0
        due = session in self._answering and exchange.ack_at <= now
        if due:
            records += exchange.answers(now, _FRAME_RECORDS_BYTES)
            self._schedule(session)
            used = sum(one.size_bound() + RECORD_HEAD_BYTES for one in records)
        link = self._links.get(session.netid)
        # Many answers go alone: beside data there may be no room for them as long as data comes.
        if link is not None and link.session is session and used <= _SPARE_BYTES:
            credit = exchange.credit
            batch = link.outbox.take(_FRAME_RECORDS_BYTES, credit)
            if batch is not None:
                records += batch.records
                exchange.sent(batch.handovers, batch.charge, now)
                for handover in exchange.forgotten():
                    link.remove(handover)
                    self._context.counts["handovers_forgotten"] += 1
                link.blocked_at = now if link.outbox.has_data else None
        if records and not due and session in self._answering:
            # What goes out anyway takes them along, as many as there is room for.
            used = sum(one.size_bound() + RECORD_HEAD_BYTES for one in records)
            records += exchange.answers(now, _FRAME_RECORDS_BYTES + _SPARE_BYTES - used)
            self._schedule(session)
        if not records:
            return b""
        session.used_at = now
        session.more = (link is not None and bool(link.outbox)) or exchange.ack_at <= now
        return session.seal(records)

    def sessions(self) -> Iterator[Session]:
        """The connections there are."""
        return iter(tuple(self._sessions))

    def close(self, netid: NetID) -> None:
        """End the connections with a peer that is gone."""
        for session in self._sessions:
            if session.netid == netid:
                self._context.effects.append(Disconnect(session))

    def close_life(self, netid: NetID, life: bytes) -> None:
        """End the connections with a life that another has replaced."""
        for session in self._sessions:
            if session.netid == netid and session.life == life:
                self._context.effects.append(Disconnect(session))

    def close_idle(self, now: float) -> None:
        """End the connections we opened that carried nothing lately."""
        for session in self._sessions:
            if session.client and now - session.used_at > IDLE_AFTER_S:
                self._context.effects.append(Disconnect(session))

    # What the other side says about what we handed over

    def heard(self, session: Session, now: float) -> None:
        """A frame came on a connection: its peer lives."""
        netid = session.netid
        link = None if netid is None else self._links.get(netid)
        if netid is not None and link is not None and link.open:
            if link.silent_since is None:  # it was given up, and is back
                self._waiting[netid] = link
                self._wake_by(now + link.patience_s)
            link.silent_since = now

    def acknowledged(self, session: Session, ack: Ack, now: float) -> list[Handover]:
        """The handovers that are done with this answer."""
        assert session.netid is not None
        link = self._links.get(session.netid)
        newest = session.exchange.open.get(ack.taken)
        done = list(session.exchange.acknowledged(ack))
        if link is not None:
            if newest is not None:
                took_s = now - newest.sent_at
                if not newest.gossip.distribution:  # it may have waited so long on purpose
                    took_s = max(0.0, took_s - LEAF_ACK_DELAY_S)
                link.answer_s += (took_s - link.answer_s) / 8 if link.answer_s else took_s
            for handover in done:
                link.remove(handover)
                if handover.transfer is not None:  # it had it already, and needs no more of it
                    link.outbox.drop_transfer(handover.gossip.id)
            if not link.open:
                link.silent_since = None
        return done

    def granted(self, session: Session, credit: SessionCredit) -> None:
        """The other side lets us go further."""
        if credit.limit > session.exchange.limit:
            session.exchange.limit = credit.limit
            self._context.effects.append(SessionReady(session))

    def silent(self, now: float) -> list[tuple[NetID, list[Handover]]]:
        """The heads that owe a sign of life for too long, and what they ought to have served.

        They keep what they have: only their branches are to be planned around.
        """
        found: list[tuple[NetID, list[Handover]]] = []
        for netid, link in list(self._waiting.items()):
            if link.silent_since is None:
                del self._waiting[netid]
            elif link.silent_since + link.patience_s <= now:  # as the wakeup is reckoned
                session = link.session
                if session is not None and not session.exchange.open and self._moves(link, now):
                    # All that it was sent is done: it owes nothing, and we wait for its credit.
                    link.silent_since = now
                    continue
                link.silent_since = None
                link.patience = min(16.0, link.patience * 2)
                del self._waiting[netid]
                branches = [one for one in link.open if one.gossip.distribution]
                found.append((netid, branches))
        return found

    # What we answer

    def answer_soon(self, session: Session) -> None:
        """There is something to answer on this connection."""
        if session in self._sessions:
            self._answering[session] = None
            self._wake_by(session.exchange.ack_at)

    def taken_in(self, session: Session, charge: int) -> None:
        """Gossips and chunks came on a connection."""
        session.exchange.taken_in(charge)
        self.note_taken_in(session, charge)

    def note_taken_in(self, session: Session, charge: int) -> None:
        """See to what follows from what the exchange has already reckoned."""
        self._context.appetite.bytes += charge
        if session.exchange.owes_credit:
            self._unpaid[session] = None
            if self._accepting():
                self._context.effects.append(SessionReady(session))

    def pay(self) -> None:
        """Grant what is owed, if we can take in more."""
        if not self._unpaid or not self._accepting():
            return
        for session in self._unpaid:
            self._context.effects.append(SessionReady(session))

    def tick(self, now: float) -> None:
        """Answer where that is due."""
        for session in list(self._answering):
            at = session.exchange.ack_at
            if at <= now:
                self._context.effects.append(SessionReady(session))
            elif at == float("inf"):
                del self._answering[session]
        self._plan_wakeup(now)

    def next_wakeup(self) -> float:
        """When something is due: an answer of ours, or a sign of life of a peer."""
        return self._wakeup

    # How much waits

    def room(self, now: float) -> int:
        """Bytes of our own broadcasts that the fullest queue still takes.

        A peer that has taken nothing for a while is not waited for; its queue overflows alone.
        """
        rooms = [link.outbox.room() for link in self._links.values() if self._moves(link, now)]
        return min(rooms, default=MAX_OUTBOX_BYTES // 2)

    def crowded(self, now: float) -> bool:
        """Whether what we relay could soon find no room with a peer that takes something."""
        return any(link.outbox.crowded and self._moves(link, now) for link in self._links.values())

    def pending(self, now: float) -> bool:
        """Whether anything waits to be sent to peers that take something."""
        return any(link.outbox and self._moves(link, now) for link in self._links.values())

    @property
    def has_data(self) -> bool:
        """Whether gossips or chunks wait to be sent to anybody."""
        return any(link.outbox.has_data for link in self._links.values())

    # Details

    def _moves(self, link: Link, now: float) -> bool:
        blocked_at = link.blocked_at
        return blocked_at is None or now - blocked_at < self._context.config.slow_after_s

    def _link(self, netid: NetID) -> Link | None:
        link = self._links.get(netid)
        if link is None:
            if len(self._links) >= MAX_LINKS:
                return None
            link = self._links[netid] = Link()
        return link

    def _drop(self, netid: NetID) -> list[Handover]:
        link = self._links.pop(netid)
        self._waiting.pop(netid, None)
        return link.outbox.drain()[1]

    def _wake(self, netid: NetID, link: Link) -> None:
        if link.session is not None:
            self._context.effects.append(SessionReady(link.session))
        else:
            self.connect(netid)

    def _wake_by(self, at: float) -> None:
        if at < self._wakeup:
            self._wakeup = at
            self._context.wake(at)

    def _schedule(self, session: Session) -> None:
        if session.exchange.ack_at == float("inf"):
            del self._answering[session]
        else:
            self._wake_by(session.exchange.ack_at)

    def _plan_wakeup(self, now: float) -> None:
        # Those that are due are with the shell, which fetches them when there is room.
        due = (session.exchange.ack_at for session in self._answering)
        answers = (at for at in due if at > now)
        silences = (
            link.silent_since + link.patience_s
            for link in self._waiting.values()
            if link.silent_since is not None
        )
        self._wakeup = min(min(answers, default=float("inf")), min(silences, default=float("inf")))
