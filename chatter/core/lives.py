"""When our life ends and another begins, and what goes with it; and others in our name."""

from __future__ import annotations

from collections.abc import Callable

from chatter.core.contact import Contacts
from chatter.core.context import Context
from chatter.core.effects import Disconnect, Trouble
from chatter.core.identity import Identity
from chatter.core.links import Links
from chatter.core.membership import Membership
from chatter.ids import NetID, make_life


class Lives:
    """The lives of one node, one after the other.

    Args:
        count_anew: called when our broadcasts count from 1 again.
    """

    def __init__(
        self,
        context: Context,
        contacts: Contacts,
        links: Links,
        membership: Membership,
        count_anew: Callable[[], None],
    ) -> None:
        self._context = context
        self._contacts = contacts
        self._links = links
        self._membership = membership
        self._count_anew = count_anew

    def begin_anew(self, above: int) -> None:
        """Others know a newer life of our address, or this one is used up: begin another.

        Connections belong to a life, so they end; the next broadcast has an epoch above any known.
        """
        context = self._context
        life = make_life(0, context.random_bytes(10), above=above)
        context.identity = Identity(context.identity.ring, life)
        self._contacts.renew()
        self._count_anew()
        for peer in context.peers:
            peer.since = 0
        context.counts["lives_drawn"] += 1
        for session in self._links.sessions():
            context.effects.append(Disconnect(session))
        # Who heard the former life has to hear of the new one first.
        self._membership.reintroduce()

    def warn_of_clash(self, netid: NetID) -> None:
        """Two nodes seem to use one address."""
        self._context.counts["address_clashes"] += 1
        self._context.effects.append(
            Trouble(
                f"two nodes use the address {netid}, or the clock of one went back: give each"
                " node an address of its own"
            )
        )
