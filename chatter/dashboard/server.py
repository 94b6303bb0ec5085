"""Dashboard: a port where browsers see the cluster."""

from __future__ import annotations

import contextlib
import logging
import socket
from typing import Any

from gevent import Greenlet

from chatter.config import dashboard_address, inherited_socket, join_address
from chatter.dashboard.access import Access
from chatter.dashboard.application import Application
from chatter.dashboard.feed import Feed
from chatter.dashboard.listener import Listener
from chatter.dashboard.pages import Pages, load_pages
from chatter.dashboard.scrape import Scraper
from chatter.dashboard.sender import Sender
from chatter.dashboard.standby import open_listening, wait_for_listening
from chatter.errors import Closed, ConfigError
from chatter.net import fork
from chatter.net.interfaces import default_address
from chatter.net.service import Service


class Dashboard:
    """The dashboard of one node, at the address that its settings name.

    If another process has that address, this one stands by and takes over when it ends.

    Args:
        service: the node; it has to run from ``start`` to ``stop``.
        logger: where to log.

    The constructor stores; ``start()`` acts.
    """

    def __init__(self, service: Service, logger: logging.Logger) -> None:
        self._service = service
        self._logger = logger
        self._text = service.config.dashboard or ""
        self._has_token = service.config.dashboard_token is not None
        self._feed: Feed | None = None
        self._sender: Sender | None = None
        self._listener: Listener | None = None
        self._pages: Pages = {}
        self._waiting: Greenlet[..., Any] | None = None
        self.url: str | None = None
        """Where it is served, by this process or by the one that has the address; None before the
        start."""

    def start(self) -> None:
        """Serve, or stand by.

        Raises:
            ConfigError: the extra is not installed, or the address cannot be had; nothing is left
                open.
        """
        _check_installed()
        self._pages = load_pages()
        listening = open_listening(self._text, self._has_token)
        self.url = _url(self._text, listening)
        fork.watch(self)
        if listening is not None:
            self._serve(listening)
        else:
            self._waiting = Greenlet.spawn(self._wait)

    def stop(self) -> None:
        """End; browsers are told. Takes well under a second."""
        if self._waiting is not None:
            self._waiting.kill()
        self._end_feed()
        if self._listener is not None:
            self._listener.stop()

    def abandon(self) -> None:
        """In a forked child: let go of everything without a switch and without a word."""
        self.url = None
        if self._waiting is not None:
            self._waiting.kill(block=False)
        self._end_feed()
        if self._listener is not None:
            self._listener.abandon()

    def _serve(self, listening: socket.socket) -> None:
        from chatter.dashboard.handler import Server

        config = self._service.config
        hosts = list(config.dashboard_hosts)
        if inherited_socket(self._text) is None:
            hosts.append(dashboard_address(self._text)[0])
        try:
            feed = Feed(self._service, may_send=config.dashboard_send, logger=self._logger)
            feed.start()
        except BaseException:
            listening.close()
            raise
        self._feed = feed
        self._sender = Sender(self._service, self._logger) if config.dashboard_send else None
        application = Application(
            feed,
            Access(config.dashboard_token, hosts),
            self._pages,
            self._sender,
            self._logger,
            Scraper(self._service).page,
        )
        address = listening.getsockname()[:2]
        server = Server(address, application, self._logger, self._requested)
        self._listener = Listener(listening, server.handle, self._logger)
        self._listener.start()
        self._logger.info("= the dashboard is at %s", self.url)

    def _end_feed(self) -> None:
        if self._feed is not None:
            self._feed.stop()
        if self._sender is not None:
            self._sender.stop()

    def _requested(self) -> None:
        if self._listener is not None:
            self._listener.requested()

    def _wait(self) -> None:
        listening = wait_for_listening(self._text, self.url or "", self._has_token, self._logger)
        with contextlib.suppress(Closed):  # the node was stopped meanwhile
            self._serve(listening)


def _check_installed() -> None:
    try:
        import chatter.dashboard.handler  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "geventwebsocket":
            raise
        raise ConfigError(
            "dashboard: it needs gevent-websocket: `pip install '.[dashboard]'` in a checkout of"
            " chatter"
        ) from None


def _url(text: str, listening: socket.socket | None) -> str:
    """What to type into a browser on this machine, or, for a wildcard, on any."""
    if inherited_socket(text) is None:
        host, port = dashboard_address(text)
    else:
        host, port = "", 0
    if listening is not None:
        bound, port = listening.getsockname()[:2]
        host = host or str(bound)
    if host in ("0.0.0.0", "::"):
        host = default_address()
    return f"http://{join_address(host, port)}/"
