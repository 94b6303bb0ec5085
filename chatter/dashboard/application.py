"""Application: the dashboard as a WSGI callable, at the top of a server or under a prefix.

| path            | answer                                              |
| --------------- | --------------------------------------------------- |
| `/`, `/app.js`… | the page and its files                              |
| `/ws`           | the feed, by WebSocket                              |
| `/api/snapshot` | one snapshot of it, as JSON                         |
| `/metrics`      | what Prometheus fetches of all nodes of this host   |
| `/healthz`      | that this is a dashboard and lives; needs no token  |

A server that speaks WebSockets gives them as ``environ["wsgi.websocket"]``, as gevent-websocket
does, and asks `upgrades` first, so that who may not have one is told why in plain HTTP.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from chatter.dashboard.access import (
    HEALTH_PATH,
    SECURITY_HEADERS,
    Access,
    Environ,
    Headers,
    Refusal,
)
from chatter.dashboard.channel import NOT_ALLOWED, TRY_LATER, Channel, why_no_upgrade
from chatter.dashboard.conversation import Conversation, Orders, encode
from chatter.dashboard.feed import Feed
from chatter.dashboard.pages import Page, Pages
from chatter.errors import Closed, ConfigError

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Metrics = Callable[[str], tuple[bytes, str]]
"""From what a request accepts, the page and its content type; raises as `Scraper.page` does."""

# Each has three greenlets and, if it takes slowly, one message of its own in memory: up to some
# megabytes in a cluster of a thousand nodes. More people do not look at once.
MAX_WEBSOCKETS = 64

# Snapshots and pages of metrics. Each has its text in memory until it is sent, up to some megabytes
# in a cluster of a thousand.
MAX_SNAPSHOTS = 4

# For those that came too many, and for browsers while the node stops.
RETRY_AFTER_S = 5

HEALTH_TEXT = "chatter dashboard\n"
"""What `/healthz` answers, and how one dashboard knows another."""

SNAPSHOT_PATH = "/api/snapshot"
METRICS_PATH = "/metrics"
WEBSOCKET_PATH = "/ws"


class Answer(NamedTuple):
    """One response."""

    status: str
    body: bytes
    headers: Headers


class Application:
    """Answers requests. A WSGI callable.

    Args:
        feed: what is shown.
        access: who may see it.
        pages: the page and its files, by path.
        orders: takes what browsers ask for; None: they may ask for nothing.
        metrics: makes the page that Prometheus fetches; None: there is none.
    """

    def __init__(
        self,
        feed: Feed,
        access: Access,
        pages: Pages,
        orders: Orders | None,
        logger: logging.Logger,
        metrics: Metrics | None = None,
    ) -> None:
        self._feed = feed
        self._access = access
        self._pages = pages
        self._orders = orders
        self._logger = logger
        self._metrics = metrics
        self._websockets = 0
        self._snapshots = 0

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        websocket = environ.get("wsgi.websocket")
        if websocket is not None:
            self._converse(environ, websocket)
            return []
        make = self._long_answer(environ)
        if make is not None:
            return self._send_long(make, environ, start_response)
        return _send(self._answer(environ), environ, start_response)

    def upgrades(self, environ: Environ) -> bool:
        """Whether this request shall become a WebSocket; if not, the call answers it."""
        return environ.get("PATH_INFO") == WEBSOCKET_PATH and (
            self._websocket_refusal(environ) is None
        )

    def _answer(self, environ: Environ) -> Answer:
        path = environ.get("PATH_INFO", "")
        cookie = self._access.cookie(environ) if path in ("/", "") else None
        refusal = self._access.refusal(environ)
        if cookie is not None and (refusal is None or refusal.status.startswith("401")):
            # To the address without the token: it must not stay in sight, in the history, or in
            # what the browser suggests to the next one.
            return _redirect(environ, (("Set-Cookie", cookie),))
        if refusal is not None:
            return _refuse(environ, refusal)
        if path == "":
            return _redirect(environ)  # the page names its files relative to its own address
        if path == HEALTH_PATH:
            return Answer("200 OK", HEALTH_TEXT.encode(), _text_headers())
        if path == WEBSOCKET_PATH:
            return _refuse(environ, self._websocket_refusal(environ) or _NO_WEBSOCKETS)
        page = self._pages.get(path)
        if page is None:
            return _refuse(environ, _NOT_FOUND)
        return _show(page, environ)

    # The feed

    def _websocket_refusal(self, environ: Environ) -> Refusal | None:
        refusal = self._access.refusal(environ)
        if refusal is not None:
            return refusal
        reason = why_no_upgrade(environ)
        if reason is not None:
            headers = (("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"))
            return Refusal("426 Upgrade Required", f"No WebSocket: {reason}.", headers)
        refusal = self._access.origin_refusal(environ)
        if refusal is not None:
            return refusal
        return _TOO_MANY if self._websockets >= MAX_WEBSOCKETS else None

    def _converse(self, environ: Environ, websocket: Any) -> None:
        channel = Channel(websocket.stream.read, websocket.handler.socket)
        websocket.closed = True  # for its library: what is left to say and to close is ours
        self.converse(environ, channel)

    def converse(self, environ: Environ, channel: Channel) -> None:
        """Serve a WebSocket, which is open already, to its end; who may not have it is told so."""
        # Not only for servers that do not ask before: while the upgrade was sent others came.
        refusal = self._websocket_refusal(environ)
        if refusal is not None or environ.get("PATH_INFO") != WEBSOCKET_PATH:
            channel.close(TRY_LATER if refusal is _TOO_MANY else NOT_ALLOWED)
            return
        self._websockets += 1
        try:
            Conversation(channel, self._feed, self._orders, self._logger).run()
        finally:
            self._websockets -= 1

    # What may be long

    def _long_answer(self, environ: Environ) -> Callable[[Environ], Answer] | None:
        """What makes the answer to a request for something long, of those who may have it."""
        path = environ.get("PATH_INFO")
        if path == SNAPSHOT_PATH:
            make = self._snapshot
        elif path == METRICS_PATH and self._metrics is not None:
            make = self._metrics_page
        else:
            return None
        return make if self._access.refusal(environ) is None else None

    def _send_long(
        self,
        make: Callable[[Environ], Answer],
        environ: Environ,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        if self._snapshots >= MAX_SNAPSHOTS:
            return _send(_refuse(environ, _TOO_MANY), environ, start_response)
        self._snapshots += 1
        try:
            answer = make(environ)
        except BaseException:
            self._end_snapshot()
            raise
        return _Body(_send(answer, environ, start_response), self._end_snapshot)

    def _snapshot(self, environ: Environ) -> Answer:
        try:
            text = encode(self._feed.snapshot())
        except Closed:
            return _refuse(environ, _STOPPED)
        headers = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
        return Answer("200 OK", text.encode(), headers)

    def _metrics_page(self, environ: Environ) -> Answer:
        assert self._metrics is not None
        try:
            body, content_type = self._metrics(environ.get("HTTP_ACCEPT", ""))
        except Closed:
            return _refuse(environ, _STOPPED)
        except ConfigError as missing:
            return _refuse(environ, Refusal("501 Not Implemented", f"{missing}."))
        return Answer(
            "200 OK", body, (("Content-Type", content_type), ("Cache-Control", "no-store"))
        )

    def _end_snapshot(self) -> None:
        self._snapshots -= 1


class _Body:
    """A body that tells when it is sent, or will not be."""

    def __init__(self, parts: Iterable[bytes], over: Callable[[], None]) -> None:
        self._parts = parts
        self._over = over

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def close(self) -> None:
        """Called by the server, once, whatever happened (PEP 3333)."""
        self._over()


_NOT_FOUND = Refusal("404 Not Found", "There is nothing at this address.")
_NO_WEBSOCKETS = Refusal(
    "501 Not Implemented", "This server does not speak WebSockets; /api/snapshot works here."
)
_TOO_MANY = Refusal(
    "503 Service Unavailable",
    "So many look at this dashboard already that the node would notice. Close some, or look at"
    " the dashboard of another node.",
    (("Retry-After", str(RETRY_AFTER_S)),),
)
_STOPPED = Refusal(
    "503 Service Unavailable",
    "This node is being stopped.",
    (("Retry-After", str(RETRY_AFTER_S)),),
)

_REFUSAL_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{status}</title>
<h1>{status}</h1>
<p>{text}</p>
{more}</html>
"""

