"""Tail notices: after a multicast that nothing follows, the segment is told the highest numbers.

Whoever missed the last one of a burst learns of it by the next one, if there is one soon; else by
this, and no later than by the beacon. Where an origin keeps a pace the notice waits for its next
broadcast, and whoever multicasts that one has to see to its tail: so a steady stream has none.
"""

from __future__ import annotations

from collections.abc import Callable

from chatter.core.channels import MulticastChannels
from chatter.core.context import Context
from chatter.core.origins import OriginLife, Origins
from chatter.core.pace import MOST_ROUNDS
from chatter.wire.burst import Broadcasts
from chatter.wire.records import Highest

# The first notice comes so long after the last broadcast, further ones at twice the pause each.
FIRST_NOTICE_S = 0.02

# With a steady pace, the notice waits for two of its pauses, at most so long.
LONGEST_WAIT_S = 0.5

# Origins whose tails are seen to at a time, on each channel. A notice names fewer; the beacons see
# to the others.
MAX_TAILS = 64

_NEVER = float("inf")


class _Tail:
    """The last broadcast of one origin that went out by one channel."""

    __slots__ = ("due_at", "number", "pause_s")

    def __init__(self, number: int, pause_s: float, now: float) -> None:
        self.number = number
        self.pause_s = pause_s
        self.due_at = now + pause_s


class Notices:
    """When each of our channels has to be told the highest numbers.

    Args:
        highest: what to tell; None if there is nothing.
    """

    def __init__(
        self,
        context: Context,
        channels: MulticastChannels,
        origins: Origins,
        highest: Callable[[float], Highest | None],
    ) -> None:
        self._context = context
        self._channels = channels
        self._origins = origins
        self._highest = highest
        self._tails: list[dict[OriginLife, _Tail]] = [{} for _ in channels]
        self._wakeup = _NEVER

    def sent(self, channel: int, gossip: Broadcasts, now: float) -> None:
        """A broadcast went out by this channel. Hot: once for each."""
        number = gossip.last_number
        life = self._origins.get(gossip.id.origin, gossip.id.epoch) if number else None
        if life is None:
            return  # to some: each of them answers for itself
        pause_s = min(LONGEST_WAIT_S, max(FIRST_NOTICE_S, 2 * life.pace_s))
        tails = self._tails[channel]
        tail = tails.get(life)
        if tail is None:
            if len(tails) >= MAX_TAILS:
                return
            tail = tails[life] = _Tail(number, pause_s, now)
        else:
            tail.number, tail.pause_s, tail.due_at = number, pause_s, now + pause_s
        if tail.due_at < self._wakeup:
            self._wakeup = tail.due_at
            self._context.wake(tail.due_at)

    def tick(self, now: float) -> None:
        """Tell those channels whose time it is."""
        if now < self._wakeup:
            return
        self._wakeup = _NEVER
        for channel, tails in enumerate(self._tails):
            if self._due(tails, now) and not self._channels[channel].outbox.has_data:
                highest = self._highest(now)
                if highest is not None:
                    self._channels[channel].put(highest)
                    self._context.counts["tail_notices"] += 1
            for tail in tails.values():
                self._wakeup = min(self._wakeup, tail.due_at)

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        return self._wakeup

    def _due(self, tails: dict[OriginLife, _Tail], now: float) -> bool:
        """Whether one of these tails is due; sees to when it will be again."""
        due = False
        for life, tail in list(tails.items()):
            if tail.due_at > now:
                continue
            if life.numbers.top > tail.number:
                del tails[life]  # somebody multicast a later one, and sees to that
                continue
            due = True
            tail.pause_s *= 2
            tail.due_at = now + tail.pause_s
            if tail.pause_s > MOST_ROUNDS * self._context.config.beacon_interval_s:
                del tails[life]  # from then on it is the beacon that tells
        return due
