"""The dashboard as a blueprint: under a prefix of an application, behind its own authorisation.

Whichever worker gets the request answers it, by its own node, which sees the whole cluster. The
live page works wherever the server passes the socket on: under ``gunicorn -k gevent``, gunicorn's
worker of gevent-websocket, and ``flask run``; elsewhere ``/api/snapshot`` alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Blueprint, abort, current_app, request
from flask.typing import ResponseReturnValue
from werkzeug import Response

from chatter.dashboard.access import Access
from chatter.dashboard.application import WEBSOCKET_PATH, Application
from chatter.dashboard.channel import Channel, upgrade_headers
from chatter.dashboard.feed import Feed
from chatter.dashboard.pages import load_pages
from chatter.dashboard.scrape import Scraper
from chatter.dashboard.sender import Sender
from chatter.integrations import serving
from chatter.integrations.flask import EXTENSION, NOT_RUNNING, AppNode

# Where servers put the socket of a connection, which send the head of an answer with the first part
# of its body, even an empty one. gunicorn's gevent_pywsgi is none of them.
_SOCKETS = ("gunicorn.socket", "werkzeug.socket")

Authorize = Callable[[], ResponseReturnValue | bool | None]


def make_blueprint(authorize: Authorize, name: str) -> Blueprint:
    """The blueprint; holds no application and no node. See `FlaskChatter.dashboard_blueprint`."""
    blueprint = Blueprint(name, __name__)

    @blueprint.before_request
    def ask() -> ResponseReturnValue | None:
        answer = authorize()
        if answer is True:
            return None
        return answer or abort(403)

    # Routes that take no WebSockets answer 400 to those, and the other way round.
    @blueprint.get("/<path:path>", websocket=True)
    @blueprint.get("/", defaults={"path": ""})
    @blueprint.get("/<path:path>")
    def show(path: str) -> Response:
        node = current_app.extensions.get(EXTENSION)
        if not isinstance(node, AppNode) or not node.running:
            abort(503, NOT_RUNNING)
        return _answer(_application_of(node), _below(path))

    return blueprint


def _below(path: str) -> dict[str, Any]:
    """The request as the dashboard sees it: the blueprint's prefix is where it is mounted."""
    prefix = request.path.removesuffix(path).rstrip("/")
    environ = dict(request.environ)
    environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
    environ["PATH_INFO"] = f"/{path}"
    return environ


def _answer(application: Application, environ: dict[str, Any]) -> Response:
    if environ.get("wsgi.websocket") is not None:
        # gevent-websocket made the upgrade before anybody was asked; an answer goes nowhere.
        return _held(_speak(application, environ))
    sock = next((environ[name] for name in _SOCKETS if name in environ), None)
    if environ["PATH_INFO"] == WEBSOCKET_PATH and sock and application.upgrades(environ):
        return _held(_upgrade(application, environ, sock), upgrade_headers(environ))
    # To its end at once: the dashboard counts the long ones until the server closes them, and where
    # Flask puts another answer in the place of ours, as after a failing hook, none ever does.
    return Response.from_app(application, environ, buffered=True)


class _Held:
    """What makes a response's body a conversation.

    It is held while the server fetches the body, so after the contexts of the request are gone: a
    browser that looks for hours keeps no session of a database.
    """

    body: Iterator[bytes]

    def get_app_iter(self, environ: Any) -> Iterator[bytes]:
        """As werkzeug asks for the body; of its own it would leave it out of a 101."""
        return self.body


def _held(body: Iterator[bytes], headers: Iterable[tuple[str, str]] = ()) -> Response:
    # Of the application's own class, or Flask makes it one, and ours is gone.
    kind = type("Held", (_Held, current_app.response_class), {})
    response: Response = kind(status="101 Switching Protocols", headers=list(headers))
    response.body = body  # type: ignore[attr-defined]
    return response


def _speak(application: Application, environ: dict[str, Any]) -> Iterator[bytes]:
    yield from application(environ, lambda status, headers: None)


def _upgrade(
    application: Application, environ: dict[str, Any], sock: socket.socket
) -> Iterator[bytes]:
    yield b""  # with this the server sends the head
    try:
        application.converse(environ, Channel(sock.makefile("rb").read, sock))
    finally:
        # What the browser may still send is no further request of this connection.
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


# The dashboard of a node, while it runs.

_applications: weakref.WeakKeyDictionary[AppNode, tuple[int, Application]] = (
    weakref.WeakKeyDictionary()
)


def _application_of(node: AppNode) -> Application:
    pid, application = _applications.get(node, (0, None))
    if application is None or pid != os.getpid():
        application = _open(node)
        _applications[node] = os.getpid(), application
    return application


def _open(node: AppNode) -> Application:
    logger = logging.getLogger("chatter")
    may_send = node.config.dashboard_send
    feed = Feed(node, may_send=may_send, logger=logger)
    sender = Sender(node, logger) if may_send else None
    access = Access(None, node.config.dashboard_hosts, any_host=True)
    application = Application(feed, access, load_pages(), sender, logger, Scraper(node).page)
    feed.start()

    def end() -> None:
        forget()
        _applications.pop(node, None)
        feed.stop()
        if sender is not None:
            sender.stop()

    node.at_stop(end)
    forget = serving.before_end(end)
    return application
