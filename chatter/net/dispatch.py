"""Each delivery to the worker of its handler; and what their queues mean for the rest of the node.

Handlers differ, the network is one: when any queue is too full the senders are held back, and when
a handler stays slow it pays for that alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gevent import Greenlet, getcurrent, sleep
from gevent.event import Event

from chatter.core.effects import Deliver, Gap
from chatter.core.handlers import SerializerDB
from chatter.ids import BroadcastID
from chatter.net.shell import Shell
from chatter.net.worker import HandlerWorker
from chatter.wire.gossip import Gossip

# While some queue is too full: how often to look whether it has been for too long.
LOOK_EVERY_S = 0.1


class Dispatch:
    """The workers of a node's handlers.

    Args:
        start: starts a greenlet that ends with the node.
        lost: told of each range of numbers that was dropped.
    """

    def __init__(
        self,
        shell: Shell,
        handlers: SerializerDB,
        start: Callable[[Greenlet[..., Any]], None],
        lost: Callable[[Gap], None],
    ) -> None:
        self.counts = shell.node.counts
        self.logger = shell.logger
        self.lost = lost
        self._shell = shell
        self._handlers = handlers
        self._start = start
        self._workers: dict[str, HandlerWorker] = {}
        self._full = False
        self._strained = Event()

    def deliver(self, delivery: Deliver) -> None:
        """Queue it for its handler. Never waits."""
        handler = self._handlers.dispatcher(delivery.gossip.tag)
        if handler is None:
            self.counts["unknown_tag"] += delivery.gossip.many
            return
        worker = self._workers.get(handler.tag)
        if worker is None:
            slow_s = self._shell.config.slow_handler_s
            worker = self._workers[handler.tag] = HandlerWorker(handler, self, slow_s)
            self._start(worker.greenlet)
        elif worker.greenlet.dead:  # ended by a GreenletExit of the handler's own
            self._start(worker.revive())
        worker.put(delivery)

    def deliver_at_once(self, delivery: Deliver) -> bool:
        """Have a message dispatched now, if its handler is idle. Only the hub may call it.

        False: nothing was done, and it has to be queued.
        """
        gossip = delivery.gossip
        handler = self._handlers.dispatcher(gossip.tag)
        if handler is None or not isinstance(gossip, Gossip):
            return False
        worker = self._workers.get(handler.tag)
        return worker is not None and worker.take_at_once(delivery, gossip)

    def transformed(self, broadcast: BroadcastID, payload: bytes | None) -> None:
        """What became of a held broadcast: its new payload, or None to go on as it came."""
        if self._shell.running:
            node = self._shell.node
            self._shell.core(node.transformed, broadcast, payload, time.monotonic())

    def pressed(self) -> None:
        """A queue became full or is no longer, or messages were dropped."""
        self._strained.set()
        full = any(worker.full for worker in self._workers.values())
        if full is not self._full:
            self._full = full
            if full:
                self._shell.handlers_keep_up.clear()
            else:
                self._shell.handlers_keep_up.set()
            self._shell.core(self._shell.node.note_handlers, full, time.monotonic())

    def watch(self) -> None:
        """See to it that what is due for a strained queue is done; needs a greenlet of its own."""
        while True:
            self._strained.wait()
            now = time.monotonic()
            for worker in tuple(self._workers.values()):
                worker.check(now)
            if not any(worker.strained for worker in self._workers.values()):
                self._strained.clear()
            sleep(LOOK_EVERY_S)

    def runs(self) -> bool:
        """Whether the current greenlet is a handler's, which must not wait for room."""
        current = getcurrent()
        return any(worker.greenlet is current for worker in self._workers.values())

    @property
    def queued(self) -> int:
        """How many messages wait."""
        return sum(worker.queued for worker in self._workers.values())

    def end(self) -> None:
        """Dispatch nothing more."""
        for worker in self._workers.values():
            worker.end()
