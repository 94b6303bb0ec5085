"""One greenlet per handler, with a bounded queue: a slow or failing one holds up nobody else."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, MutableMapping

from gevent import Greenlet, Timeout, sleep
from gevent.event import Event

from chatter.core.effects import Deliver
from chatter.core.handlers import (
    BUILT_IN,
    Message,
    MessageHandler,
    decode_message,
    encode_message,
)
from chatter.ids import BroadcastID

# A handler so far behind will not catch up soon; what comes then is dropped and counted.
MAX_QUEUED_MESSAGES = 65536
MAX_QUEUED_BYTES = 64 * 1024 * 1024

# Messages in a row before other greenlets get a turn, so that the sockets are emptied meanwhile.
BATCH = 64

# Messages that cannot be decoded come from the network, so they must not fill the log.
COMPLAINT_INTERVAL_S = 1.0

Transformed = Callable[[BroadcastID, bytes | None], None]


class HandlerWorker:
    """Decodes and dispatches the messages of one handler.

    Args:
        transformed: told what became of a held broadcast.
        counts: where to count.
    """

    def __init__(
        self,
        handler: MessageHandler,
        transformed: Transformed,
        counts: MutableMapping[str, int],
        logger: logging.Logger,
    ) -> None:
        self._handler = handler
        self._transformed = transformed
        self._counts = counts
        self._logger = logger
        self._queue: deque[Deliver] = deque()
        self._queued_bytes = 0
        self._wake = Event()
        self._warned = False
        self._complained_at = float("-inf")
        self._ended = False
        self.greenlet = Greenlet(self._run)

    def put(self, delivery: Deliver) -> None:
        """Queue a message, or drop and count it if the handler is too far behind."""
        size = len(delivery.gossip.payload)
        if len(self._queue) >= MAX_QUEUED_MESSAGES or self._queued_bytes + size > MAX_QUEUED_BYTES:
            self._counts["dropped_handler_behind"] += 1
            if not self._warned:
                self._warned = True
                self._logger.warning(
                    "the handler of %r is %d messages behind; what comes now is dropped, so do less"
                    " in it or hand the work on",
                    self._handler.tag,
                    len(self._queue),
                )
            if delivery.held:
                self._transformed(delivery.gossip.id, None)
            return
        self._queue.append(delivery)
        self._queued_bytes += size
        self._wake.set()

    def end(self) -> None:
        """Dispatch nothing more. For a handler that stops its own node, which cannot be killed."""
        self._ended = True
        self._queue.clear()
        self._wake.set()

    @property
    def queued(self) -> int:
        """How many messages wait."""
        return len(self._queue)

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait()
            self._wake.clear()
            done = 0
            while self._queue:
                delivery = self._queue.popleft()
                self._queued_bytes -= len(delivery.gossip.payload)
                self._handle(delivery)
                done += 1
                if done % BATCH == 0:
                    sleep(0)
            self._warned = False

    def _handle(self, delivery: Deliver) -> None:
        gossip = delivery.gossip
        new_payload: bytes | None = None
        try:
            body = decode_message(self._handler, gossip.codec, gossip.payload)
        except (Exception, Timeout):
            self._counts["undecodable"] += 1
            now = time.monotonic()
            if now - self._complained_at >= COMPLAINT_INTERVAL_S:
                self._complained_at = now
                self._logger.exception("a message with tag %r cannot be decoded", gossip.tag)
        else:
            new_payload = self._dispatch(delivery, body)
        if delivery.held:
            self._transformed(gossip.id, new_payload)

    def _dispatch(self, delivery: Deliver, body: object) -> bytes | None:
        handler, gossip = self._handler, delivery.gossip
        try:
            if handler.with_message:
                message = message_of(delivery, body)
                result = handler.dispatch(body, message)
            else:
                result = handler.dispatch(body)
            if delivery.held and result is not None:
                return encode_message(handler, gossip.tag, result)[1]
        except (Exception, Timeout):  # a Timeout that nobody caught is no Exception, but a failure
            self._counts["handler_errors"] += 1
            self._logger.exception("the handler of %r failed", handler.tag)
            return None
        finally:
            # Before and after make no difference to the network: it was dispatched, once.
            self._counts["dispatched"] += 1
        return None


def message_of(delivery: Deliver, body: object) -> Message:
    """What a handler is told about a delivery."""
    gossip, sender, via, _ = delivery
    origin, epoch, seqno = gossip.id
    codec = gossip.codec if gossip.codec in BUILT_IN else "own"
    return Message(gossip.tag, body, codec, origin, epoch, seqno, sender, via, gossip.hop)
