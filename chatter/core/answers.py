"""Answers those who miss numbers: from the store, and by multicast where two miss the same."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence

from chatter.core.store import ENTRY_BYTES, Store
from chatter.core.wants import ANSWER_NUMBERS, MAX_RANGES
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Broadcasts
from chatter.wire.records import WantNumbers

# Two who ask for the same within so long most likely lost the same datagram, as others did.
TOGETHER_S = 0.01

# One answer, so that a peer which asks for everything does not get all of our queue. One message
# always fits, whatever its size.
ANSWER_BYTES = 1024 * 1024

# Questions remembered for so long: what a hundred answers are made of. Above it each is answered.
MAX_RECENT = 100 * ANSWER_NUMBERS

# The first broadcast of an answer, and how many it has. Who lost the same datagram asks for the
# same, so it gets the same.
_Key = tuple[BroadcastID, int]


class Answers:
    """What others asked for lately, and what they are sent."""

    def __init__(
        self,
        counts: Counter[str],
        store: Store,
        multicast: Callable[[Broadcasts, Sequence[NetID]], bool],
        answer: Callable[[NetID, Broadcasts], bool],
    ) -> None:
        self._counts = counts
        self._store = store
        self._multicast = multicast
        self._answer = answer
        self._recent: OrderedDict[_Key, tuple[float, NetID | None]] = OrderedDict()

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

    def _send(self, sender: NetID, gossip: Broadcasts, now: float) -> bool | None:
        """Whether something was sent; None if there is no room for it."""
        key = gossip.id, gossip.many
        recent = self._recent.get(key)
        if recent is not None:
            _, first = recent
            if first is None or first == sender:
                return False  # it is on its way to him
            if self._multicast(gossip, (sender,)):
                self._note(key, None, now)
                self._counts["numbers_multicast"] += gossip.many
                return True
        if not self._answer(sender, gossip):
            return None
        if recent is None:
            self._note(key, sender, now)
        self._counts["numbers_answered"] += gossip.many
        return True

    def _note(self, key: _Key, first: NetID | None, now: float) -> None:
        self._recent.pop(key, None)
        if len(self._recent) < MAX_RECENT:
            self._recent[key] = (now, first)

    def _forget(self, now: float) -> None:
        while self._recent:
            key, (at, _) = next(iter(self._recent.items()))
            if now - at < TOGETHER_S:
                return
            del self._recent[key]
