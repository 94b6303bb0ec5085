"""Connections that only say who is at their ends, for tests of what uses them."""

from __future__ import annotations

from typing import cast

from chatter.core.exchange import Exchange
from chatter.core.links import Links
from chatter.core.session import Session, State
from chatter.ids import NetID
from chatter.wire.records import Record
from tests.core.parts import life


class FakeSession:
    """A connection that only says who is at its ends, and keeps what it seals."""

    def __init__(self, netid: NetID | None, expected: NetID | None = None) -> None:
        self.netid = netid
        self.expected = expected
        self.client = expected is not None
        self.life = life(2)
        self.state = State.EXPECT_HELLO
        self.used_at = 0.0
        self.spoke = True
        self.has_handshake_bytes = False
        self.exchange = Exchange()
        self.sealed: list[Record] = []

    @property
    def proven(self) -> bool:
        return self.state is State.PROVEN

    def seal(self, records: list[Record]) -> bytes:
        self.sealed += records
        return b"sealed"

    def close(self) -> None:
        self.state = State.CLOSED


def bring_up(links: Links, netid: NetID | None, expected: NetID | None = None) -> Session:
    """A connection that is up."""
    session = cast(Session, FakeSession(netid, expected))
    links.opened(session, 0.0)
    session.state = State.PROVEN
    links.up(session, 0.0)
    return session


def fetch(links: Links, session: Session, now: float = 1.0) -> list[Record]:
    """All that a connection has to send, taken out."""
    fake = cast(FakeSession, session)
    while links.bytes_for(session, now):
        pass
    sealed, fake.sealed = fake.sealed, []
    return sealed
