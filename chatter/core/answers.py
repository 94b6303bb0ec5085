"""Answers those who miss numbers: from the store, and by multicast where two miss the same."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence

from chatter.core.store import ENTRY_BYTES, Store
from chatter.core.wants import ANSWER_NUMBERS, MAX_RANGES
from chatter.ids import BroadcastID, NetID
from chatter.wire.gossip import Gossip
from chatter.wire.records import WantNumbers

# Two who ask for the same within so long most likely lost the same datagram, as others did.
TOGETHER_S = 0.01

# One answer, so that a peer which asks for everything does not get all of our queue. One message
# always fits, whatever its size.
ANSWER_BYTES = 1024 * 1024

# Questions remembered for so long: what a hundred answers are made of. Above it each is answered.
MAX_RECENT = 100 * ANSWER_NUMBERS


class Answers:
    """What others asked for lately, and what they are sent."""

    def __init__(
        self,
        counts: Counter[str],
        store: Store,
        multicast: Callable[[Gossip, Sequence[NetID]], bool],
        answer: Callable[[NetID, Gossip], bool],
    ) -> None:
        self._counts = counts
        self._store = store
        self._multicast = multicast
        self._answer = answer
        self._recent: OrderedDict[BroadcastID, tuple[float, NetID | None]] = OrderedDict()

    def wanted(self, sender: NetID, record: WantNumbers, now: float) -> None:
        """A peer asks for numbers: send those that we have, as many as one answer may hold."""
        self._forget(now)
        held = self._store.held(
            record.origin, record.epoch, list(record.ranges[:MAX_RANGES]), ANSWER_NUMBERS
        )
        if not held:
            self._counts["numbers_unanswered"] += 1
        room = ANSWER_BYTES
        for gossip in held:
            cost = len(gossip.payload) + ENTRY_BYTES
            if cost > room < ANSWER_BYTES:
                return
            sent = self._send(sender, gossip, now)
            if sent is None:
                return  # no room in his queue: he asks for the rest again
            if sent:
                room -= cost

    def _send(self, sender: NetID, gossip: Gossip, now: float) -> bool | None:
        """Whether something was sent; None if there is no room for it."""
        broadcast = gossip.id
        recent = self._recent.get(broadcast)
        if recent is not None:
            _, first = recent
            if first is None or first == sender:
                return False  # it is on its way to him
            if self._multicast(gossip, (sender,)):
                self._note(broadcast, None, now)
                self._counts["numbers_multicast"] += 1
                return True
        if not self._answer(sender, gossip):
            return None
        if recent is None:
            self._note(broadcast, sender, now)
        self._counts["numbers_answered"] += 1
        return True

    def _note(self, broadcast: BroadcastID, first: NetID | None, now: float) -> None:
        self._recent.pop(broadcast, None)
        if len(self._recent) < MAX_RECENT:
            self._recent[broadcast] = (now, first)

    def _forget(self, now: float) -> None:
        while self._recent:
            broadcast, (at, _) = next(iter(self._recent.items()))
            if now - at < TOGETHER_S:
                return
            del self._recent[broadcast]
