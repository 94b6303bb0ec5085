"""One greenlet per handler, with a bounded queue: a slow or failing one holds up nobody else."""

from __future__ import annotations

import logging
import time
from typing import Any, Protocol

from gevent import Greenlet, Timeout, sleep
from gevent.event import Event

from chatter.core.effects import Deliver, Gap
from chatter.core.handlers import (
    BUILT_IN,
    Message,
    MessageHandler,
    decode_message,
    encode_message,
)
from chatter.ids import BroadcastID
from chatter.net.inbox import Inbox

# Messages in a row before other greenlets get a turn, so that the sockets are emptied meanwhile.
BATCH = 64

# What cannot be decoded or fails its handler may come ten thousand times a second, and must not
# fill the log: a traceback of each kind a second shows what is wrong, and how often it was.
COMPLAINT_INTERVAL_S = 1.0

# While a handler is behind: how often it is told which numbers were dropped, so that ranges grow.
TELL_INTERVAL_S = 1.0


class Owner(Protocol):
    """Whom a worker tells what its handler did."""

    counts: dict[str, int]
    logger: logging.Logger

    def transformed(self, broadcast: BroadcastID, payload: bytes | None) -> None:
        """What became of a held broadcast: its new payload, or None to go on as it came."""

    def pressed(self) -> None:
        """A queue became full or is no longer, or messages were dropped."""

    def lost(self, gap: Gap) -> None:
        """These numbers were dropped."""


class _Complaint:
    """When something was last logged, and how often it happened since."""

    __slots__ = ("at", "unsaid")

    def __init__(self) -> None:
        self.at = float("-inf")
        self.unsaid = 0


class HandlerWorker:
    """Decodes and dispatches the messages of one handler.

    Args:
        slow_s: for how long its queue may be full until messages are dropped.
    """

    def __init__(self, handler: MessageHandler, owner: Owner, slow_s: float) -> None:
        self._handler = handler
        self._owner = owner
        self._counts = owner.counts
        self._inbox = Inbox(slow_s)
        self._pressed = False
        self._wake = Event()
        self._dropped = 0
        self._complaints: dict[str, _Complaint] = {}
        self._told_at = float("-inf")
        self._ended = False
        self.greenlet = Greenlet(self._run)

    def put(self, delivery: Deliver) -> None:
        """Queue a message, or drop and count it if the handler is too far behind."""
        if not self._inbox.put(delivery):
            self._drop(delivery)
        elif not self._wake.is_set():
            self._wake.set()
        if self._inbox.full is not self._pressed:
            self._press()

    def check(self, now: float) -> None:
        """Do what is due: see whether the handler is too slow, tell what was dropped."""
        inbox = self._inbox
        inbox.check(now)
        if inbox.full is not self._pressed:
            self._press()
        if inbox.dropped and now - self._told_at >= TELL_INTERVAL_S:
            self._told_at = now
            self._tell_dropped()

    @property
    def full(self) -> bool:
        """Whether the senders are to be held back."""
        return self._inbox.full

    @property
    def strained(self) -> bool:
        """Whether ``check`` has to be called again."""
        return self._inbox.full or self._inbox.behind

    @property
    def queued(self) -> int:
        """How many messages wait."""
        return len(self._inbox)

    def revive(self) -> Greenlet[..., Any]:
        """A new greenlet, for one that ended before its time; what waits is kept."""
        self.greenlet = Greenlet(self._run)
        self._wake.set()
        return self.greenlet

    def end(self) -> None:
        """Dispatch nothing more. For a handler that stops its own node, which cannot be killed."""
        self._ended = True
        self._inbox.clear()
        self._wake.set()

    def _press(self) -> None:
        self._pressed = self._inbox.full
        self._owner.pressed()

    def _drop(self, delivery: Deliver) -> None:
        self._counts["dropped_handler_behind"] += 1
        self._dropped += 1
        if self._dropped == 1:
            self._owner.logger.warning(
                "the handler of %r is %d messages behind; what comes now is dropped until it has"
                " caught up, so do less in it or hand the work on",
                self._handler.tag,
                len(self._inbox),
            )
            self._owner.pressed()
        if delivery.held:
            self._owner.transformed(delivery.gossip.id, None)

    def _caught_up(self) -> None:
        self._owner.logger.info(
            "the handler of %r has caught up; %d messages were dropped",
            self._handler.tag,
            self._dropped,
        )
        self._dropped = 0
        self._tell_dropped()

    def _tell_dropped(self) -> None:
        for gap in self._inbox.dropped.take(self._handler.tag):
            self._owner.lost(gap)

    def _run(self) -> None:
        inbox = self._inbox
        while not self._ended:
            self._wake.wait()
            self._wake.clear()
            done = 0
            while inbox:
                delivery = inbox.take()
                if inbox.full is not self._pressed:
                    self._press()
                if self._dropped and not inbox.behind:
                    self._caught_up()
                self._handle(delivery)
                done += 1
                if done % BATCH == 0:
                    sleep(0)

    def _handle(self, delivery: Deliver) -> None:
        gossip = delivery.gossip
        new_payload: bytes | None = None
        try:
            body = decode_message(self._handler, gossip.codec, gossip.payload)
        except (Exception, Timeout):
            self._counts["undecodable"] += 1
            self._complain("a message with tag %r cannot be decoded", gossip.tag)
        else:
            new_payload = self._dispatch(delivery, body)
        if delivery.held:
            self._owner.transformed(gossip.id, new_payload)

    def _complain(self, what: str, tag: str) -> None:
        """Log the exception that is being handled, unless one was logged just now."""
        complaint = self._complaints.setdefault(what, _Complaint())
        now = time.monotonic()
        if now - complaint.at < COMPLAINT_INTERVAL_S:
            complaint.unsaid += 1
            return
        if complaint.unsaid:
            what += f", and {complaint.unsaid} times more since this was last logged"
        complaint.at, complaint.unsaid = now, 0
        self._owner.logger.exception(what, tag)

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
            self._complain("the handler of %r failed", handler.tag)
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
