"""The dashboard as a WSGI callable: called as a server calls it, no server and no socket."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast
from wsgiref.validate import validator

import pytest

from chatter.dashboard.access import SECURITY_HEADERS, Access
from chatter.dashboard.application import (
    MAX_SNAPSHOTS,
    MAX_WEBSOCKETS,
    Application,
    Metrics,
)
from chatter.dashboard.feed import Feed
from chatter.dashboard.pages import Page
from chatter.errors import Closed, ConfigError
from tests.dashboard.browser import Log
from tests.dashboard.feeds import FakeFeed
from tests.dashboard.test_channel import HANDSHAKE

TOKEN = "0123456789abcdef"
PAGES = {
    "/": Page(b"<p>page</p>", "text/html; charset=utf-8", '"one"'),
    "/app.js": Page(b"1", "text/javascript; charset=utf-8", '"two"'),
}


class Answered:
    """What the application said to one request."""

    def __init__(self, application: Any, environ: dict[str, Any]) -> None:
        self.status = ""
        self.headers: dict[str, str] = {}
        self.result: Iterable[bytes] = application(environ, self._start)
        self.body = b"".join(self.result)

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.status, self.headers = status, dict(headers)
        assert len(self.headers) == len(headers)
        return lambda data: None

    def end(self) -> None:
        """As a server does when all is sent."""
        close = getattr(self.result, "close", None)
        if close is not None:
            close()


def make(token: str | None = None, feed: FakeFeed | None = None) -> Application:
    return Application(cast(Feed, feed or FakeFeed()), Access(token), PAGES, None, Log().logger)


def environ(path: str, **more: Any) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "HTTP_HOST": "127.0.0.1:8000",
        **more,
    }


def ask(application: Application, path: str, **more: Any) -> Answered:
    answered = Answered(application, environ(path, **more))
    answered.end()
    return answered


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *(("/", "200"), ("/app.js", "200"), ("/healthz", "200"), ("/api/snapshot", "200")),
        *(("/ws", "426"), ("/nothing", "404"), ("", "303"), ("/app.js/", "404"), ("//", "404")),
        *(
            ("/../setup.cfg", "404"),
            ("//etc/passwd", "404"),
            ("/\x00", "404"),
            ("/app.js\x00", "404"),
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_every_answer_is_well_formed_and_guarded(path: str, status: str, method: str) -> None:
    answered = ask(make(), path, REQUEST_METHOD=method)
    assert answered.status[:3] == ("405" if method == "POST" else status)
    assert answered.headers.items() >= dict(SECURITY_HEADERS).items()
    assert answered.headers["Cache-Control"] in ("no-store", "no-cache")
    length = int(answered.headers["Content-Length"])
    assert len(answered.body) == (0 if method == "HEAD" else length)
    assert ("Content-Type" in answered.headers) is True


def test_it_keeps_to_wsgi() -> None:
    """PEP 3333 as its validator has it: so any server may carry it."""
    application = validator(cast(Any, make()))
    for path in ("/", "/app.js", "/nothing", "/api/snapshot"):
        whole = environ(path) | {
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": _Input(),
            "wsgi.errors": _Errors(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        Answered(application, whole).end()


class _Input:
    def read(self, size: int) -> bytes:
        raise AssertionError("nobody reads a body")

    readline = readlines = __iter__ = read


class _Errors:
    def write(self, text: str) -> None: ...
    def flush(self) -> None: ...
    def writelines(self, lines: Any) -> None: ...


def test_the_page_and_its_files() -> None:
    page = ask(make(), "/")
    assert (page.body, page.headers["Content-Type"]) == (b"<p>page</p>", "text/html; charset=utf-8")
    assert ask(make(), "/app.js").body == b"1"


@pytest.mark.parametrize("tags", ['"one"', 'W/"one"', '"other", "one"'])
def test_what_a_browser_has_is_not_sent_again(tags: str) -> None:
    answered = ask(make(), "/", HTTP_IF_NONE_MATCH=tags)
    assert (answered.status, answered.body) == ("304 Not Modified", b"")
    assert "Content-Length" not in answered.headers
    assert ask(make(), "/app.js", HTTP_IF_NONE_MATCH=tags).status == "200 OK"


def test_the_snapshot() -> None:
    answered = ask(make(), "/api/snapshot")
    assert answered.headers["Content-Type"] == "application/json"
    assert json.loads(answered.body) == {"type": "snapshot", "board": 1}


def test_no_snapshot_of_a_node_that_stops() -> None:
    feed = FakeFeed()
    application = make(feed=feed)
    feed.stop()
    for _ in range(MAX_SNAPSHOTS + 1):
        answered = ask(application, "/api/snapshot")
        assert answered.status[:3] == "503"
        assert "being stopped" in answered.body.decode()


def test_so_many_snapshots_at_a_time() -> None:
    application = make()
    held = [Answered(application, environ("/api/snapshot")) for _ in range(MAX_SNAPSHOTS)]
    refused = ask(application, "/api/snapshot")
    assert refused.status[:3] == "503"
    assert refused.headers["Retry-After"] == "5"
    held.pop().end()
    assert ask(application, "/api/snapshot").status == "200 OK"


def test_a_snapshot_that_cannot_be_made_counts_no_more() -> None:
    feed = FakeFeed()
    feed.told = {"type": float("nan")}
    application = make(feed=feed)
    for _ in range(MAX_SNAPSHOTS + 1):
        with pytest.raises(ValueError, match="JSON"):
            ask(application, "/api/snapshot")


# Who is let in


def test_the_token_becomes_a_cookie_and_leaves_the_address() -> None:
    application = make(TOKEN)
    answered = ask(application, "/", QUERY_STRING=f"token={TOKEN}")
    assert answered.status == "303 See Other"
    assert answered.headers["Location"] == "/"
    cookie = answered.headers["Set-Cookie"].partition(";")[0]
    assert ask(application, "/", HTTP_COOKIE=cookie).body == b"<p>page</p>"
    assert ask(application, "/").status[:3] == "401"
    # Also for who has the cookie already, from a bookmark say.
    again = ask(application, "/", QUERY_STRING=f"token={TOKEN}", HTTP_COOKIE=cookie)
    assert again.status == "303 See Other"


def test_under_a_prefix_it_stays_there() -> None:
    application = make(TOKEN)
    for path in ("", "/"):
        answered = ask(application, path, SCRIPT_NAME="/dash", QUERY_STRING=f"token={TOKEN}")
        assert answered.headers["Location"] == "/dash/"
        assert "Path=/dash;" in answered.headers["Set-Cookie"]
    assert ask(make(), "", SCRIPT_NAME="/dash").headers["Location"] == "/dash/"
    assert ask(make(), "/", SCRIPT_NAME="/dash").body == b"<p>page</p>"


@pytest.mark.parametrize("path", ["//evil.example/", "/app.js", "/nothing", "/api/snapshot", "/ws"])
def test_the_token_in_another_address_leads_nowhere(path: str) -> None:
    answered = ask(make(TOKEN), path, QUERY_STRING=f"token={TOKEN}")
    assert answered.status[:3] == "401"
    assert "Location" not in answered.headers
    assert "Set-Cookie" not in answered.headers


@pytest.mark.parametrize("more", [{"HTTP_HOST": "evil.example"}, {"REQUEST_METHOD": "POST"}])
def test_the_token_does_not_help_a_stranger(more: dict[str, str]) -> None:
    answered = ask(make(TOKEN), "/", QUERY_STRING=f"token={TOKEN}", **more)
    assert answered.status[:3] in ("421", "405")
    assert "Set-Cookie" not in answered.headers


def test_refusals_are_pages_for_people_and_texts_for_programs() -> None:
    page = ask(make(TOKEN), "/", HTTP_ACCEPT="text/html,*/*")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "?token=" in page.body.decode()
    assert '<a href="./">' in page.body.decode()
    text = ask(make(TOKEN), "/", HTTP_ACCEPT="*/*")
    assert text.headers["Content-Type"].startswith("text/plain")
    assert "Bearer" in text.body.decode()
    assert "<" not in text.body.decode()
    assert TOKEN not in page.body.decode() + text.body.decode()


# WebSockets


def test_upgrades_what_may_be_upgraded() -> None:
    shake = {**HANDSHAKE, "HTTP_HOST": "127.0.0.1:8000"}
    assert make().upgrades(environ("/ws", **shake))
    assert not make().upgrades(environ("/", **shake))
    assert not make().upgrades(environ("/ws"))
    assert not make(TOKEN).upgrades(environ("/ws", **shake))
    assert make(TOKEN).upgrades(environ("/ws", **shake, HTTP_AUTHORIZATION=f"Bearer {TOKEN}"))
    foreign = shake | {"HTTP_ORIGIN": "https://evil.example"}
    assert not make().upgrades(environ("/ws", **foreign))
    assert ask(make(), "/ws", **foreign).status[:3] == "403"
    assert ask(make(TOKEN), "/ws", **shake).status[:3] == "401"


def test_says_what_to_do_where_a_server_speaks_no_websockets() -> None:
    answered = ask(make(), "/ws", **HANDSHAKE)
    assert answered.status[:3] == "501"
    assert ask(make(), "/ws").headers["Sec-WebSocket-Version"] == "13"


def test_so_many_websockets_at_a_time() -> None:
    application = make()
    application._websockets = MAX_WEBSOCKETS
    assert not application.upgrades(environ("/ws", **HANDSHAKE))
    answered = ask(application, "/ws", **HANDSHAKE)
    assert (answered.status[:3], answered.headers["Retry-After"]) == ("503", "5")
    assert ask(application, "/").status == "200 OK"


class FakeWebSocket:
    """One that a server opened without asking before."""

    def __init__(self) -> None:
        self.closed = False
        self.sent = b""
        self.stream = self.handler = self.socket = self

    def read(self, size: int) -> bytes:
        return b""

    def sendall(self, data: bytes) -> None:
        self.sent += data


@pytest.mark.parametrize(
    ("path", "token", "code"),
    [("/ws", TOKEN, 1008), ("/", None, 1008), ("/healthz", None, 1008), ("/ws", None, 1001)],
)
def test_what_was_opened_unasked_is_closed(path: str, token: str | None, code: int) -> None:
    websocket = FakeWebSocket()
    request = environ(path, **HANDSHAKE) | {"wsgi.websocket": websocket}
    assert list(make(token)(request, lambda *_: None)) == []
    assert websocket.sent.endswith(b"\x88\x02" + code.to_bytes(2, "big"))
    assert (b"snapshot" in websocket.sent) == (code == 1001)
    assert websocket.closed


def metered(metrics: Metrics | None, token: str | None = None) -> Application:
    log = Log().logger
    return Application(cast(Feed, FakeFeed()), Access(token), PAGES, None, log, metrics)


def test_metrics_are_made_for_who_may_see_them() -> None:
    accepted: list[str] = []

    def metrics(accept: str) -> tuple[bytes, str]:
        accepted.append(accept)
        return b"chatter_nodes 1.0\n", "text/plain; version=9"

    told = ask(metered(metrics), "/metrics", HTTP_ACCEPT="text/plain")
    assert (told.status, told.body) == ("200 OK", b"chatter_nodes 1.0\n")
    assert told.headers["Content-Type"] == "text/plain; version=9"
    assert ask(metered(metrics), "/metrics", REQUEST_METHOD="HEAD").body == b""
    assert ask(metered(metrics, TOKEN), "/metrics").status.startswith("401")
    assert ask(metered(metrics), "/metrics", REQUEST_METHOD="POST").status.startswith("405")
    bearer = f"Bearer {TOKEN}"
    assert ask(metered(metrics, TOKEN), "/metrics", HTTP_AUTHORIZATION=bearer).status == "200 OK"
    assert accepted == ["text/plain", "", ""]


def test_without_metrics_there_is_nothing_at_their_address() -> None:
    assert ask(metered(None), "/metrics").status.startswith("404")


@pytest.mark.parametrize(
    ("error", "status"), [(Closed("stopped"), "503"), (ConfigError("install this"), "501")]
)
def test_metrics_that_cannot_be_made_say_why(error: Exception, status: str) -> None:
    def metrics(accept: str) -> tuple[bytes, str]:
        raise error

    told = ask(metered(metrics), "/metrics")
    assert told.status.startswith(status)
    assert told.body
    assert (b"install this." in told.body) == (status == "501")
