"""First in, first out for one origin: what came early waits for what is missing before it.

A numbered broadcast goes to an ordered handler once all numbers up to its own are settled, a
targeted one once all numbers are that its origin had given out when it was sent. What comes
below one that went already is not dispatched at all: a gap says so.
"""

from __future__ import annotations

import heapq

from chatter.core.effects import Deliver, Gap
from chatter.core.numbers import Numbers
from chatter.wire.gossip import Gossip

# Held back for all origins together: two of the largest messages there may be. More would make
# one lost datagram of a fast origin cost more memory than the store it is repaired from.
MAX_HELD_BYTES = 64 * 1024 * 1024

# What an entry costs besides its payload: the effect, the gossip, the place in the heap.
_ENTRY_BYTES = 700


class Held:
    """Bytes that all orders of a node hold back."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


class Order:
    """What waits for its turn in one life of an origin."""

    __slots__ = ("_all", "_held", "_released")

    def __init__(self, held: Held) -> None:
        self._all = held
        self._held: list[tuple[int, int, Deliver]] = []
        self._released = 0  # the highest seqno that went

    def __len__(self) -> int:
        return len(self._held)

    @property
    def waiting(self) -> bool:
        """Whether something waits for its turn."""
        return bool(self._held)

    def went(self, seqno: int) -> None:
        """One that comes next in every respect goes to an ordered handler, while nothing waits."""
        self._released = seqno

    def admit(self, deliver: Deliver, numbers: Numbers) -> list[Deliver | Gap]:
        """What may go to handlers now that this came, in order, and the gaps before it.

        Its numbers have to be noted before. A targeted broadcast waits for those before it, but
        nothing waits for it, as nobody can know that it is missing: one that was overtaken is
        dispatched as it comes.
        """
        burst = deliver.gossip
        first = burst.id.seqno
        in_order = burst.number > 0 and burst.last_number <= numbers.floor
        if in_order and first > self._released and not self._held:  # nothing waits: usual
            self._released = first + burst.many - 1
            return [deliver]
        effects: list[Deliver | Gap] = []
        for gossip in burst.gossips():
            # All before any is let go: their numbers are noted, so one lets go what follows them.
            effects += self._place(gossip, deliver._replace(gossip=gossip), numbers)
        effects += self.release(numbers.floor)
        origin, epoch, _ = burst.id
        while self._held and self._all.bytes > MAX_HELD_BYTES:
            given_up = numbers.give_up(self._held[0][0], unfinished=True)
            effects += [Gap(origin, epoch, first, last) for first, last in given_up]
            effects += self.release(numbers.floor)
        return effects

    def _place(self, gossip: Gossip, deliver: Deliver, numbers: Numbers) -> list[Deliver | Gap]:
        """Keep one until it is let go, unless it comes too late for that."""
        origin, epoch, seqno = gossip.id
        if seqno < self._released:
            if not gossip.number:
                return [deliver]
            return [Gap(origin, epoch, gossip.number, gossip.number, gossip.tag)]
        threshold = gossip.number or gossip.after
        if threshold > numbers.top:
            numbers.name(threshold)
        # While nothing tells what before it is ours, there is nothing to wait for.
        self.hold(threshold if numbers.known else 0, seqno, deliver)
        return []

    def hold(self, threshold: int, seqno: int, deliver: Deliver) -> None:
        """Keep a delivery until all numbers up to ``threshold`` are settled."""
        heapq.heappush(self._held, (threshold, seqno, deliver))
        self._all.bytes += len(deliver.gossip.payload) + _ENTRY_BYTES

    def release(self, floor: int) -> list[Deliver]:
        """Those whose turn it is, given up to where all numbers are settled."""
        released: list[Deliver] = []
        held = self._held
        while held and held[0][0] <= floor:
            _, self._released, deliver = heapq.heappop(held)
            self._all.bytes -= len(deliver.gossip.payload) + _ENTRY_BYTES
            released.append(deliver)
        return released

    def drop(self) -> None:
        """Forget what waits, when its origin is forgotten."""
        for _, _, deliver in self._held:
            self._all.bytes -= len(deliver.gossip.payload) + _ENTRY_BYTES
        self._held.clear()
