"""The dashboard as a blueprint: under a prefix of an application, behind its own authorisation.

Whichever worker gets the request answers it, by its own node, which sees the whole cluster. The
live page works wherever the server passes the socket on: under ``gunicorn -k gevent``, gunicorn's
worker of gevent-websocket, and ``flask run``; elsewhere the page fetches snapshots.
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
from chatter.dashboard.application import WEBSOCKET_PATH, Application, StartResponse
from chatter.dashboard.channel import Channel, upgrade_headers
from chatter.dashboard.feed import Feed
from chatter.dashboard.pages import load_pages
from chatter.dashboard.sender import Sender
from chatter.integrations.flask import EXTENSION, NOT_RUNNING, AppNode

# Where servers put the socket of a connection. gunicorn's second name is that of its worker which
# serves by pywsgi.
_SOCKETS = ("gunicorn.socket", "gunicorn.sock", "werkzeug.socket")

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
    upgraded = environ.get("wsgi.websocket")  # by gevent-websocket, before anybody was asked
    if upgraded is not None:
        return _Upgrade(lambda start_response: _speak(application, environ))
    sock = next((environ[name] for name in _SOCKETS if name in environ), None)
    if environ["PATH_INFO"] == WEBSOCKET_PATH and sock and application.upgrades(environ):
        return _Upgrade(lambda start: _upgrade(application, environ, sock, start))
    return Response.from_app(application, environ)


class _Upgrade(Response):
    """A response whose body is a conversation.

    It is held while the server fetches the body, so after the contexts of the request are gone: a
    browser that looks for hours keeps no session of a database.
    """

    def __init__(self, hold: Callable[[StartResponse], Iterable[bytes]]) -> None:
        super().__init__(status=101)
        self._hold = hold

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """As the server calls it."""
        return self._hold(start_response)


def _speak(application: Application, environ: dict[str, Any]) -> Iterator[bytes]:
    yield from application(environ, _no_answer)


def _no_answer(status: str, headers: list[tuple[str, str]]) -> None:
    """What gevent-websocket does with an answer: it has made its own."""


def _upgrade(
    application: Application,
    environ: dict[str, Any],
    sock: socket.socket,
    start_response: StartResponse,
) -> Iterator[bytes]:
    start_response("101 Switching Protocols", upgrade_headers(environ))
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
    application = Application(feed, access, load_pages(), sender, logger)
    feed.start()

    def end() -> None:
        _applications.pop(node, None)
        feed.stop()
        if sender is not None:
            sender.stop()

    node.at_stop(end)
    return application
