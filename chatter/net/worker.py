"""One greenlet per handler, with a bounded queue: a slow or failing one holds up nobody else."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from gevent import Greenlet, Timeout, sleep
from gevent.hub import get_hub

from chatter.core.effects import Deliver, Gap
from chatter.core.handlers import (
    BUILT_IN,
    TABLE_BYTES,
    Message,
    MessageHandler,
    body_decoder,
    decode_message,
    encode_message,
)
from chatter.ids import BroadcastID
from chatter.net.inbox import Inbox
from chatter.net.reading import BurstReading
from chatter.wire.burst import Burst
from chatter.wire.gossip import NO_NETIDS, Gossip

# Messages in a row before other greenlets get a turn, so that the sockets are emptied meanwhile.
BATCH = 64

# What cannot be decoded or fails its handler may come ten thousand times a second, and must not
# fill the log: a traceback of each kind a second shows what is wrong, and how often it was.
COMPLAINT_INTERVAL_S = 1.0

_make = tuple.__new__

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
        self._hub = get_hub()
        self._parked = False
        """Whether the greenlet waits for a message."""
        self._dropped = 0
        self._done = 0
        self._reading: BurstReading | None = None
        self._left: Iterator[Any] | None = None
        self._decoders: dict[str, Callable[[bytes], Any] | None] = {}
        self._complaints: dict[str, _Complaint] = {}
        self._told_at = float("-inf")
        self._ended = False
        self.greenlet = Greenlet(self._run)

    def put(self, delivery: Deliver) -> None:
        """Queue a message, or drop and count it if the handler is too far behind."""
        if not self._inbox.put(delivery):
            self._drop(delivery)
        elif self._parked:
            self._unpark()
        if self._inbox.full is not self._pressed:
            self._press()

    def take_at_once(self, delivery: Deliver, gossip: Gossip) -> bool:
        """Dispatch a message now, if the handler is idle. Only the hub may call it.

        This returns when the handler is done or waits for something, as a switch to any greenlet.
        """
        if not self._parked or self._inbox.queue:
            return False
        self._parked = False
        self.greenlet.switch((delivery, gossip))
        return True

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
        self._parked = False
        self.greenlet = Greenlet(self._run)
        return self.greenlet

    def end(self) -> None:
        """Dispatch nothing more. For a handler that stops its own node, which cannot be killed."""
        self._ended = True
        self._reading = None
        for _ in self._left or ():  # it may be in the middle of them
            pass
        self._inbox.clear()
        if self._parked:
            self._unpark()

    def _press(self) -> None:
        self._pressed = self._inbox.full
        self._owner.pressed()

    def _drop(self, delivery: Deliver) -> None:
        first = not self._dropped
        self._counts["dropped_handler_behind"] += delivery.gossip.many
        self._dropped += delivery.gossip.many
        if first:
            self._owner.logger.warning(
                "the handler of %r is %d messages behind; what comes now is dropped until it has"
                " caught up, so do less in it or hand the work on",
                self._handler.tag,
                len(self._inbox),
            )
            self._owner.pressed()
        if delivery.held:
            self._owner.transformed(delivery.gossip.id, None)

    def _note_taken(self) -> None:
        """Less waits than before."""
        if self._inbox.full is not self._pressed:
            self._press()
        if self._dropped and not self._inbox.behind:
            self._caught_up()

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
            if not inbox.queue and self._reading is None:
                at_once = self._park()
                if at_once is not None:
                    self._handle(*at_once)
                    continue
            if self._reading is not None or self._left is not None:
                self._read_on()  # a GreenletExit of the handler's own came in the middle of a burst
            while inbox.queue:
                delivery = inbox.take()
                if inbox.full is not self._pressed or self._dropped:
                    self._note_taken()
                gossip = delivery.gossip
                if isinstance(gossip, Burst):
                    self._reading = BurstReading(
                        self._handler, delivery, gossip, self._note_undecodable
                    )
                    self._read_on()
                else:
                    self._handle(delivery, gossip)
                    self._done += 1
                    if self._done >= BATCH:
                        self._take_turns(0)

    def _park(self) -> tuple[Deliver, Gossip] | None:
        """Wait for a message, which is in the inbox then unless it is returned.

        An Event does the same in three times as many steps.
        """
        self._parked = True
        try:
            return self._hub.switch() or None  # a switch without a word gives an empty tuple
        finally:
            self._parked = False

    def _unpark(self) -> None:
        self._parked = False
        self._hub.loop.run_callback(self.greenlet.switch)

    def _take_turns(self, done: int) -> None:
        self._done += done
        if self._done >= BATCH:
            self._done = 0
            sleep(0)

    def _read_on(self) -> None:
        """Dispatch what is left of the burst that is being read."""
        self._dispatch_all()
        while (reading := self._reading) is not None:
            done = reading.handed
            self._left = reading.next(BATCH)
            if self._left is None:
                self._reading = None
            if done:
                # Its bytes are one piece, which is here until the last of it was dispatched.
                self._inbox.done(done, 0 if self._reading else reading.size)
                if self._inbox.full is not self._pressed or self._dropped:
                    self._note_taken()
            self._take_turns(self._dispatch_all())

    def _dispatch_all(self) -> int:
        """Dispatch the messages that were decoded together, and how many these were."""
        left = self._left
        if left is None:
            return 0
        function, with_message = self._handler.dispatch, self._handler.with_message
        done = 0
        try:
            while True:
                try:
                    if with_message:
                        for message in left:
                            done += 1
                            function(message[1], message)
                    else:
                        for body in left:
                            done += 1
                            function(body)
                    return done
                except (Exception, Timeout):
                    self._counts["handler_errors"] += 1
                    self._complain("the handler of %r failed", self._handler.tag)
        finally:
            # Before and after make no difference to the network: they were dispatched, once.
            self._counts["dispatched"] += done

    def _note_undecodable(self, tag: str) -> None:
        self._counts["undecodable"] += 1
        self._complain("a message with tag %r cannot be decoded", tag)

    def _handle(self, delivery: Deliver, gossip: Gossip) -> None:
        """Decode a message and dispatch it: in one piece, as each call costs a lone one much."""
        handler = self._handler
        _, sender, via, held = delivery
        broadcast, tag, codec, payload, _, hop, *_ = gossip
        new_payload: bytes | None = None
        try:
            if payload[:TABLE_BYTES] == NO_NETIDS:
                decode = self._decoder(codec)
                body = payload[TABLE_BYTES:] if decode is None else decode(payload[TABLE_BYTES:])
            else:
                body = decode_message(handler, codec, payload)
        except (Exception, Timeout):
            self._note_undecodable(tag)
        else:
            try:
                if handler.with_message:
                    name = codec if codec in BUILT_IN else "own"
                    fields = (tag, body, name, *broadcast, sender, via, hop)
                    result = handler.dispatch(body, _make(Message, fields))
                else:
                    result = handler.dispatch(body)
                if held and result is not None:
                    new_payload = encode_message(handler, tag, result)[1]
            except (Exception, Timeout):  # a Timeout that nobody caught is a failure too
                self._counts["handler_errors"] += 1
                self._complain("the handler of %r failed", tag)
            finally:
                # Before and after make no difference to the network: it was dispatched, once.
                self._counts["dispatched"] += 1
        if held:
            self._owner.transformed(broadcast, new_payload)

    def _decoder(self, codec: str) -> Callable[[bytes], Any] | None:
        try:
            return self._decoders[codec]
        except KeyError:
            decode = self._decoders[codec] = body_decoder(self._handler, codec)
            return decode

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