# A browser keeps a strict cookie to itself while it follows a link from another site: the one who
# has just been given it by such a link sees this page, and needs one step that begins here.
_ONCE_MORE = '<p>If you came by a link that had the token: <a href="./">open the dashboard</a>.</p>'


def refusal_body(refusal: Refusal, *, as_page: bool) -> tuple[bytes, Headers]:
    """A refusal for a person's browser, or for a program, and the headers that go with it."""
    if not as_page:
        return f"{refusal.text}\n".encode(), _text_headers()
    more = f"{_ONCE_MORE}\n" if refusal.status.startswith("401") else ""
    # Nothing here comes from the request, so nothing needs escaping.
    page = _REFUSAL_PAGE.format(status=refusal.status, text=refusal.text, more=more)
    return page.encode(), _text_headers("text/html")


def _refuse(environ: Environ, refusal: Refusal) -> Answer:
    body, headers = refusal_body(refusal, as_page="text/html" in environ.get("HTTP_ACCEPT", ""))
    return Answer(refusal.status, body, headers + refusal.headers)


def _text_headers(kind: str = "text/plain") -> Headers:
    return (("Content-Type", f"{kind}; charset=utf-8"), ("Cache-Control", "no-store"))


def _redirect(environ: Environ, headers: Headers = ()) -> Answer:
    # Only ever to our own top, never to what the request names: "//elsewhere" is another site.
    location = ("Location", f"{environ.get('SCRIPT_NAME', '')}/")
    return Answer("303 See Other", b"", (location, *_text_headers(), *headers))


def _show(page: Page, environ: Environ) -> Answer:
    # May be kept, and is asked for anew each time: after an update nobody sees the old page.
    headers = (("ETag", page.etag), ("Cache-Control", "no-cache"))
    known = environ.get("HTTP_IF_NONE_MATCH", "")
    if page.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return Answer("304 Not Modified", b"", headers)
    return Answer("200 OK", page.body, (("Content-Type", page.content_type), *headers))


def _send(answer: Answer, environ: Environ, start_response: StartResponse) -> list[bytes]:
    headers = [*answer.headers, *SECURITY_HEADERS]
    if not answer.status.startswith("304"):
        headers.append(("Content-Length", str(len(answer.body))))
    start_response(answer.status, headers)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [answer.body]
