"""What is delivered, to its handlers: at once, or when a slow one has its turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from chatter.core.effects import Deliver
from chatter.core.handlers import Message, SerializerDB, decode_message, encode_message
from chatter.errors import FrameError
from chatter.ids import BroadcastID
from chatter.testing.clock import Clock
from chatter.testing.worker import Worker
from chatter.wire.gossip import Gossip


class Delivery(NamedTuple):
    """One dispatch of a broadcast."""

    id: BroadcastID
    message: Message
    at: float
    """Virtual seconds."""


class Dispatch:
    """The handlers of one process.

    Args:
        keeps: whether the process is stopped; then the call is made when it goes on.
        transformed: told what became of a held broadcast.
        note_full: told whether some queue is too full, when that changes.
    """

    def __init__(
        self,
        clock: Clock,
        handlers: SerializerDB,
        keeps: Callable[[Callable[[], Any]], bool],
        transformed: Callable[[BroadcastID, bytes | None], None],
        note_full: Callable[[bool], None],
    ) -> None:
        self.inbox: list[Delivery] = []
        """What was dispatched, in order."""
        self.undispatched = 0
        """Broadcasts without a handler, or whose payload is damaged."""
        self._clock = clock
        self._handlers = handlers
        self._keeps = keeps
        self._transformed = transformed
        self._note_full = note_full
        self._takes_s: dict[str, float] = {}
        self._workers: dict[str, Worker] = {}

    def takes(self, tag: str, seconds: float) -> None:
        """Let the handler of a tag take so long until it is done."""
        self._takes_s[tag] = seconds

    def add_queue(self, tag: str, takes_s: float, full_at: int) -> Worker:
        """Give the handler of a tag a worker of its own."""
        worker = Worker(self._clock, takes_s, full_at, self._keeps, self._note)
        self._workers[tag] = worker
        return worker

    def queued(self) -> int:
        """How many messages wait."""
        return sum(map(len, self._workers.values()))

    def clear(self) -> None:
        """Forget what waits, as the process has ended."""
        for worker in self._workers.values():
            worker.clear()

    def deliver(self, deliver: Deliver) -> None:
        """Dispatch broadcasts, or queue them for their handler."""
        for one in deliver.gossip.gossips():
            self._deliver(deliver._replace(gossip=one), one)

    def _note(self) -> None:
        self._note_full(any(worker.full for worker in self._workers.values()))

    def _deliver(self, deliver: Deliver, gossip: Gossip) -> None:
        worker = self._workers.get(gossip.tag)
        if worker is None:
            self._dispatch(deliver, gossip)
        else:
            worker.put(lambda: self._dispatch(deliver, gossip))

    def _dispatch(self, deliver: Deliver, gossip: Gossip) -> None:
        handler = self._handlers.dispatcher(gossip.tag)
        if handler is None:
            self.undispatched += 1
            return
        try:
            body = decode_message(handler, gossip.codec, gossip.payload)
        except (FrameError, ValueError, RecursionError):  # the last two are JSON's
            self.undispatched += 1
            if deliver.held:
                self._transformed(gossip.id, None)
            return
        message = Message(
            gossip.tag,
            body,
            gossip.codec,
            gossip.id.origin,
            gossip.id.epoch,
            gossip.id.seqno,
            deliver.sender,
            deliver.via,
            gossip.hop,
        )
        self.inbox.append(Delivery(gossip.id, message, self._clock.now))
        answer = handler.dispatch(body, message) if handler.with_message else handler.dispatch(body)
        if not deliver.held:
            return
        payload = None if answer is None else encode_message(handler, gossip.tag, answer)[1]
        takes_s = self._takes_s.get(gossip.tag, 0.0)
        self._clock.after(takes_s, lambda: self._transformed(gossip.id, payload))
