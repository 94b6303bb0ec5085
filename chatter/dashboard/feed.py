"""Feed: what the cluster does, for those who look, and only while somebody does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from gevent import Greenlet, sleep, spawn
from gevent.event import Event

from chatter.dashboard.stats import Board
from chatter.errors import Closed
from chatter.net.service import Observed, Service
from chatter.version import __version__

# At most ten pictures a second: more is not seen, and costs the browser.
STEP_S = 0.1

# How often the peers are looked at; joins and failures are told at once.
PEERS_EVERY_S = 0.5

# A snapshot that nobody prepared waits so long for the figures of others: a round trip, mostly.
FIRST_FIGURES_S = 0.5

# After a snapshot was fetched the cluster is watched for so long: who fetches again, as monitoring
# and `chatter top` do, finds fresh figures.
LOOK_ON_S = 5.0


class Feed:
    """What one node knows of the cluster, for any number of followers.

    Args:
        service: the node that watches.
        may_send: whether the page may send test broadcasts; it is told so.
        logger: where to log.
    """

    def __init__(
        self,
        service: Service,
        *,
        may_send: bool = False,
        logger: logging.Logger | None = None,
    ) -> None:
        self._service = service
        self._logger = logger or logging.getLogger("chatter")
        self._may_send = may_send
        self._followers: set[Follower] = set()
        self._looked_at = float("-inf")
        self._greenlet: Greenlet[..., Any] | None = None
        self._running = False
        self._wanted = Event()
        self._stepped = Event()
        self._end_observing: Callable[[], None] = lambda: None
        self._board: Board

    def start(self) -> None:
        """Begin; the cluster is watched once somebody looks. The node has to run."""
        ahead_s = time.time() - time.monotonic()
        about = {
            "label": self._service.config.label,
            "chatter": __version__,
            "may_send": self._may_send,
        }
        self._board = Board(self._service.local_netid, about, lambda at: int((at + ahead_s) * 1000))
        self._running = True
        self._end_observing = self._service.observe(self._fold)
        self._greenlet = spawn(self._run)

    def stop(self) -> None:
        """End; who waits in ``Follower.next`` is told by Closed."""
        self._running = False
        self._end_observing()
        if self._greenlet is not None:
            self._greenlet.kill(block=False)
        self._stepped.set()

    def snapshot(self) -> dict[str, Any]:
        """A whole snapshot. Waits for the figures of others if nobody looked until now.

        Raises:
            Closed: the feed is stopped.
        """
        fresh = self._watching
        self._looked_at = time.monotonic()
        self._wanted.set()
        if not fresh:
            sleep(FIRST_FIGURES_S)
        self._check()
        self._step()
        return self._board.snapshot()

    def follow(self) -> Follower:
        """Follow what changes; the cluster is watched while this context is open."""
        return Follower(self)

    # For its followers

    def add(self, follower: Follower) -> None:
        """Somebody looks."""
        self._check()
        self._followers.add(follower)
        self._wanted.set()

    def remove(self, follower: Follower) -> None:
        """Somebody looks no more."""
        self._followers.discard(follower)

    def wait(self) -> Board:
        """The board, at its next step.

        Raises:
            Closed: the feed is stopped.
        """
        self._stepped.wait()
        self._check()
        return self._board

    def look(self) -> Board:
        """The board as it is now.

        Raises:
            Closed: the feed is stopped.
        """
        self._check()
        self._step()
        return self._board

    # Details

    @property
    def _watching(self) -> bool:
        return bool(self._followers) or time.monotonic() - self._looked_at < LOOK_ON_S

    def _check(self) -> None:
        if not self._running:
            raise Closed("the dashboard was stopped")

    def _fold(self, event: Observed) -> None:
        if self._running:
            self._board.fold(event, time.monotonic())

    def _run(self) -> None:
        asked_at = float("-inf")
        while self._running:
            if not self._watching:
                self._wanted.clear()
                self._wanted.wait()
            try:
                if time.monotonic() - asked_at >= 1.0:
                    asked_at = time.monotonic()
                    self._service.watch()
                self._step()
            except Closed:
                return self.stop()  # the node was stopped, and we with it
            except Exception:
                # A bug of ours. It shall be seen, and cost one picture, not all that follow.
                self._logger.exception("a bug in chatter; please report it. The dashboard goes on")
                sleep(1.0)
            self._stepped.set()
            self._stepped.clear()
            sleep(STEP_S)

    def _step(self) -> None:
        now = time.monotonic()
        self._board.tell_nodes(
            self._service.known_peers(), self._service.segment, self._service.epoch
        )
        self._board.tick(now)


class Follower:
    """One who looks: a context manager."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._version = 0
        self._told_at = float("-inf")

    def __enter__(self) -> Self:
        self._feed.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._feed.remove(self)

    def first(self) -> dict[str, Any]:
        """Everything there is.

        Raises:
            Closed: the feed is stopped.
        """
        snapshot = self._feed.look().snapshot()
        self._version = snapshot["board"]
        self._told_at = time.monotonic()
        return snapshot

    def next(self) -> dict[str, Any]:
        """What changed since the last call; waits until something did, at least a tenth of a
        second.

        Raises:
            Closed: the feed is stopped.
        """
        sleep(max(0.0, self._told_at + STEP_S - time.monotonic()))
        while True:
            changes = self._feed.wait().changes(self._version)
            self._version = changes["board"]
            if len(changes) > 2:
                self._told_at = time.monotonic()
                return changes
