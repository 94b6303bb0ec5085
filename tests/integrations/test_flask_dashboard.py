"""The dashboard under a prefix of an application, behind the application's own authorisation."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, Response, redirect, request

from chatter import generate_key
from chatter.dashboard.application import MAX_SNAPSHOTS
from chatter.dashboard.channel import GOING_AWAY
from chatter.integrations import serving
from chatter.integrations.flask import FlaskChatter
from tests.dashboard.browser import WebSocket
from tests.integrations.servers import PATCH, SITE, WEBSOCKET_WORKER, Server, Site

ADMIN = {"Cookie": "user=admin"}
PREFIX = "/admin/chatter"


@pytest.fixture(autouse=True)
def _nobody_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_enlisted", [])
    monkeypatch.setattr(serving, "_serving_pid", 0)


def application(
    authorize: Callable[[], Any] = lambda: True, **fields: Any
) -> tuple[Flask, FlaskChatter]:
    extension = FlaskChatter(
        address="127.0.0.1:0", multicast=[], key=generate_key(), beacon_interval_s=0.1, **fields
    )
    app = Flask("shop")
    extension.init_app(app)
    blueprint = extension.dashboard_blueprint(authorize=authorize)
    app.register_blueprint(blueprint, url_prefix=PREFIX)
    return app, extension


@pytest.fixture
def shop() -> Iterator[Flask]:
    app, extension = application()
    with extension.start(app):
        yield app


def test_the_page_and_its_files_are_there_under_the_prefix(shop: Flask) -> None:
    client = shop.test_client()
    page = client.get(f"{PREFIX}/")
    assert page.status_code == 200
    assert page.content_type == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    # It names its files relative to its own address, which therefore ends with a slash.
    assert client.get(PREFIX).headers["Location"].endswith(f"{PREFIX}/")
    script = client.get(f"{PREFIX}/app.js")
    assert script.content_type == "text/javascript; charset=utf-8"
    again = client.get(f"{PREFIX}/app.js", headers={"If-None-Match": script.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get(f"{PREFIX}/no.js").status_code == 404
    assert client.post(f"{PREFIX}/").status_code == 405
    assert client.head(f"{PREFIX}/").data == b""


def test_metrics_are_there_behind_the_same_authorisation(shop: Flask) -> None:
    page = shop.test_client().get(f"{PREFIX}/metrics")
    assert page.status_code == 200
    address = shop.extensions["chatter"].local_netid
    assert f'chatter_broadcasts_total{{node="{address}"}} 0.0' in page.get_data(as_text=True)
    refused, extension = application(authorize=lambda: False)
    with extension.start(refused):
        assert refused.test_client().get(f"{PREFIX}/metrics").status_code == 403


def test_a_snapshot_is_that_of_the_applications_node(shop: Flask) -> None:
    node = shop.extensions["chatter"]
    answer = shop.test_client().get(f"{PREFIX}/api/snapshot").get_json()
    assert answer["local"] == str(node.local_netid)
    node.stop()
    assert shop.test_client().get(f"{PREFIX}/api/snapshot").status_code == 503
    node.start()
    answer = shop.test_client().get(f"{PREFIX}/api/snapshot").get_json()
    assert answer["local"] == str(node.local_netid)


def test_answers_that_others_take_the_place_of_do_not_count_for_ever(shop: Flask) -> None:
    fails = True

    @shop.after_request
    def fail(response: Response) -> Response:
        if fails:
            raise RuntimeError("a hook of the application")
        return response

    client = shop.test_client()
    for _ in range(MAX_SNAPSHOTS + 1):
        assert client.get(f"{PREFIX}/api/snapshot").status_code == 500
    fails = False
    assert client.get(f"{PREFIX}/api/snapshot").status_code == 200


def test_any_name_of_the_application_is_good(shop: Flask) -> None:
    """Which addresses it serves is the application's to decide, not the dashboard's."""
    answer = shop.test_client().get(f"{PREFIX}/", headers={"Host": "shop.example"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("authorize", "status"),
    [
        (lambda: True, 200),
        (lambda: False, 403),
        (lambda: None, 403),
        (lambda: redirect("/login"), 302),
        (lambda: ("Who are you?", 401), 401),
        (lambda: request.args.get("who") == "me", 403),
        (lambda: {"user": "me"}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/", "/app.js", "/api/snapshot", "/healthz", "/ws", "/none"])
def test_nothing_is_shown_that_was_not_allowed(
    authorize: Callable[[], Any], status: int, path: str
) -> None:
    app, extension = application(authorize)
    with extension.start(app):
        answer = app.test_client().get(PREFIX + path)
    if status == 200:
        instead = answer.data == b'{"user":"me"}\n'
        assert answer.status_code == (200 if instead else {"/ws": 426, "/none": 404}.get(path, 200))
    else:
        assert answer.status_code == status
        assert b"chatter" not in answer.data


def test_a_hook_that_returns_an_object_shows_nothing() -> None:
    """As one that returns the user, rather than whether that one may look."""
    app, extension = application(lambda: object())
    with extension.start(app):
        answer = app.test_client().get(f"{PREFIX}/")
    assert answer.status_code == 500
    assert b"<script" not in answer.data


def test_without_a_hook_there_is_no_dashboard() -> None:
    extension = FlaskChatter()
    with pytest.raises(TypeError, match="authorize"):
        extension.dashboard_blueprint()  # type: ignore[call-arg]


def test_where_the_node_does_not_run_it_says_so() -> None:
    app, _ = application()
    answer = app.test_client().get(f"{PREFIX}/")
    assert answer.status_code == 503
    assert b"gunicorn.conf.py" in answer.data


# The live page, by real servers


def started(site: Site, kind: str) -> Server:
    if kind == "flask run --debug":
        options = ("--debug", "--port", str(site.port))
        return site.flask("run", *options, app=PATCH + SITE)
    # Longer than any test waits: who looks must not be what ends a worker.
    return site.gunicorn("-k", kind, "--graceful-timeout", "300")


SERVERS = ["gevent", WEBSOCKET_WORKER, "flask run --debug"]


@pytest.mark.parametrize("kind", SERVERS)
def test_the_live_page_follows_the_cluster(site: Site, kind: str) -> None:
    outside = site.outside()
    server = started(site, kind)
    server.until(lambda: len(outside.chatter.peers()) == 1, "the node")
    server.until(server.answers, "the server")
    outside.chatter.broadcast("count", 1)
    with WebSocket(site.port, f"{PREFIX}/ws", **ADMIN) as live:
        assert live.refused is None
        snapshot = live.next("snapshot")
        assert str(outside.chatter.local_netid) in snapshot["nodes"]
        late = site.outside()
        while str(late.chatter.local_netid) not in json.dumps(live.next("changes")):
            pass
    # The connection's end leaves the server as it was.
    with WebSocket(site.port, f"{PREFIX}/ws", **ADMIN) as live:
        live.next("snapshot")
        live.sock.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n")  # no frame: cut off
        while live.receive()[0]:
            pass
    assert server.who()["address"] in snapshot["nodes"]
    assert "Traceback" not in server.log
    assert "Error handling request" not in server.log


@pytest.mark.parametrize("kind", SERVERS)
def test_who_may_not_look_gets_no_live_page(site: Site, kind: str) -> None:
    server = started(site, kind)
    server.until(server.answers, "the server")
    for headers in ({}, {**ADMIN, "Origin": "http://elsewhere.example"}):
        with WebSocket(site.port, f"{PREFIX}/ws", **headers) as live:
            if live.refused is None:
                # gevent-websocket had made the upgrade before the application was asked.
                assert kind == WEBSOCKET_WORKER
                opcode, _ = live.receive()
                assert opcode in (8, 0)  # closed, and nothing was told
            else:
                assert live.refused.status == 403
    assert server.who()["pid"]
    assert "Traceback" not in server.log


def test_a_worker_that_ends_says_goodbye_to_browsers(site: Site) -> None:
    server = started(site, "gevent")
    server.until(server.answers, "the server")
    with WebSocket(site.port, f"{PREFIX}/ws", **ADMIN) as live:
        live.next("snapshot")
        server.signal(signal.SIGTERM)
        assert live.closed_with() == GOING_AWAY
    assert server.ended() == 0
