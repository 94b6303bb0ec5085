"""Scrape: what every node of this host counted, asked for when Prometheus asks, and only then.

The workers of a server share their port, so whoever scrapes them meets one by chance. One dashboard
for all of them knows each: nodes tell each other their figures.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from gevent import sleep
from gevent.event import Event

from chatter.core.effects import NodeFigures
from chatter.errors import ConfigError
from chatter.ids import NetID
from chatter.net.service import Observed, Service

# An answer comes in a millisecond; it may be lost, or its node be busy for a moment.
ASK_AGAIN_S = 0.25

# After that the page tells of those that answered. Prometheus itself waits 10 s unless told so.
ANSWER_S = 2.0


class Scraped(NamedTuple):
    """What came of asking.

    Attributes:
        nodes: the figures of those that answered, by their address.
        unanswered: those that are there, as far as we know, and did not.
    """

    nodes: list[NodeFigures]
    unanswered: int


class Scraper:
    """Makes the page that Prometheus fetches.

    Nodes are of this host if they have the IP address of the one that is asked.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def page(self, accept: str) -> tuple[bytes, str]:
        """The page, and its content type.

        Args:
            accept: what the request says of formats.

        Raises:
            Closed: the node is not running.
            ConfigError: the extra is not installed; says what to do.
        """
        try:
            from chatter.dashboard.exposition import encode_page
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "prometheus_client":
                raise
            raise ConfigError(
                "metrics: they need prometheus_client: `pip install '.[metrics]'` in a"
                " checkout of chatter"
            ) from None
        nodes, unanswered = self.collect()
        return encode_page(nodes, unanswered, accept, lambda: sleep(0))

    def collect(self) -> Scraped:
        """Ask all nodes of this host, and wait for their answers, at most `ANSWER_S`.

        Raises:
            Closed: the node is not running.
        """
        own = self._service.figures()
        answers = _Answers()
        end_observing = self._service.observe(answers.take)
        try:
            deadline = time.monotonic() + ANSWER_S
            while missing := self._neighbours(own.address) - answers.whole.keys():
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                answers.waited_for = missing
                self._service.ask_figures(missing)
                answers.came.wait(min(ASK_AGAIN_S, left_s))
                answers.came.clear()
        finally:
            end_observing()
        nodes = [own, *answers.whole.values()]
        return Scraped(sorted(nodes, key=lambda one: one.address), len(missing))

    def _neighbours(self, own: NetID) -> set[NetID]:
        return {peer.address for peer in self._service.peers() if peer.address.ip == own.ip}


class _Answers:
    """What has come so far. Each node is asked for all its figures, which may come in parts."""

    def __init__(self) -> None:
        self.waited_for: set[NetID] = set()
        self.whole: dict[NetID, NodeFigures] = {}
        self.came = Event()
        """Set when all have come that are waited for."""
        self._parts: dict[NetID, NodeFigures] = {}

    def take(self, event: Observed) -> None:
        """Take in an event of the node."""
        if not isinstance(event, NodeFigures) or event.address not in self.waited_for:
            return
        former = self._parts.get(event.address)
        if former is not None and former.epoch == event.epoch:
            event = event._replace(
                counters={**former.counters, **event.counters},
                tags={**former.tags, **event.tags},
            )
        self._parts[event.address] = event
        if event.complete:
            self.whole[event.address] = event
            if self.waited_for <= self.whole.keys():
                self.came.set()
