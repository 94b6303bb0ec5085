"""Conversation: what one browser is told and what it may ask, over its WebSocket.

A greenlet tells, one listens, and the one that serves the connection looks that the other side is
alive. Whichever ends first ends them all.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any, Protocol

from gevent import killall, spawn, wait

from chatter.dashboard.channel import GOING_AWAY, NOT_ALLOWED, PING_S, Channel, Gone, Malformed
from chatter.dashboard.feed import Feed
from chatter.dashboard.orders import Order, decode_order
from chatter.errors import Closed


class Orders(Protocol):
    """Carries out what browsers ask for."""

    def take(self, order: Order, tell: Callable[[dict[str, Any]], None]) -> None:
        """Do it, and tell what becomes of it."""


class Conversation:
    """Serves one browser.

    A browser that takes what it is told slowly gets fewer, larger changes; one that takes nothing
    is dropped by the channel. Neither holds up the node.

    Args:
        channel: the open WebSocket.
        feed: what the browser is told.
        orders: takes what it asks for; None: it may ask for nothing.
    """

    def __init__(
        self, channel: Channel, feed: Feed, orders: Orders | None, logger: logging.Logger
    ) -> None:
        self._channel = channel
        self._feed = feed
        self._orders = orders
        self._logger = logger
        self._code = GOING_AWAY

    def run(self) -> None:
        """Serve until one side ends it."""
        greenlets = [spawn(self._guarded, self._tell_all), spawn(self._guarded, self._listen)]
        try:
            while not wait(greenlets, timeout=PING_S, count=1):
                self._channel.ping()
        except Gone as gone:
            self._logger.debug("= a browser is gone: %s", gone)
        finally:
            killall(greenlets, block=False)
            self._channel.close(self._code)

    def _guarded(self, function: Callable[[], None]) -> None:
        try:
            function()
        except (Gone, Closed) as end:
            self._logger.debug("= a browser is gone: %s", end)
        except Malformed as reason:
            self._code = reason.code
            self._logger.debug("= a browser is cut off: %s", reason)
        except Exception:
            self._logger.exception("a bug in chatter's dashboard; please report it")

    def _tell_all(self) -> None:
        with self._feed.follow() as follower:
            self._tell(follower.first())
            while True:
                self._tell(follower.next())

    def _listen(self) -> None:
        while True:
            text = self._channel.receive()
            if self._orders is None:
                raise Malformed(NOT_ALLOWED, "it asks, and may not")
            self._orders.take(decode_order(text), self._answer)

    def _answer(self, answer: dict[str, Any]) -> None:
        with contextlib.suppress(Gone):  # whom it is for does not wait for it any more
            self._tell(answer)

    def _tell(self, told: dict[str, Any]) -> None:
        self._channel.send(encode(told))


def encode(told: dict[str, Any]) -> str:
    """One JSON text, in ASCII: half of a surrogate pair, as a tag may hold, passes too.

    Raises:
        ValueError: a number that JSON does not have.
    """
    return json.dumps(told, separators=(",", ":"), allow_nan=False)
