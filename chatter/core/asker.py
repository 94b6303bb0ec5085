"""Sends one ask: what is left of the present turn, or all of it to the next who may have it."""

from __future__ import annotations

from collections.abc import Callable

from chatter.core.context import Context
from chatter.core.numbers import Ranges
from chatter.core.origins import OriginLife
from chatter.core.peers import Peer
from chatter.core.wants import ANSWER_NUMBERS, MAX_RANGES, QUIET_S, Ask
from chatter.ids import NetID
from chatter.wire.records import Record, WantNumbers

# Live peers of which the best is taken to ask: enough that one of our own segment is among them.
_SAMPLE = 8

# How often to look at a stream in which all that is missing is being assembled.
_UNFINISHED_PAUSE_S = 1.0


class Asker:
    """Whom to ask, for what, and how long to wait for it.

    Args:
        send: queues a record for a peer; False if there is no room.
    """

    def __init__(self, context: Context, send: Callable[[NetID, Record], bool]) -> None:
        self._context = context
        self._send = send

    def serve(self, life: OriginLife, ask: Ask, below: int, now: float) -> None:
        """Send an ask, or send it again: for what is left of this turn, or to the next in turn."""
        if ask.answers and ask.answers < ANSWER_NUMBERS and now < ask.progress_at + QUIET_S:
            ask.at = ask.progress_at + QUIET_S
            return
        numbers = life.numbers
        ranges: Ranges = []
        if ask.answers:
            ranges = numbers.missing(MAX_RANGES, max(below, ask.cursor), ask.upto)
        if not ranges or ask.peer is None:
            ask.cursor = 0
            ask.tries += 1
            ranges = numbers.missing(MAX_RANGES, below, ask.upto)
            ask.peer = self._whom(life, ask, now)
        ask.answers = 0
        if not ranges:
            ask.at = now + _UNFINISHED_PAUSE_S
            return
        ask.at = now + ask.pause_s() * self._context.rng.uniform(0.75, 1.25)
        if ask.peer is not None:
            wanted = WantNumbers(life.origin, life.epoch, tuple(ranges))
            if self._send(ask.peer, wanted):
                self._context.counts["numbers_asked"] += 1

    def _whom(self, life: OriginLife, ask: Ask, now: float) -> NetID | None:
        """Who shall be asked: the source, then the origin, then anybody."""
        peers = self._context.peers
        if ask.tries == 1 and life.source is not None:
            peer = peers.get(life.source)
            if peer is not None and peer.live:
                return life.source
            ask.tries = 2
        if ask.tries <= 2 and ask.peer != life.origin:
            peer = peers.get(life.origin)
            if peer is not None and peer.live and peer.epoch == life.epoch:
                return life.origin
        others = [peer for peer in peers.live() if peer.netid != ask.peer]
        if not others:
            return ask.peer
        rng = self._context.rng
        sample = rng.sample(others, min(_SAMPLE, len(others)))

        def worth(peer: Peer) -> tuple[bool, bool]:
            return peer.doubtful_until <= now, bool(peer.hears and peer.heard)

        return max(sample, key=worth).netid
