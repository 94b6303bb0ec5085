"""What is said to somebody whose node has met nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from chatter import Chatter, generate_key
from chatter.keys import format_key
from chatter.net import advice
from tests.net.nodes import cluster, random_group, wait_until


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits ten seconds in a test."""
    monkeypatch.setattr(advice, "LOOK_AFTER_S", 0.3)
    monkeypatch.setattr(advice, "LOOK_EVERY_S", 0.1)


def node(**fields: Any) -> Chatter:
    settings: dict[str, Any] = {
        "address": "127.0.0.1:0",
        "interface": "127.0.0.1",
        "multicast": [],
        "key": generate_key(),
    }
    return Chatter(**{**settings, **fields})


def test_nobody_on_the_group(caplog: pytest.LogCaptureFixture) -> None:
    with node(multicast=[random_group()]):
        wait_until(lambda: "no other node is heard on 239." in caplog.text, "the advice")
    assert "name one with join" in caplog.text


def test_nobody_behind_join(caplog: pytest.LogCaptureFixture) -> None:
    with node(join=["127.0.0.1:1"]):
        wait_until(lambda: "at 127.0.0.1:1: is one up there" in caplog.text, "the advice")


def test_somebody_with_another_key(caplog: pytest.LogCaptureFixture) -> None:
    group = random_group()
    with node(multicast=[group]), node(multicast=[group]):
        wait_until(lambda: "sealed with another key" in caplog.text, "the advice")
    assert "no other node" not in caplog.text  # which would send one to look at the network


def test_who_was_met_and_has_left_was_heard(caplog: pytest.LogCaptureFixture) -> None:
    with cluster(2) as (first, second):
        second.chatter.stop()
        wait_until(lambda: first.events and first.events[-1][1] == "left", "its farewell")
        assert first.chatter._runtime is not None
        assert advice.missing_peers(first.chatter._runtime) == []


def test_nothing_is_said_where_all_is_well(caplog: pytest.LogCaptureFixture) -> None:
    with cluster(2, multicast=False) as (first, second):
        for one in (first, second):
            assert one.chatter._runtime is not None
            assert advice.missing_peers(one.chatter._runtime) == []
            assert not advice.another_key(one.chatter._runtime)
    assert caplog.text == ""


def test_a_program_that_just_ends_leaves() -> None:
    with cluster(1) as (watcher,):
        program = (
            "from gevent import monkey; monkey.patch_all()\n"
            "import sys\n"
            "from chatter import Chatter\n"
            "node = Chatter(address='127.0.0.1:0', multicast=[], join=[sys.argv[1]]).start()\n"
            "node.wait_for_peers(1, timeout=30)\n"
            "print(node.local_netid.port)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(watcher.chatter.local_netid)],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "CHATTER_KEY": format_key(watcher.chatter.config.secrets[0])},
            check=True,
        )
        wait_until(lambda: (int(done.stdout), "left") in watcher.events, "its leave")
