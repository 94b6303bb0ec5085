"""The dashboard of a node: starts and stops with it, and is never in its way."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest

from chatter import Chatter, ConfigError, generate_key
from chatter.dashboard import server
from tests.dashboard.browser import Log, WebSocket, ask, port_of, shown
from tests.dashboard.feeds import FakeFeed
from tests.net.test_service import run_script


def test_it_says_where_it_is() -> None:
    log = Log()
    with shown(logger=log.logger) as chatter:
        url = chatter.dashboard_url
        assert url == f"http://127.0.0.1:{port_of(chatter)}/"
        assert f"= the dashboard is at {url}" in log.at(logging.INFO)
    assert chatter.dashboard_url is None
    assert not log.at(logging.WARNING)


def test_without_it_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTER_DASHBOARD", "127.0.0.1:0")
    with Chatter(address="127.0.0.1:0", multicast=[], key=generate_key(), dashboard="") as chatter:
        assert chatter.dashboard_url is None
    with Chatter(address="127.0.0.1:0", multicast=[], key=generate_key()) as chatter:
        assert ask(port_of(chatter), "/healthz").status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_it_answers_to_its_own_name(host: str) -> None:
    with shown(dashboard=f"{host}:0") as chatter:
        port = port_of(chatter)
        assert chatter.dashboard_url == f"http://{host}:{port}/"
        assert ask(port, "/api/snapshot", Host=f"{host}:{port}").status == 200


def test_names_of_a_proxy_are_answered_to() -> None:
    with shown(dashboard_hosts=["Dash.Example"]) as chatter:
        port = port_of(chatter)
        assert ask(port, "/healthz", Host="dash.example").status == 200
        assert ask(port, "/healthz", Host="other.example").status == 421
        with WebSocket(port, Host="dash.example", Origin="https://dash.example") as browser:
            assert browser.next("snapshot")


def test_a_wildcard_tells_an_address_that_can_be_typed() -> None:
    token = "0123456789abcdef"
    with shown(dashboard="0.0.0.0:0", dashboard_token=token) as chatter:
        assert chatter.dashboard_url is not None
        assert "0.0.0.0" not in chatter.dashboard_url
        assert token not in chatter.dashboard_url
        assert ask(port_of(chatter), "/api/snapshot").status == 401


def test_a_socket_that_was_passed_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        settings: dict[str, Any] = {"dashboard": f"fd://{given.fileno()}"}
        for _ in range(2):  # the descriptor outlives the node
            with shown(**settings) as chatter:
                port = given.getsockname()[1]
                assert chatter.dashboard_url == f"http://127.0.0.1:{port}/"
                assert str(chatter.local_netid).encode() in ask(port, "/api/snapshot").body


def test_an_address_that_cannot_be_had_leaves_nothing_running() -> None:
    chatter = Chatter(
        address="127.0.0.1:0",
        multicast=[],
        key=generate_key(),
        dashboard="192.0.2.1:8000",
        dashboard_token="0123456789abcdef",
    )
    with pytest.raises(ConfigError, match=r"^dashboard: 192\.0\.2\.1 is no address of this"):
        chatter.start()
    assert not chatter.running
    assert chatter.dashboard_url is None


def test_the_end_is_told_to_browsers_and_frees_the_port() -> None:
    with shown() as chatter:
        port = port_of(chatter)
        with WebSocket(port) as browser:
            browser.next("snapshot")
            chatter.stop()
            assert browser.closed_with() == 1001
        with socket.create_server(("127.0.0.1", port)):
            pass
        chatter.start()  # and again
        assert ask(port_of(chatter), "/healthz").status == 200


def test_the_feed_begins_and_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    feeds: list[FakeFeed] = []

    class Kept(FakeFeed):
        def __init__(self, *args: Any, **fields: Any) -> None:
            super().__init__(*args, **fields)
            feeds.append(self)

    monkeypatch.setattr(server, "Feed", Kept)
    with shown():
        assert [feed.stopped for feed in feeds] == [False]
    assert [feed.stopped for feed in feeds] == [True]


def test_without_the_extra_the_error_says_what_to_install() -> None:
    done = run_script("""
        from gevent import monkey; monkey.patch_all()
        import sys
        sys.modules["geventwebsocket"] = None
        from chatter import Chatter, ConfigError
        plain = Chatter(address="127.0.0.1:0", multicast=[])
        with plain:
            pass
        chatter = Chatter(address="127.0.0.1:0", multicast=[], dashboard="127.0.0.1:0")
        try:
            chatter.start()
        except ConfigError as error:
            print(error, chatter.running)
    """)
    assert done.stderr == ""
    assert "pip install '.[dashboard]'" in done.stdout
    assert done.stdout.endswith(" False\n")


def test_a_forked_child_serves_nothing_and_may_begin_anew() -> None:
    done = run_script("""
        from gevent import monkey; monkey.patch_all()
        import os, signal, socket, sys, time, urllib.request
        from chatter import Chatter

        def shown_by(url):
            return urllib.request.urlopen(url + "api/snapshot", timeout=10).read().decode()

        def ports():
            found = []
            for fd in map(int, os.listdir("/proc/self/fd")):
                try:
                    with socket.socket(fileno=os.dup(fd)) as copy:
                        name = copy.getsockname()
                except OSError:
                    continue  # no socket
                if isinstance(name, tuple):
                    found.append(name[1])
            return found

        chatter = Chatter(address="127.0.0.1:0", multicast=[], dashboard="127.0.0.1:0").start()
        url, parent = chatter.dashboard_url, str(chatter.local_netid)
        port = int(url.rstrip("/").rpartition(":")[2])
        browser = socket.create_connection(("127.0.0.1", port))
        shown_by(url)
        child = os.fork()
        if child == 0:
            signal.alarm(30)
            while port in ports():
                time.sleep(0.005)  # a closed descriptor is let go when the hub turns
            print(ports() == [browser.getsockname()[1]], chatter.dashboard_url)
            chatter.start()
            print(chatter.running, chatter.dashboard_url != url)
            chatter.stop()
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(status, parent in shown_by(url))
        browser.close()
        chatter.stop()
    """)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["True None", "True True", "0 True"]
