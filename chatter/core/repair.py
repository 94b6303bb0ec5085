"""Repair by number: what is missing of broadcasts to everyone is asked for, from who may have it.

A hole in an origin's numbers, or a number that somebody names, is a loss to make good: after a
short random wait, as many lose the same and one answer by multicast serves them all; first from who
handed us the stream, then from the origin, then from others. What nobody answers for
``repair_timeout_s`` is told as a gap.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from chatter.core.answers import Answers
from chatter.core.asker import Asker
from chatter.core.context import Context
from chatter.core.effects import Gap
from chatter.core.numbers import Ranges
from chatter.core.origins import OriginLife, Origins
from chatter.core.store import Store
from chatter.core.wants import ANSWER_NUMBERS, QUIET_S, Wants
from chatter.ids import NetID
from chatter.wire.burst import Broadcasts
from chatter.wire.records import Highest, Record, Top, WantNumbers

# Datagrams on their way through two sockets overtake each other by so much.
REORDER_S = 0.005

# ... and bursts on their way through two trees by so much: heads change, and new connections have
# to be opened. What they lose with a head its parent makes good, which takes as long.
OVERTAKEN_S = 0.3

# The round trip of a busy local network, as nothing is measured yet; and how far the first
# questions of n receivers are spread, so that one answer comes before most of them are asked.
RTT_GUESS_S = 0.005
SPREAD_S_PER_PEER = 0.0001

# Streams served in one tick; the rest is due again at once. Each is a question, of some 10 us.
MAX_STREAMS_PER_TICK = 256

# How the questions for ``since`` are spread, as all that start together ask the same origins.
SINCE_SPREAD_S = 0.5
SINCE_SPREAD_S_PER_PEER = 0.002
SINCE_TRIES = 6

# Origins named in a beacon: eight fit beside the rest of the smallest datagram.
MAX_TOPS = 8


class Repair:
    """Finds what is missing and has it sent again; and sends again what others miss.

    Args:
        send: queues a record for a peer; False if there is no room.
        multicast: sends broadcasts to the segment of these askers; False if it cannot reach them.
        answer: sends broadcasts to one asker; False if there is no room.
        ask_since: asks an origin from where on its numbers are ours; False if it could not be.
    """

    def __init__(
        self,
        context: Context,
        origins: Origins,
        store: Store,
        send: Callable[[NetID, Record], bool],
        multicast: Callable[[Broadcasts, Sequence[NetID]], bool],
        answer: Callable[[NetID, Broadcasts], bool],
        ask_since: Callable[[NetID, float], bool],
    ) -> None:
        self._context = context
        self._origins = origins
        self._asker = Asker(context, send)
        self._ask_since = ask_since
        self._answers = Answers(context.counts, store, multicast, answer)
        self._due: list[tuple[float, int, Wants]] = []
        self._scheduled = 0
        self._own: OriginLife | None = None
        self._told: dict[tuple[NetID, int], tuple[int, NetID]] = {}
        """How far those have come that flow, and who told so: taken up when they flow no more."""
        self._told_at = float("inf")

    # What comes

    def received(self, life: OriginLife, number: int, sender: NetID, now: float) -> bool:
        """A first copy with a number came.

        The caller then lets an ordered delivery be admitted, or has ``life.order`` release what
        this number held up.

        Returns:
            False if it was given up before: a gap has said that it will not be dispatched.
        """
        numbers = life.numbers
        life.source = sender
        life.moved(now)
        before = numbers.top
        new = numbers.note(number)
        if number != before + 1 and new:
            if number > before:
                self._found(life, now)
            elif life.wants is not None:
                self._arrived(life.wants, number, now)
        if numbers.lost:
            self._lose(life, [])
        return new

    def told_highest(self, origin: NetID, epoch: int, number: int, by: NetID, now: float) -> None:
        """A peer says how far an origin has come, as it does again and again.

        While bursts of that origin reach us by connections it tells nothing yet: those behind are
        on their way. To ask for all of them would be a second flood.
        """
        life = self._origins.get(origin, epoch)
        if life is None or now >= life.flows_until:
            self.named(origin, epoch, number, by, now)
        elif number > life.numbers.top:
            self._told[origin, epoch] = (max(number, self._told.get((origin, epoch), (0,))[0]), by)
            self._told_at = min(self._told_at, life.flows_until)
            self._context.wake(self._told_at)

    def named(self, origin: NetID, epoch: int, number: int, by: NetID, now: float) -> None:
        """A peer says that this number of an origin exists."""
        if origin == self._context.local:
            return
        life = self._origins.get(origin, epoch)
        if life is None:
            peer = self._context.peers.get(origin)
            if peer is not None and peer.epoch > epoch:
                return  # a former life, of which we have nothing
            life = self._origins.open(origin, epoch)
        numbers = life.numbers
        if life.source is None:
            life.source = by  # who names it most likely has it
        if numbers.name(number):
            life.named_at = now
            if numbers.needs_since:
                self._need_since(life, now)
        self._found(life, now)
        if numbers.lost:
            self._lose(life, [])

    def told_since(self, origin: NetID, epoch: int, since: int, now: float) -> None:
        """An origin says at what number it admitted us: nothing at or below is ours."""
        if origin == self._context.local:
            return
        life = self._origins.open(origin, epoch)
        life.numbers.tell_since(since)
        life.wants = None  # the asks were for other stretches
        self._found(life, now)
        self._lose(life, [])

    def note_own(self, first: int, last: int, now: float) -> None:
        """We sent broadcasts to everyone with these numbers, which others may ask us for."""
        epoch = self._context.identity.epoch
        own = self._own
        if own is None or own.epoch != epoch:
            own = self._own = self._origins.open(self._context.local, epoch)
        numbers = own.numbers
        if first == numbers.top + 1 and numbers.known:
            numbers.top = last  # of our own none is missing
        else:
            for number in range(first, last + 1):
                numbers.note(number)
        own.moved(now)

    def wanted(self, sender: NetID, record: WantNumbers, now: float) -> None:
        """A peer asks for numbers: send those that we have, as many as one answer may hold."""
        self._answers.wanted(sender, record, now)

    def highest(self, now: float) -> Highest | None:
        """The highest numbers of our own stream and of those last active; None if none is."""
        since = now - self._context.config.store_age_s
        own = self._own
        active = [
            life
            for life in self._origins
            if life.named_at >= since and life.numbers.top and life is not own
        ]
        active = heapq.nlargest(MAX_TOPS, active, key=lambda life: life.named_at)
        if own is not None and own.named_at >= since:
            active = [own, *active[: MAX_TOPS - 1]]
        if not active:
            return None
        return Highest(tuple(Top(one.origin, one.epoch, one.numbers.top) for one in active))

    # Time

    def tick(self, now: float) -> None:
        """Ask for what is due, and give up what nobody answers."""
        if now >= self._told_at:
            self._told_at = float("inf")
            told, self._told = self._told, {}
            for (origin, epoch), (number, by) in told.items():
                self.told_highest(origin, epoch, number, by, now)
        for _ in range(MAX_STREAMS_PER_TICK):
            if not self._due or self._due[0][0] > now:
                return
            at, _, wants = heapq.heappop(self._due)
            if wants.at == at and wants.life.wants is wants:
                wants.at = float("inf")
                self._serve(wants, now)

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        while self._due:
            at, _, wants = self._due[0]
            if wants.at == at and wants.life.wants is wants:
                return min(at, self._told_at)
            heapq.heappop(self._due)  # it was moved forward, or all of it came
        return self._told_at

    # What is missing

    def _found(self, life: OriginLife, now: float) -> None:
        """Have what is missing of a stream asked for, if something is."""
        if not life.numbers.last_missing:
            return
        wants = life.wants
        if wants is None:
            wants = life.wants = Wants(life)
        asks = len(wants.asks)
        wants.cover(now + self._first_wait_s(life, now), now)
        if len(wants.asks) > asks:
            self._schedule(wants, wants.asks[-1].at)

    def _need_since(self, life: OriginLife, now: float) -> None:
        if life.wants is None:
            life.wants = Wants(life)
            spread_s = SINCE_SPREAD_S_PER_PEER * len(self._context.peers)
            wait_s = self._context.rng.uniform(0.0, max(SINCE_SPREAD_S, spread_s))
            self._schedule(life.wants, now + wait_s)

    def _arrived(self, wants: Wants, number: int, now: float) -> None:
        ask = wants.arrived(number, now)
        if ask is None:
            return
        numbers = wants.life.numbers
        if ask.answers >= ANSWER_NUMBERS or not numbers.is_missing(0, ask.upto):
            ask.at = now  # the answer is complete: the next one may go at once
        elif ask.answers == 1:
            ask.at = min(ask.at, now + QUIET_S)
        else:
            return
        self._schedule(wants, ask.at)

    def _first_wait_s(self, life: OriginLife, now: float) -> float:
        spread_s = max(RTT_GUESS_S, SPREAD_S_PER_PEER * len(self._context.peers))
        least_s = REORDER_S
        if now < life.flows_until:  # and still long before it is given up
            least_s = min(OVERTAKEN_S, self._context.config.repair_timeout_s / 4)
        return least_s + self._context.rng.uniform(0.0, spread_s)

    def _schedule(self, wants: Wants, at: float) -> None:
        if at < wants.at:
            wants.at = at
            self._context.wake(at)
            self._scheduled += 1
            heapq.heappush(self._due, (at, self._scheduled, wants))

    def _serve(self, wants: Wants, now: float) -> None:
        life = wants.life
        if self._origins.get(life.origin, life.epoch) is not life:
            life.wants = None  # forgotten for others: what was missing will not be asked for
            self._lose(life, life.numbers.give_up(life.numbers.top, unfinished=True))
            return
        if life.numbers.needs_since:
            self._serve_since(wants, now)
            return
        self._give_up(wants, now)
        wants.prune()
        below = 0
        for ask in wants.asks:
            if ask.at <= now:
                self._asker.serve(life, ask, below, now)
            below = ask.upto
        if life.numbers.last_missing:
            wants.cover(now, now)  # it waited for its turn: no need to wait for others as well
            front = wants.asks[0]
            at = min(ask.at for ask in wants.asks)
            if front.tries:
                at = min(at, front.progress_at + self._context.config.repair_timeout_s)
            self._schedule(wants, at)
        else:
            life.wants = None

    def _serve_since(self, wants: Wants, now: float) -> None:
        life = wants.life
        peer = self._context.peers.get(life.origin)
        superseded = peer is not None and peer.epoch > life.epoch
        if wants.since_tries >= SINCE_TRIES or superseded:
            life.wants = None  # a higher name begins anew
            return
        wants.since_tries += 1
        if self._ask_since(life.origin, now):
            self._context.counts["since_asked"] += 1
        pause_s = SINCE_SPREAD_S * 2**wants.since_tries
        self._schedule(wants, now + pause_s * self._context.rng.uniform(0.75, 1.25))

    # What is lost

    def _give_up(self, wants: Wants, now: float) -> None:
        """Report what was asked for in vain, lowest first."""
        life = wants.life
        timeout_s = self._context.config.repair_timeout_s
        given_up: Ranges = []
        for ask in wants.asks:
            if not ask.tries or now < ask.progress_at + timeout_s:
                break
            given_up += life.numbers.give_up(ask.upto)
            ask.progress_at = now  # for what is left of it: that is being assembled
        if given_up:
            self._lose(life, given_up)

    def _lose(self, life: OriginLife, ranges: Ranges) -> None:
        """Tell that numbers will not come, and let go what waited for them."""
        ranges = _merged([*life.numbers.lost, *ranges])
        life.numbers.lost = []
        context = self._context
        for first, last in ranges:
            context.counts["numbers_lost"] += last - first + 1
            context.effects.append(Gap(life.origin, life.epoch, first, last))
        if life.order is not None:
            context.effects.extend(life.order.release(life.numbers.floor))


def _merged(ranges: Ranges) -> Ranges:
    merged: Ranges = []
    for first, last in ranges:
        if merged and merged[-1][1] + 1 == first:
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged
