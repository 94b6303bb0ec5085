"""The page in a real browser, over a live cluster of twelve processes in three segments.

One cluster and one page for all, in the order of a story: later tests kill what earlier ones need.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from gevent.pywsgi import WSGIServer

from scripts.browser.client import Browser
from scripts.lab.cluster import Cluster
from scripts.lab.page import open_page, url_of
from scripts.lab.tree import Place
from tests.dashboard.browser import port_of, shown
from tests.dashboard.page import Page, total_js
from tests.net.nodes import wait_until

pytestmark = pytest.mark.browser

SEGMENTS, HOSTS = 3, 4


class Stage(Page):
    """The page, and the cluster that it shows."""

    def __init__(self, cluster: Cluster, page: socket.socket, browser: Browser) -> None:
        super().__init__(browser, url_of(page))
        self.cluster = cluster

    @property
    def server(self) -> Place:
        """Whose node serves the page."""
        return self.cluster.places[0]

    def address(self, segment: int, number: int) -> str:
        return self.cluster.nodes[Place(segment, number)].address

    def broadcast(self, place: Place, **fields: Any) -> dict[str, Any]:
        """Have a node broadcast; what it answers."""
        node = self.cluster.nodes[place]
        kind = "receipt" if fields.get("confirm") else "sent"
        answered = node.request({"broadcast": fields}, kind)
        for other in self.cluster.nodes.values():
            other.take()
        return answered


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with (
        open_page(0) as page,
        Cluster(SEGMENTS, HOSTS, None, dashboard=page) as cluster,
        Browser() as browser,
    ):
        cluster.wait_for_membership()
        cluster.wait_for_segments(30.0)
        stage = Stage(cluster, page, browser)
        browser.open(stage.url)
        yield stage


def test_it_shows_twelve_nodes_in_three_segments(stage: Stage) -> None:
    stage.until_alive(12)
    stage.until_connected()
    assert set(stage.states()) == set(stage.cluster.by_address)
    stage.until(
        "new Set([...document.querySelectorAll('[data-testid=node]')]"
        ".map(one => one.dataset.segment)).size === 3"
    )
    segments: dict[str, str] = stage.browser.look(
        "Object.fromEntries([...document.querySelectorAll('[data-testid=node]')]"
        ".map(one => [one.dataset.address, one.dataset.segment]))"
    )
    together = {
        frozenset(one for one, of in segments.items() if of == segment)
        for segment in segments.values()
    }
    assert together == {
        frozenset(stage.address(segment, number) for number in range(1, HOSTS + 1))
        for segment in range(1, SEGMENTS + 1)
    }
    assert stage.browser.look("document.querySelectorAll('[data-testid=peer]').length") == 12


@pytest.mark.parametrize("origin", [Place(1, 1), Place(2, 3), Place(3, 2)], ids=str)
def test_the_tree_of_a_broadcast_has_the_edges_of_its_receipt(stage: Stage, origin: Place) -> None:
    receipt = stage.broadcast(origin, tag="true", body={"n": 1}, confirm=True, timeout_s=5)
    assert len(receipt["delivered"]) == 11
    id_end = f"/{receipt['seqno']}"
    item = (
        f"[data-testid=broadcast][data-id^='{stage.cluster.nodes[origin].address}/']"
        f"[data-id$='{id_end}']"
    )
    stage.until(f'document.querySelector("{item}")')
    stage.browser.click(item)
    # It is drawn as it happened, in slow motion.
    stage.until(
        f'document.querySelector("{item}[aria-current=true]")'
        " && document.querySelectorAll('[data-testid=edge]').length === 11"
    )
    shown: list[list[str]] = stage.browser.look(
        "[...document.querySelectorAll('[data-testid=edge]')].map(one => [one.dataset.server,"
        " one.dataset.recipient, one.dataset.hop, one.dataset.way])"
    )
    told = [[e["server"], e["recipient"], str(e["hop"]), e["via"]] for e in receipt["edges"]]

    assert sorted(shown) == sorted(told)


def test_counters_rise_by_what_was_broadcast(stage: Stage) -> None:
    stage.until(f"{total_js('deliveries')} === 11 * {total_js('broadcasts')}")
    before = {name: stage.total(name) for name in ("broadcasts", "deliveries")}
    for number in range(8):
        stage.broadcast(Place(1 + number % 3, 2), tag="counted", body=number)
    stage.until(f"{total_js('broadcasts')} >= {before['broadcasts'] + 8}")
    stage.until(f"{total_js('deliveries')} >= {before['deliveries'] + 88}")
    stage.broadcast(Place(1, 1), tag="last", body=None)
    stage.until_tag("last", 11)

    assert stage.total("broadcasts") == before["broadcasts"] + 9
    assert stage.total("deliveries") == before["deliveries"] + 99
    counted = "document.querySelector('[data-testid=tag][data-tag=counted]').dataset.value"
    assert stage.browser.look(counted) == "88"


def test_a_test_broadcast_is_sent_and_its_receipt_watched(stage: Stage) -> None:
    stage.browser.fill("[data-testid=send-tag]", "from the page")
    stage.browser.fill("[data-testid=send-body]", '{"text": "hello"}')
    stage.browser.click("[data-testid=send-submit]")
    stage.until("document.querySelector('[data-testid=send-result]').textContent.includes('11')")
    heard = stage.cluster.nodes[Place(3, 4)]

    def arrived() -> object:
        return next((e for e in heard.take() if e.get("tag") == "from the page"), None)

    assert heard.wait_for(arrived, 10.0, "message")


def test_strange_tags_are_text_and_nothing_else(stage: Stage) -> None:
    tag = "<img src=x onerror=alert(1)>"
    stage.broadcast(Place(2, 1), tag=tag, body=1)
    stage.until(
        "[...document.querySelectorAll('[data-testid=tag]')]"
        f".some(one => one.dataset.tag === '{tag}')"
    )

    assert stage.browser.look("document.querySelectorAll('img').length") == 0


def test_all_fits_a_phone(stage: Stage) -> None:
    stage.browser.resize(360, 740)
    stage.until("innerWidth === 360")
    width = stage.browser.look("document.documentElement.scrollWidth")
    stage.browser.resize(1280, 900)

    assert width <= 360


def test_nothing_was_logged_and_no_other_host_was_asked(stage: Stage) -> None:
    hosts = {urlsplit(one).netloc for one in stage.browser.requests}

    assert stage.browser.logged == []
    assert stage.browser.failed == []
    assert hosts == {urlsplit(stage.url).netloc}
    assert any(one.startswith("ws://") for one in stage.browser.requests)


def test_a_killed_node_turns_failed(stage: Stage) -> None:
    place = Place(2, 4)
    address = stage.cluster.nodes[place].address
    stage.cluster.give_up(place).kill()
    stage.until(
        f"document.querySelector(\"[data-testid=node][data-address='{address}']\")"
        ".dataset.state === 'failed'"
    )

    states = stage.states()
    assert [one for one, state in states.items() if state == "failed"] == [address]
    row = f"document.querySelector(\"[data-testid=peer][data-address='{address}']\").textContent"
    assert "failed" in stage.browser.look(row)


def test_it_comes_back_by_itself_when_the_server_does(stage: Stage) -> None:
    stage.cluster.give_up(stage.server).kill()
    stage.until_connected(False)
    assert len(stage.states()) == 12, "the last picture stays"
    stage.cluster.start_node(stage.server)
    stage.until_connected()
    stage.until_alive(11)

    ours = [one for one in stage.browser.logged if not re.search(r"net::ERR_|WebSocket", one)]
    assert ours == [], "but for what the browser itself says of a connection that was cut"


def test_who_lacks_the_token_is_told_how_to_give_it() -> None:
    with Browser() as browser:
        with shown(dashboard_token="0123456789abcdef") as node:
            place = f"127.0.0.1:{port_of(node)}"
            browser.open(f"http://{place}/?token=0123456789abcdef")
            page = Page(browser, f"http://{place}/")
            page.until_connected()
        # Another cluster's, or the token was changed.
        with shown(dashboard=place, dashboard_token="fedcba9876543210"):
            page.until("document.getElementById('banner').textContent.includes('?token=')")
            assert "log in" not in browser.look("document.getElementById('banner').textContent")


@contextmanager
def serving(page: str) -> Iterator[str]:
    """The address of a server that knows this page and no other."""

    def application(environ: Any, start_response: Any) -> list[bytes]:
        found = environ["PATH_INFO"] == "/"
        start_response("200 OK" if found else "404 Not Found", [("Content-Type", "text/html")])
        return [page.encode()] if found else []

    server = WSGIServer(("127.0.0.1", 0), application, log=None)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.stop()


def until_some(end: str, told: Callable[[], list[str]]) -> None:
    """Until one of the lines that are told ends so."""
    wait_until(lambda: any(one.endswith(end) for one in told()), end)


def test_the_driver_reports_what_a_page_does_wrong() -> None:
    """Else nothing logged and nothing failed would mean nothing."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        page = (
            "<script>console.error('boo'); nowhere.at.all</script>"
            "<script>new WebSocket(`ws://${location.host}/ws`)</script>"
            f"<script src='/no.js'></script><script src='{nowhere}'></script>"
        )
        with serving(page) as url, Browser() as browser:
            browser.open(url)
            # The browser tells of each when it comes to it: not in the page's order, nor at once.
            for end in (f"404: ws{url.removeprefix('http')}/ws", f"404: {url}/no.js"):
                until_some(end, lambda: browser.failed)
            until_some(f"net::ERR_CONNECTION_REFUSED: {nowhere}", lambda: browser.failed)
            until_some("error: boo", lambda: browser.logged)
            until_some("nowhere is not defined", lambda: browser.logged)


def test_without_chromium_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.browser.client import why_no_browser

    monkeypatch.setenv("PATH", "/nowhere")

    assert "apt-get install chromium" in (why_no_browser() or "")
