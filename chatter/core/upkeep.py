"""What is done now and then, and has no time of its own."""

from __future__ import annotations

from chatter.core.contact import Contacts
from chatter.core.context import Context
from chatter.core.duties import Duties
from chatter.core.links import Links
from chatter.core.membership import NEWCOMER_S
from chatter.core.peers import Peer
from chatter.core.store import Store

# How often what may be done a little late is done.
SWEEP_S = 0.25

# Datagrams without an answer before a peer is asked on a connection: one or two may be lost.
SILENT_AFTER = 2


class Upkeep:
    """Forgets what is too old, and asks how far away peers are."""

    def __init__(
        self, context: Context, contacts: Contacts, links: Links, store: Store, duties: Duties
    ) -> None:
        self._context = context
        self._contacts = contacts
        self._links = links
        self._store = store
        self._duties = duties
        self._started_at = 0.0
        self._swept_at = float("-inf")

    def start(self, now: float) -> None:
        """The node begins to speak."""
        self._started_at = now

    def sweep(self, now: float) -> None:
        """Do it, if it was not done just now."""
        if now - self._swept_at < SWEEP_S:
            return
        self._swept_at = now
        if self._context.young and now - self._started_at > NEWCOMER_S:
            self._context.young = False
        self._store.expire(now)
        self._duties.tick(now)
        self._measure(now)

    def _measure(self, now: float) -> None:
        """Ask some whom branches may have to reach, to know how far away they are.

        As often as there is something else to do, which is with each beacon.
        """
        peers = self._context.peers
        for asked in self._context.timing.next_to_ask(
            (peer.netid for peer in peers if peer.live and not peer.hears), now
        ):
            peer = peers.get(asked)
            if peer is not None and peer.live:
                self._ask_how_far(peer, now)

    def _ask_how_far(self, peer: Peer, now: float) -> None:
        netid = peer.netid
        silent = self._context.timing.unanswered(netid) > SILENT_AFTER
        if peer.udp_heard or not (silent or self._links.warm(netid)):
            self._contacts.challenge(netid, peer.life, now)
            return
        # Where no datagrams pass, a connection tells as well how far away its other end is.
        question = self._contacts.question(netid, peer.life, now)
        if question is not None:
            self._links.send(netid, question)
