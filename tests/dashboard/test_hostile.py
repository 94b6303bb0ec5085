"""What strangers and bad luck do to the dashboard, on real sockets. After each of it the node still
answers, and still delivers a broadcast."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import socket
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from chatter import Chatter
from chatter.dashboard import channel, handler, listener, server
from chatter.dashboard.application import MAX_WEBSOCKETS
from chatter.dashboard.channel import MAX_MESSAGE_BYTES
from tests.dashboard.browser import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Log,
    Response,
    WebSocket,
    ask,
    connect,
    exchange,
    frame,
    port_of,
    read_all,
    shown,
)
from tests.dashboard.feeds import FloodingFeed
from tests.net.nodes import wait_until

TOKEN = "0123456789abcdef"


class Two:
    """A node with a dashboard, and a peer that hears it."""

    def __init__(self, stack: contextlib.ExitStack, **fields: Any) -> None:
        self.log = Log(logging.DEBUG)
        self.node = stack.enter_context(shown(logger=self.log.logger, **fields))
        self.port = port_of(self.node)
        self._heard = Event()
        peer = Chatter(
            address="127.0.0.1:0",
            multicast=[],
            key=self.node.config.key,
            join=[str(self.node.local_netid)],
            beacon_interval_s=0.1,
            failure_timeout_s=2.0,
        )
        peer.on("still there")(lambda body, message: self._heard.set())
        self.peer = stack.enter_context(peer)
        assert self.node.wait_for_peers(timeout=15)

    def check(self) -> None:
        """It lives, and does what a node is for."""
        assert ask(self.port, "/healthz").body == b"chatter dashboard\n"
        self._heard.clear()
        self.node.broadcast("still there", 1)
        assert self._heard.wait(15)
        assert not self.log.at(logging.WARNING)
        assert not self.log.at(logging.ERROR), self.log.text


@pytest.fixture
def two(capfd: pytest.CaptureFixture[str]) -> Iterator[Two]:
    with contextlib.ExitStack() as stack:
        made = Two(stack)
        yield made
        made.check()
    gc.collect()
    assert capfd.readouterr() == ("", "")  # nothing of it goes anywhere but to the log


@pytest.fixture
def guarded(capfd: pytest.CaptureFixture[str]) -> Iterator[Two]:
    """With a token."""
    with contextlib.ExitStack() as stack:
        made = Two(stack, dashboard_token=TOKEN)
        yield made
        made.check()
        assert TOKEN not in made.log.text
    assert capfd.readouterr() == ("", "")


# Strangers


@pytest.mark.parametrize("path", ["/", "/ws", "/api/snapshot", "/healthz"])
def test_a_foreign_host(two: Two, path: str) -> None:
    for host in ("evil.example", f"evil.example:{two.port}"):
        assert ask(two.port, path, Host=host).status == 421
    assert ask(two.port, "/healthz", Host=f"localhost:{two.port}").status == 200


def test_two_hosts(two: Two) -> None:
    twice = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n"
    assert Response.parse(exchange(two.port, twice)).status == 421


def test_a_foreign_page_that_opens_a_websocket(two: Two) -> None:
    for origin in ("https://evil.example", f"http://localhost:{two.port}", "null"):
        with WebSocket(two.port, Origin=origin) as refused:
            assert refused.refused is not None
            assert refused.refused.status == 403
    with WebSocket(two.port, Origin=f"http://127.0.0.1:{two.port}") as ours:
        assert ours.next("snapshot")["local"] == str(two.node.local_netid)


def test_no_token_and_a_wrong_one(guarded: Two) -> None:
    port = guarded.port
    for path in (
        "/",
        "/api/snapshot",
        "/index.html",
        "/nothing",
        "/?token=wrong-wrong-wrong-wrong",
    ):
        assert ask(port, path).status == 401
        assert ask(port, path, Authorization="Bearer wrong-wrong-wrong-wrong").status == 401
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Cookie": f"chatter={TOKEN}"}):
        with WebSocket(port, **headers) as refused:
            assert refused.refused is not None
            assert refused.refused.status == 401


def test_the_right_token(guarded: Two) -> None:
    port = guarded.port
    first = ask(port, f"/?token={TOKEN}")
    assert (first.status, first.headers["Location"]) == (303, "/")
    cookie = first.headers["Set-Cookie"].partition(";")[0]
    assert ask(port, "/api/snapshot", Cookie=cookie).status == 200
    assert ask(port, "/api/snapshot", Authorization=f"Bearer {TOKEN}").status == 200
    for headers in ({"Cookie": cookie}, {"Authorization": f"Bearer {TOKEN}"}):
        with WebSocket(port, **headers) as browser:
            assert browser.next("snapshot")


# Requests


@pytest.mark.parametrize(
    "path",
    [
        *("/../setup.cfg", "/%2e%2e/setup.cfg", "/..%2fsetup.cfg", "/./../web/../setup.cfg"),
        *(
            "//etc/passwd",
            "/%2fetc/passwd",
            "/\x00",
            "/%00",
            "/index.html%00.js",
            "/web/index.html",
        ),
        *("/%", "/%zz", "/\xff\xfe", "/" + "a" * 8000, "*", "http://evil.example/", "etc/passwd"),
    ],
)
def test_paths_that_lead_elsewhere(two: Two, path: str) -> None:
    response = ask(two.port, path)
    assert response.status == 404
    assert b"root:" not in response.body
    assert b"[metadata]" not in response.body


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nx: " + b"a" * 60_000 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"x: a\r\n" * 200 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"x: a\r\n" * 20_000 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET / HTTP/1\r\n\r\n", 400),
        (b"GET / HTTP/x.y\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\x00\xff\x16\x03\x01\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 421),
        (b"GET / HTTP/1.0\r\n\r\n", 421),
        (b"G\x1b[31mET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n no colon\r\n\r\n", 421),
    ],
)
def test_requests_that_are_none(two: Two, request_bytes: bytes, status: int) -> None:
    response = Response.parse(exchange(two.port, request_bytes))
    assert response.status == status
    assert "Content-Security-Policy" in response.headers
    assert "\x1b" not in two.log.text


@pytest.mark.parametrize(
    "framing", ["Content-Length: 1000000000", "Transfer-Encoding: chunked", "Content-Length: 0"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_a_body_is_neither_waited_for_nor_taken_for_a_request(
    two: Two, method: str, framing: str
) -> None:
    hidden = b"GET /api/snapshot HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    head = (
        f"{method} /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\n"
        f"{framing}\r\n\r\n"
    )
    data = exchange(two.port, head.encode() + hidden)
    assert Response.parse(data).status == (200 if method == "GET" else 405)
    assert data.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "start", [b"", b"GET", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "]
)
def test_half_a_request_is_not_waited_for(
    two: Two, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "REQUEST_S", 0.05)
    assert exchange(two.port, start) == b""


def test_a_request_that_drips_is_not_waited_for(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is for the whole of it: each byte on its own comes soon enough."""
    monkeypatch.setattr(handler, "REQUEST_S", 0.2)
    with connect(two.port) as sock:
        reader = gevent.spawn(read_all, sock)

        def drip() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock.sendall(b"a")
                    gevent.sleep(0.01)

        writer = gevent.spawn(drip)
        assert reader.get(timeout=15) == b""
        writer.kill()


