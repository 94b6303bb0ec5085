"""What goes to one peer over TCP: a queue, and the connection that empties it, if one is up.

A connection serves both ways whoever opened it. With nothing up, the first record asks the shell to
connect; what a failed connection leaves behind goes back to whoever can find another way.
"""

from __future__ import annotations

from collections.abc import Iterator

from chatter.core.context import Context
from chatter.core.effects import Connect, Disconnect, SessionReady
from chatter.core.outbox import Outbox
from chatter.core.session import Session
from chatter.ids import NetID
from chatter.wire.frame import MAX_ROUTING_BYTES
from chatter.wire.records import Record

# What may wait for one peer: some eighty of the largest messages, so a connection that stalls for
# a moment loses nothing, and one that stalls for good holds little memory.
MAX_OUTBOX_BYTES = 4 * 1024 * 1024

# A peer that takes nothing for so long holds up no sender any more.
STALLED_AFTER_S = 1.0

# A connection that carried nothing for so long is closed by who opened it.
IDLE_AFTER_S = 60.0

# Peers with a queue or a connection at a time. A tree asks for log n of them; above it others are
# served by heads that are up, until idle ones have ended.
MAX_LINKS = 4096

# Room for the frame's own table counts besides the records.
_FRAME_RECORDS_BYTES = MAX_ROUTING_BYTES - 16


class Link:
    """The way to one peer."""

    __slots__ = ("connecting", "moved_at", "outbox", "session", "waiting")

    def __init__(self) -> None:
        self.waiting = False
        """Whether something was handed to the connection that it has not come back from."""
        self.moved_at = float("-inf")
        """When something was last handed to it."""
        self.outbox = Outbox(MAX_OUTBOX_BYTES)
        self.session: Session | None = None
        self.connecting = False


class Links:
    """The ways to all peers that are spoken to over TCP."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._links: dict[NetID, Link] = {}
        self._sessions: dict[Session, None] = {}
        self._up: dict[Session, None] = {}

    def warm(self, netid: NetID) -> bool:
        """Whether a proven connection to this peer is up."""
        link = self._links.get(netid)
        return link is not None and link.session is not None

    def send(self, netid: NetID, record: Record) -> bool:
        """Queue a record; False if the peer's queue is full, and then nothing changed."""
        link = self._links.get(netid)
        if link is None:
            if len(self._links) >= MAX_LINKS:
                return False
            link = self._links[netid] = Link()
        if not link.outbox.put(record):
            return False
        if link.session is not None:
            self._context.effects.append(SessionReady(link.session))
        else:
            self.connect(netid)
        return True

    def connect(self, netid: NetID) -> None:
        """Have a connection opened, unless one is up or being opened."""
        link = self._links.setdefault(netid, Link())
        if link.session is None and not link.connecting:
            link.connecting = True
            self._context.effects.append(Connect(netid))

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
        if session.expected is not None and session.expected != session.netid:
            # Another name answered for the address we called; what was queued is for this one.
            called = self._links.get(session.expected)
            if called is not None and called.session is None:
                del self._links[session.expected]
                for record in called.outbox.drain():
                    link.outbox.put(record)
        self._context.effects.append(SessionReady(session))

    def down(self, session: Session) -> list[tuple[NetID, list[Record]]]:
        """A connection ended: whom it leaves without any, and what was to go there.

        Nothing is left over when another connection to that peer is up or being opened, or when
        this one worked until now: then it is opened once more for what still waits.
        """
        session.close()
        self._sessions.pop(session, None)
        self._up.pop(session, None)
        left: list[tuple[NetID, list[Record]]] = []
        # Who answered may be another than who was called; then both were waiting for this one.
        for netid in {session.expected: None, session.netid: None}:
            link = None if netid is None else self._links.get(netid)
            if netid is None or link is None:
                continue
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
                del self._links[netid]
                left.append((netid, link.outbox.drain()))
        return left

    def failed(self, netid: NetID) -> list[Record]:
        """A connection could not be opened: what waited for it."""
        link = self._links.get(netid)
        if link is None:
            return []
        link.connecting = False
        if link.session is not None:
            return []
        del self._links[netid]
        return link.outbox.drain()

    def bytes_for(self, session: Session, now: float) -> bytes:
        """The next bytes of a connection; empty if it has nothing to send."""
        if session.has_handshake_bytes:
            return session.handshake_bytes()
        if not session.proven or session.netid is None:
            return b""
        link = self._links.get(session.netid)
        if link is None or link.session is not session:
            return b""
        if session.client and not session.spoke:
            # Alone and small: until it has proven us the other side takes no large frame.
            session.spoke = True
            return session.seal([])
        records = link.outbox.take(_FRAME_RECORDS_BYTES)
        link.waiting = bool(records)
        link.moved_at = now
        if not records:
            return b""
        session.used_at = now
        return session.seal(records)

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

    def sessions(self) -> Iterator[Session]:
        """The connections there are."""
        return iter(tuple(self._sessions))

    def room(self, now: float) -> int:
        """Bytes that the fullest queue of a peer still takes, among the peers that take any.

        One that has taken nothing for a while is not waited for; its queue overflows alone.
        """
        rooms = (
            link.outbox.room()
            for link in self._links.values()
            if not link.waiting or now - link.moved_at < STALLED_AFTER_S
        )
        return min(rooms, default=MAX_OUTBOX_BYTES)

    def pending(self) -> bool:
        """Whether anything waits to be sent."""
        return any(link.outbox for link in self._links.values())
