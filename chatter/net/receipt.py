"""Receipt: what became of a broadcast."""

from __future__ import annotations

import contextlib
import functools
import time

from gevent.event import Event

from chatter.core.effects import Edge, Outcome
from chatter.errors import Closed, ReceiptUnavailable
from chatter.ids import BroadcastID, NetID
from chatter.net.threads import HubCalls


class Receipt:
    """What a broadcast was sent as, to how many, and, if it was confirmed, who got it.

    It is settled when everybody has answered, when the time for that is over, or when the node
    stops. Before that, as for ever without ``confirm=True``, nobody can say who got it.

    Args:
        targets: whom the broadcast is meant for.
        calls: takes a waiting thread to the node's hub; None for a broadcast that isn't confirmed.
    """

    # A publisher gets one of these for each of 100,000 broadcasts a second, and mostly throws it
    # away: so it is small, and what waiting takes is made by ``wait``.
    __slots__ = (
        "__weakref__",
        "_begun_at",
        "_calls",
        "_elapsed_s",
        "_outcome",
        "_settled",
        "_targets",
        "id",
    )

    def __init__(
        self, broadcast: BroadcastID, targets: tuple[NetID, ...], calls: HubCalls | None = None
    ) -> None:
        self.id = broadcast
        self._targets = targets
        self._calls = calls
        self._outcome: Outcome | None = None
        if calls is not None:
            self._begun_at = time.monotonic()
            self._elapsed_s = 0.0
            self._settled = Event()

    @property
    def recipients(self) -> int:
        """How many peers it is meant for; 0 is no error, there may just be nobody yet."""
        return len(self._targets)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is settled; whether it is, and nobody is missing.

        Blocks the calling greenlet or thread. In a handler that holds up this handler alone, so
        there it is allowed, but what comes for it meanwhile queues up.

        Args:
            timeout: seconds to wait here, which changes nothing about when it is settled; None
                waits for as long as that takes.

        Raises:
            ReceiptUnavailable: the broadcast was not confirmed.
        """
        calls = self._confirmed()
        if self._outcome is None:
            # A node that stops settles its receipts first, then it refuses such calls.
            with contextlib.suppress(Closed):
                calls.run(functools.partial(self._settled.wait, timeout))
        return self._outcome is not None and not self._outcome.missing

    @property
    def settled(self) -> bool:
        """Whether everybody answered or the time is over: then the rest can be read."""
        self._confirmed()
        return self._outcome is not None

    @property
    def delivered(self) -> tuple[NetID, ...]:
        """Who answered that it accepted the broadcast."""
        return self._told().delivered

    @property
    def missing(self) -> tuple[NetID, ...]:
        """Who is not known to have it. It may have it all the same: its answer may be lost."""
        return self._told().missing

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Who served whom, in which hop and how, and after how long that one answered."""
        return self._told().edges

    @property
    def elapsed_s(self) -> float:
        """Seconds from the broadcast to the last answer, or to the end of the waiting for it."""
        self._told()
        return self._elapsed_s

    def settle(self, outcome: Outcome) -> None:
        """The node's last word about a confirmed broadcast; what comes after the first is ignored.

        Only for the node, in its hub's thread.
        """
        if self._outcome is None:
            self._elapsed_s = time.monotonic() - self._begun_at
            self._outcome = outcome
            self._settled.set()

    def give_up(self) -> None:
        """The node stops: nobody will answer any more. Only for the node, like ``settle``."""
        self.settle(Outcome((), self._targets, ()))

    def __repr__(self) -> str:
        if self._calls is None:
            state = "not confirmed"
        elif self._outcome is None:
            state = "not settled"
        else:
            state = (
                f"{len(self._outcome.delivered)} delivered, {len(self._outcome.missing)} missing"
            )
        return f"<Receipt of {self.id}, recipients: {self.recipients}, {state}>"

    def _confirmed(self) -> HubCalls:
        if self._calls is None:
            raise ReceiptUnavailable(
                "this broadcast was not confirmed, so nobody reports who got it: broadcast with"
                " confirm=True"
            )
        return self._calls

    def _told(self) -> Outcome:
        self._confirmed()
        if self._outcome is None:
            raise ReceiptUnavailable("this receipt is not settled yet: call wait() first")
        return self._outcome
