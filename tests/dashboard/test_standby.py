"""Several processes and one dashboard address: one serves, the others wait for it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator

import gevent
import pytest

from chatter.dashboard import standby
from chatter.dashboard.application import HEALTH_TEXT
from chatter.dashboard.standby import ask_health, open_listening, reachable_host
from chatter.errors import ConfigError
from tests.dashboard.browser import Log, ask, port_of, shown
from tests.net.nodes import wait_until


@contextlib.contextmanager
def stranger(answer: bytes | None) -> Iterator[int]:
    """Something else on a port: says this to everybody who asks, or never anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held: list[socket.socket] = []

        def serve() -> None:
            while True:
                sock, _ = listening.accept()
                held.append(sock)
                if answer is not None:
                    sock.recv(4096)
                    sock.sendall(answer)
                    sock.close()

        greenlet = gevent.spawn(serve)
        try:
            yield listening.getsockname()[1]
        finally:
            greenlet.kill()
            for sock in held:
                sock.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds between processes takes moments here."""
    monkeypatch.setattr(standby, "RETRY_S", 0.02)
    monkeypatch.setattr(standby, "ANSWER_S", 0.5)


# The socket


def test_a_socket_is_had_by_one_alone() -> None:
    first = open_listening("127.0.0.1:0", has_token=False)
    assert first is not None
    with first:
        port = first.getsockname()[1]
        assert open_listening(f"127.0.0.1:{port}", has_token=False) is None
        assert open_listening(f"localhost:{port}", has_token=False) is None
        assert open_listening(f"0.0.0.0:{port}", has_token=True) is None
    again = open_listening(f"127.0.0.1:{port}", has_token=False)
    assert again is not None
    again.close()


def test_the_port_is_free_at_once_though_connections_were_open() -> None:
    first = open_listening("127.0.0.1:0", has_token=False)
    assert first is not None
    address = first.getsockname()
    with socket.create_connection(address):
        served, _ = first.accept()
        served.close()  # our side ends first, and is the one that lingers
        first.close()
        second = open_listening(f"127.0.0.1:{address[1]}", has_token=False)
        assert second is not None
        second.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("192.0.2.1:8000", "192.0.2.1 is no address of this machine.*ip address"),
        ("no-such-host.invalid:8000", "'no-such-host.invalid' cannot be looked up"),
    ],
)
def test_what_cannot_be_had_is_named(
    text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    if "invalid" in text:
        monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConfigError, match=f"^dashboard: {message}"):
        open_listening(text, has_token=True)


def test_a_socket_that_was_passed_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        taken = open_listening(f"fd://{given.fileno()}", has_token=False)
        assert taken is not None
        with taken:
            assert taken.getsockname() == given.getsockname()
            assert taken.fileno() != given.fileno()
        assert given.fileno() >= 0
        with socket.create_connection(given.getsockname()):
            given.accept()[0].close()  # it still listens


def test_what_is_no_socket_to_listen_on() -> None:
    reader, writer = os.pipe()
    with socket.socket() as idle, socket.socket(socket.AF_UNIX) as local:
        for number in (reader, idle.fileno(), local.fileno(), 99_999):
            with pytest.raises(ConfigError, match=f"^dashboard: fd://{number}[: ]"):
                open_listening(f"fd://{number}", has_token=False)
    os.close(reader)
    os.close(writer)


def test_a_socket_that_strangers_reach_needs_a_token() -> None:
    with socket.create_server(("0.0.0.0", 0)) as given:
        text = f"fd://{given.fileno()}"
        with pytest.raises(ConfigError, match=r"^dashboard: .*0\.0\.0\.0.*dashboard_token"):
            open_listening(text, has_token=False)
        taken = open_listening(text, has_token=True)
        assert taken is not None
        taken.close()


# Who has the port


def test_how_a_dashboard_is_known() -> None:
    with shown() as chatter:
        assert ask_health("127.0.0.1", port_of(chatter)) == HEALTH_TEXT.encode()
        assert ask_health("localhost", port_of(chatter)) == HEALTH_TEXT.encode()
        port = port_of(chatter)
    assert ask_health("127.0.0.1", port) is None  # nobody is there any more
    assert [reachable_host(host) for host in ("0.0.0.0", "::", "10.0.0.1")] == [
        *("127.0.0.1", "::1", "10.0.0.1"),
    ]


@pytest.mark.parametrize(
    ("answer", "understood"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 404 Not Found\r\n\r\nchatter dashboard\n", b""),
        (b"SSH-2.0-x\r\n", b""),
        (b"", None),
        (None, None),
    ],
)
def test_what_others_say(
    answer: bytes | None, understood: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standby, "ANSWER_S", 0.1)
    with stranger(answer) as port:
        assert ask_health("127.0.0.1", port) == understood


# Waiting


def test_the_next_one_takes_over() -> None:
    log, third_log = Log(), Log()
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(shown())
        port = port_of(first)
        where = {"dashboard": f"127.0.0.1:{port}"}
        second = stack.enter_context(shown(logger=log.logger, **where))
        assert second.dashboard_url == first.dashboard_url
        wait_until(lambda: any("takes over" in line for line in log.at(logging.INFO)), "the word")
        assert ask(port, "/api/snapshot").body.find(str(first.local_netid).encode()) > 0
        first.stop()
        wait_until(
            lambda: any("dashboard is at" in one for one in log.at(logging.INFO)), "the turn"
        )
        assert str(second.local_netid).encode() in ask(port, "/api/snapshot").body
        # And so on.
        third = stack.enter_context(shown(logger=third_log.logger, **where))
        second.stop()
        wait_until(lambda: any("is at" in one for one in third_log.at(logging.INFO)), "the next")
        assert str(third.local_netid).encode() in ask(port, "/api/snapshot").body
    assert len([line for line in log.at(logging.INFO) if "takes over" in line]) == 1
    assert not log.at(logging.WARNING)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n\r\nhello", b"SSH-2.0-x\r\n", b"", None])
def test_a_stranger_is_one_warning_and_waited_for(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standby, "ANSWER_S", 0.05)
    log = Log()
    asked = 0

    def counted(host: str, port: int) -> bytes | None:
        nonlocal asked
        asked += 1
        return ask_health(host, port)

    monkeypatch.setattr(standby, "ask_health", counted)
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(stranger(answer))
        holder = stack.pop_all()
        with shown(logger=log.logger, dashboard=f"127.0.0.1:{port}") as chatter:
            wait_until(lambda: log.at(logging.WARNING), "the warning")
            before = asked
            wait_until(lambda: asked >= before + 4, "more attempts")
            [warning] = log.at(logging.WARNING)
            assert f"port {port} of 127.0.0.1 is taken" in warning
            assert "ss -lntp" in warning
            holder.close()
            wait_until(lambda: any("is at" in one for one in log.at(logging.INFO)), "the turn")
            assert str(chatter.local_netid).encode() in ask(port, "/api/snapshot").body
    assert len(log.at(logging.WARNING)) == 1


def test_who_waits_can_be_stopped() -> None:
    with shown() as first:
        port = port_of(first)
        second = shown(dashboard=f"127.0.0.1:{port}")
        with second as chatter:
            pass
        assert chatter.dashboard_url is None
        assert ask(port, "/healthz").status == 200
