"""What a node does with a burst: what it would do with its broadcasts one by one, in fewer steps.

Mostly all of it is new, and then it is taken, kept, passed on and dispatched as one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from chatter.core.context import Context
from chatter.core.delivering import Delivering
from chatter.core.duplicates import Verdict
from chatter.core.effects import Deliver
from chatter.core.origins import OriginLife, Origins
from chatter.core.passing import Parent, Passing
from chatter.core.repair import Repair
from chatter.core.session import Session
from chatter.core.store import Store
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Broadcasts, Burst
from chatter.wire.gossip import Gossip

ReceiveOne = Callable[[Gossip, NetID, Parent | None, tuple[NetID, ...], str, float], None]


class Bursts:
    """Takes bursts.

    Args:
        receive_one: takes a broadcast of one, where each goes its own way.
    """

    def __init__(
        self,
        context: Context,
        origins: Origins,
        store: Store,
        repair: Repair,
        passing: Passing,
        delivering: Delivering,
        receive_one: ReceiveOne,
    ) -> None:
        self._context = context
        self._origins = origins
        self._store = store
        self._repair = repair
        self._passing = passing
        self._delivering = delivering
        self._receive_one = receive_one

    def receive(self, burst: Burst, sender: NetID, session: Session | None, now: float) -> None:
        """Take a burst: pass it on whole, dispatch what of it is new."""
        parent, serve = self._passing.asked(burst, sender, session, now)
        counts = self._context.counts
        if serve and self._passing.holds(burst.tag):
            # Each travels on by itself, when its handler had it. For that we answer from now on.
            for gossip in burst.gossips():
                self._receive_one(gossip, sender, None, serve, "tcp", now)  # who else asks us to
            self._passing.done(parent, burst, now)
            return
        counts["gossip_received"] += burst.many
        if burst.id.origin == self._context.local:
            counts["gossip_own"] += burst.many
            self._passing.done(parent, burst, now)
            return
        life = self._origins.open(burst.id.origin, burst.id.epoch)
        first, many = burst.id.seqno, burst.many
        alone = burst._replace(distribution=()) if burst.distribution else burst
        wanted: list[Broadcasts] = [alone]
        if session is not None and burst.number > life.numbers.top:
            life.flows(now)
        if life.takes_next(first, burst.number, many, sender, now):
            self._store.add_burst(alone, now)
        else:
            fresh = self._fresh(life, alone)
            wanted = [part for one in fresh for part in self._wanted(life, one, sender, now)]
        self._passing.pass_on(burst, sender, parent, serve, now)
        via = "multicast" if session is None else "tcp"
        for part in wanted:
            self._delivering.deliver(life, Deliver(part, sender, via, False), part.many, now)

    def _fresh(self, life: OriginLife, burst: Burst) -> list[Broadcasts]:
        """What of a burst was not here yet."""
        seqno = burst.id.seqno
        counts = self._context.counts
        new: list[bool] = []
        for one in range(seqno, seqno + burst.many):
            verdict = life.window.take(one)
            new.append(verdict is Verdict.NEW)
            if verdict is not Verdict.NEW:
                counts["too_late" if verdict is Verdict.TOO_LATE else "duplicates"] += 1
        return _where(burst, new)

    def _wanted(
        self, life: OriginLife, fresh: Broadcasts, sender: NetID, now: float
    ) -> list[Broadcasts]:
        """What of this is to be dispatched, not what was given up already; all of it is kept."""
        if isinstance(fresh, Burst):
            self._store.add_burst(fresh, now)
        else:
            self._store.add(fresh, now)
        wanted = [
            self._repair.received(life, number, sender, now)
            for number in range(fresh.number, fresh.last_number + 1)
        ]
        origin, epoch, seqno = fresh.id
        for position, one in enumerate(wanted):
            if not one:
                self._origins.note_too_late(BroadcastID(origin, epoch, seqno + position))
        return _where(fresh, wanted)


def _where(broadcasts: Broadcasts, yes: Sequence[bool]) -> list[Broadcasts]:
    """The stretches of a burst for which it is so."""
    if all(yes):
        return [broadcasts]
    if isinstance(broadcasts, Gossip):
        return []
    spans: list[tuple[int, int]] = []
    start = 0
    for so, group in groupby(yes):
        stop = start + len(list(group))
        if so:
            spans.append((start, stop))
        start = stop
    return broadcasts.stretches(spans)
