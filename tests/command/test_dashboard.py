"""`chatter node --dashboard` as a process, and who never shows one."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.command.descriptors import DEADLINE_S
from tests.command.process import Cluster

TOKEN = "0123456789abcdef"


def fetch(url: str, **headers: str) -> Any:
    """The JSON at an address."""
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
        return json.load(answer)


def test_a_sidecar_says_where_its_dashboard_is(cluster: Cluster) -> None:
    node = cluster.start("node", "--json", "--dashboard", "127.0.0.1:0", "--dashboard-send")
    ready = node.event("ready")
    assert ready.keys() == {"event", "address", "dashboard"}
    snapshot = fetch(ready["dashboard"] + "api/snapshot")
    assert snapshot["local"] == ready["address"]
    assert snapshot["may_send"] is True
    node.request(leave=True)
    assert node.ended() == 0


def test_a_person_is_told_how_to_open_it(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    node = cluster.start("node", "--dashboard", "127.0.0.1:0", "--dashboard-token-file", str(path))
    line = node.next_line().decode()
    assert ", dashboard at http://127.0.0.1:" in line
    assert "?token=" in line
    url = line.partition("dashboard at ")[2].split()[0]
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        fetch(url + "api/snapshot")
    refused.value.close()
    assert fetch(url + "api/snapshot", Authorization=f"Bearer {TOKEN}")["may_send"] is False
    node.process.send_signal(signal.SIGINT)
    assert node.ended() == 0
    assert TOKEN.encode() not in b"".join(node.lines) + node.errors


def test_a_socket_that_was_passed_on(cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        given.set_inheritable(True)
        number = given.fileno()
        node = cluster.start("node", "--json", "--dashboard", f"fd://{number}", pass_fds=(number,))
        url = node.event("ready")["dashboard"]
        assert url == f"http://127.0.0.1:{given.getsockname()[1]}/"
        assert fetch(url + "api/snapshot")["local"]


def test_what_cannot_be_shown_says_so_in_one_sentence(cluster: Cluster) -> None:
    for status, arguments in (
        (2, ("--dashboard", "0.0.0.0:0")),
        (2, ("--dashboard", "nonsense")),
        (1, ("--dashboard", "fd://0")),
    ):
        node = cluster.start("node", "--json", *arguments)
        assert node.ended() == status, (arguments, node.errors)
        assert node.lines == []
        assert b"Error: dashboard: " in node.errors
        assert b"Traceback" not in node.errors


def test_the_environment_shows_one_too_and_the_contract_stays(cluster: Cluster) -> None:
    cluster.environment["CHATTER_DASHBOARD"] = "127.0.0.1:0"
    node = cluster.start("node", "--json")
    assert node.event("ready").keys() == {"event", "address"}
    node.wait_for_error("the dashboard is at http://127.0.0.1:")


@pytest.mark.parametrize(
    "command", [("listen",), ("send", "x", "1", "--wait", "0.1"), ("peers", "--wait", "0.1")]
)
def test_a_visitor_shows_none(cluster: Cluster, command: tuple[str, ...]) -> None:
    """Else somebody would look at a node that is gone the next moment: or, as here, not start."""
    # An address that is not ours: whoever tried to have it could not start.
    cluster.environment["CHATTER_DASHBOARD"] = "192.0.2.1:80"
    cluster.environment["CHATTER_DASHBOARD_TOKEN"] = TOKEN
    node = cluster.start("node", "--json")
    assert node.ended() == 1  # such as this one
    assert b"dashboard: 192.0.2.1 is no address" in node.errors
    visitor = cluster.start(*command)
    if command == ("listen",):
        visitor.wait_for_error("listening at")
        os.kill(visitor.process.pid, signal.SIGINT)
    visitor.ended()
    assert b"dashboard" not in visitor.errors