def test_a_client_that_does_not_take_the_answer(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "ANSWER_S", 0.1)
    feed = two.node._dashboard._feed  # type: ignore[union-attr]
    monkeypatch.setattr(feed, "snapshot", lambda: {"filling": "x" * 50_000_000})
    with connect(two.port) as sock:
        sock.sendall(b"GET /api/snapshot HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        door = two.node._dashboard._listener  # type: ignore[union-attr]
        assert door is not None
        wait_until(lambda: door._sockets, "the connection")
        wait_until(lambda: not door._sockets, "its end")


def test_a_bug_of_ours_is_logged_and_costs_one_request(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = two.node._dashboard._feed  # type: ignore[union-attr]

    def fail() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(feed, "snapshot", fail)
    response = ask(two.port, "/api/snapshot")
    assert response.status == 500
    assert "Content-Security-Policy" in response.headers
    assert two.log.at(logging.ERROR)
    assert "RuntimeError: a bug" in two.log.text
    two.log.records.clear()


def test_an_answer_that_does_not_come_is_not_waited_for(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "ANSWER_S", 0.1)
    feed = two.node._dashboard._feed  # type: ignore[union-attr]
    monkeypatch.setattr(feed, "snapshot", Event().wait)
    assert ask(two.port, "/api/snapshot").status == 500


def test_a_connection_that_broke_is_no_bug(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = two.node._dashboard._feed  # type: ignore[union-attr]

    def break_off() -> None:
        raise TimeoutError(110, "Connection timed out")

    monkeypatch.setattr(feed, "snapshot", break_off)
    ask(two.port, "/api/snapshot")
    assert not two.log.at(logging.ERROR)


# Too many


def test_a_thousand_idle_connections(two: Two) -> None:
    """Whoever asks at once gets in; those that ask nothing make room for it."""
    with contextlib.ExitStack() as stack:
        for number in range(1000):
            stack.enter_context(connect(two.port))
            if number % 100 == 99:
                two.check()
        door = two.node._dashboard._listener  # type: ignore[union-attr]
        assert door is not None
        wait_until(lambda: len(door._sockets) <= listener.MAX_CONNECTIONS, "the bound")
    wait_until(lambda: not door._sockets, "their end")


def test_a_thousand_idle_websockets(two: Two) -> None:
    with contextlib.ExitStack() as stack:
        browsers = [stack.enter_context(WebSocket(two.port)) for _ in range(1000)]
        refusals = [one.refused for one in browsers if one.refused is not None]
        assert len(browsers) - len(refusals) == MAX_WEBSOCKETS
        assert {(one.status, one.headers["Retry-After"]) for one in refusals} == {(503, "5")}
        two.check()
        # A place that becomes free is had by the next one.
        next(one for one in browsers if one.refused is None).close()
        application = two.node._dashboard._feed  # type: ignore[union-attr]
        assert application is not None
        wait_until(lambda: len(application._followers) < MAX_WEBSOCKETS, "the free place")
        with WebSocket(two.port) as late:
            assert late.next("snapshot")


def test_all_places_are_taken_by_websockets_and_idle_ones(two: Two) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_WEBSOCKETS):
            assert stack.enter_context(WebSocket(two.port)).refused is None
        for _ in range(listener.MAX_CONNECTIONS):
            stack.enter_context(connect(two.port))
        two.check()
        assert ask(two.port, "/api/snapshot").status == 200


# WebSockets


@pytest.fixture
def flooded(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Two]:
    """Its feed never ends to tell."""
    monkeypatch.setattr(server, "Feed", FloodingFeed)
    monkeypatch.setattr(channel, "SEND_S", 0.2)
    with contextlib.ExitStack() as stack:
        made = Two(stack)
        yield made
        made.check()
    assert capfd.readouterr() == ("", "")


def test_a_browser_that_never_reads_is_dropped(flooded: Two) -> None:
    feed: Any = flooded.node._dashboard._feed  # type: ignore[union-attr]
    with WebSocket(flooded.port) as sleeper:
        assert sleeper.refused is None
        wait_until(lambda: feed.followers == 1, "the browser")
        wait_until(lambda: feed.followers == 0, "its end")
    flooded.check()


def test_a_browser_that_reads_is_not_held_up_by_one_that_does_not(flooded: Two) -> None:
    with WebSocket(flooded.port), WebSocket(flooded.port) as reader:
        for _ in range(50):
            assert reader.next("changes")["board"] == 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"x" * (MAX_MESSAGE_BYTES + 1)), 1009),
        (b"\x81\xff" + b"\x7f" + b"\xff" * 7, 1009),
        (frame(TEXT, b"{}"), 1008),
        (frame(TEXT, b'{"type":"send","tag":"x","body":1}'), 1008),  # not where it is not allowed
        (frame(BINARY, b"x"), 1003),
        (frame(TEXT, b"x", masked=False), 1002),
        (frame(TEXT | 0x20, b"x"), 1002),
        (frame(7, b"x"), 1002),
        (frame(0, b"x"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PONG, b"") * 200, 1008),
        (b"\xff" * 50, 1002),
        (frame(CLOSE, b"\x03\xe8"), 1001),
        (frame(CLOSE, b"x"), 1001),
    ],
)
def test_frames_that_end_the_connection(two: Two, data: bytes, code: int) -> None:
    with WebSocket(two.port) as browser:
        browser.next("snapshot")
        with contextlib.suppress(OSError):  # cut off before it has said all
            browser.sock.sendall(data)
        # None: it said so much more that the system threw away our word with it.
        assert browser.closed_with() in ((code, None) if len(data) > 10_000 else (code,))


