"""examples/chat: started by its one command, and used by people on different workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flask_socketio", reason="needs Flask-SocketIO")
pytest.importorskip("gunicorn", reason="needs the extra gunicorn")

import socketio

from scripts.browser.client import Browser
from scripts.socketio_lab.workers import wait_for
from tests.net.nodes import random_group

CHAT = Path(__file__).resolve().parent.parent.parent / "examples" / "chat"


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[str]:
    """Where it is served."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{probe.getsockname()[1]}"
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(CHAT / "run")],
            env={
                **os.environ,
                "PYTHON": sys.executable,
                "CHAT_BIND": bind,
                "CHAT_GROUP": random_group(),
            },
            stdout=out,
            stderr=out,
        )
    try:
        wait_for(lambda: process.poll() is not None or answers(f"http://{bind}/"), "the page")
        assert process.poll() is None, log.read_text()
        yield f"http://{bind}"
        assert "Traceback" not in log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def answers(url: str) -> bool:
    """Whether there is a page."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return b"Chat over four workers" in response.read()
    except urllib.error.URLError:
        return False


class Guest:
    """Somebody who is connected."""

    def __init__(self, url: str) -> None:
        self.heard: list[tuple[str, str, str]] = []
        self.client = socketio.Client(reconnection=False, handle_sigint=False)
        self.client.on("*", lambda event, what: self._hear(event, what))
        self.client.connect(url, transports=["websocket"], wait_timeout=30)

    def _hear(self, event: str, what: dict[str, Any]) -> None:
        self.heard.append((event, what["name"], what["text"]))

    def call(self, event: str, *arguments: Any) -> Any:
        """What the application answers."""
        return self.client.call(event, arguments, timeout=30)


def test_people_on_different_workers_hear_each_other(chat: str) -> None:
    guests: list[Guest] = []
    workers: set[int] = set()

    def come() -> bool:
        guest = Guest(chat)
        guests.append(guest)
        workers.add(guest.call("enter", f"guest {len(guests)}", "den")["worker"])
        return len(workers) >= 2 and len(guests) >= 3

    wait_for(come, "guests of two workers")
    stranger = Guest(chat)
    assert stranger.call("say", "hello") == {"error": "enter a room first"}
    assert "error" in stranger.call("enter", " ", {"no": "text"})
    stranger.call("enter", "stranger", "attic")
    for number, guest in enumerate(guests, 1):
        assert guest.call("say", f"from {number}") == {}
    said = [("message", f"guest {n}", f"from {n}") for n in range(1, len(guests) + 1)]
    for guest in guests:
        wait_for(lambda guest=guest: set(said) <= set(guest.heard), "what was said")  # type: ignore[misc]
        assert [guest.heard.count(one) for one in said] == [1] * len(said)
    assert stranger.heard == [("notice", "stranger", "stranger is here")]
    guests[0].client.disconnect()
    left = ("notice", "guest 1", "guest 1 has left")
    for guest in guests[1:]:
        wait_for(lambda guest=guest: left in guest.heard, "who has left")  # type: ignore[misc]
        guest.client.disconnect()
    stranger.client.disconnect()


@pytest.mark.browser
def test_the_page(chat: str) -> None:
    guest = Guest(chat)
    guest.call("enter", "guest", "den")
    with Browser() as page:
        page.open(chat)
        page.wait("!document.querySelector('#enter button').disabled")
        page.fill("#name", "reader")
        page.fill("#room", "den")
        page.click("#enter button")
        page.wait("document.getElementById('state').textContent.startsWith('reader in den')")
        wait_for(lambda: ("notice", "reader", "reader is here") in guest.heard, "the reader")
        page.fill("#text", "<b>from the page</b>")
        page.click("#say button")
        said = ("message", "reader", "<b>from the page</b>")
        wait_for(lambda: said in guest.heard, "what was said on the page")
        guest.call("say", "to the page")
        page.wait("document.getElementById('messages').textContent.includes('to the page')")
        shown = page.look("[...document.querySelectorAll('#messages span')].map(e => e.innerHTML)")
        assert shown == ["reader is here", "&lt;b&gt;from the page&lt;/b&gt;", "to the page"]
        page.resize(320, 600)
        assert page.look("document.documentElement.scrollWidth <= innerWidth")
    guest.client.disconnect()