def test_a_browser_that_vanishes(two: Two) -> None:
    browser = WebSocket(two.port)
    browser.next("snapshot")
    browser.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    browser.close()  # with a reset
    feed = two.node._dashboard._feed  # type: ignore[union-attr]
    assert feed is not None
    wait_until(lambda: not feed._followers, "its end")


def test_a_websocket_has_all_the_time_that_it_wants(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time to answer is for requests: a sample comes once a second."""
    monkeypatch.setattr(handler, "ANSWER_S", 0.05)
    with WebSocket(two.port) as browser:
        while "history" not in browser.next("changes"):
            pass


def test_a_browser_that_does_not_answer_pings(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "SILENCE_S", 0.1)
    with WebSocket(two.port) as silent:
        assert silent.closed_with() == 1001


def test_what_is_malformed_where_sending_is_allowed() -> None:
    with contextlib.ExitStack() as stack:
        two = Two(stack, dashboard_send=True)
        for text in ("nonsense", "[" * 60_000, '{"type":"send"}', '{"type":"stop"}'):
            with WebSocket(two.port) as browser:
                assert browser.next("snapshot")["may_send"] is True
                browser.sock.sendall(frame(TEXT, text.encode()))
                assert browser.closed_with() in (1007, 1008)
        with WebSocket(two.port) as browser:
            for tag, to, timeout_s in (("", None, 1), ("x", ["x"], 1), ("x", None, -1)):
                browser.send(type="send", ref=tag, tag=tag, body=1, to=to, timeout_s=timeout_s)
                answer = browser.next("error")
                assert answer["ref"] == tag
                assert answer["message"]
            browser.send(type="send", ref="ok", tag="x", body={"a": [None]}, to=None)
            assert browser.next("sent")["recipients"] == 1
            receipt = browser.next("receipt")
            assert receipt["delivered"] == [str(two.peer.local_netid)]
            assert (receipt["ref"], receipt["missing"]) == ("ok", [])
        two.check()


def test_sending_faster_than_allowed_is_answered() -> None:
    with contextlib.ExitStack() as stack:
        two = Two(stack, dashboard_send=True)
        with WebSocket(two.port) as browser:
            for ref in range(30):
                browser.send(type="send", ref=ref, tag="x", body=1)
            assert "a second" in browser.next("error")["message"]
        two.check()


def test_bodies_that_only_json_can_say() -> None:
    with contextlib.ExitStack() as stack:
        two = Two(stack, dashboard_send=True)
        with WebSocket(two.port) as browser:
            text = '{"type":"send","ref":"\\ud800","tag":"\\ud800","body":1}'
            browser.sock.sendall(frame(TEXT, text.encode()))
            assert browser.next("error")["ref"] == "\ud800"
            deep = json.dumps({"type": "send", "ref": 1, "tag": "x", "body": 0})
            nested = deep.replace('"body": 0', '"body": ' + "[" * 500 + "]" * 500)
            browser.sock.sendall(frame(TEXT, nested.encode()))
            assert browser.next("sent")["ref"] == 1
        two.check()
