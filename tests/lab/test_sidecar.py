"""The client of the sidecar contract, against programs that keep or break it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scripts.lab.errors import LabError
from scripts.lab.sidecar import Sidecar, node_environment

WAIT_S = 30.0  # a deadline, never reached on a machine that does anything at all

# Answers what it is asked, and leaves like a node.
POLITE = """
import json, sys
def say(**event): print(json.dumps(event), flush=True)
say(event="ready", address="127.0.0.1:7")
for line in sys.stdin:
    request = json.loads(line)
    if "leave" in request: break
    if "peers" in request:
        say(event="peer", address="127.0.0.1:8", state="alive")
        say(event="peers", peers=[], ref=request["ref"])
    if "stats" in request: say(event="error", message="no counters today", ref=request["ref"])
"""
STUBBORN = """
import time
print('{"event": "ready", "address": "127.0.0.1:7"}', flush=True)
time.sleep(600)
"""


@contextmanager
def running(program: str) -> Iterator[Sidecar]:
    sidecar = Sidecar("A1", [sys.executable, "-c", program], threading.Condition())
    try:
        yield sidecar
    finally:
        sidecar.leave()
        sidecar.kill()
        sidecar.close()


def test_answers_are_found_by_their_ref_and_other_events_wait_in_order() -> None:
    with running(POLITE) as sidecar:
        sidecar.wait_until_ready(WAIT_S)
        assert sidecar.address == "127.0.0.1:7"
        refs = [sidecar.post({"peers": True}) for _ in range(3)]
        for ref in reversed(refs):
            assert sidecar.answer(ref, "peers", WAIT_S)["ref"] == ref
        assert [event["event"] for event in sidecar.take()] == ["peer"] * 3
        assert sidecar.take() == []


def test_an_error_event_is_the_answer_too() -> None:
    with running(POLITE) as sidecar, pytest.raises(LabError, match="no counters today"):
        sidecar.request({"stats": True}, "stats", WAIT_S)


def test_leaving_ends_it_with_status_0() -> None:
    with running(POLITE) as sidecar:
        sidecar.wait_until_ready(WAIT_S)
        sidecar.leave()
        assert sidecar.wait(WAIT_S) == 0


def test_a_node_that_could_not_start_is_reported_with_its_last_words() -> None:
    with (
        running("import sys; sys.exit('port 7 is taken')") as sidecar,
        pytest.raises(LabError, match=r"node A1 ended with status 1: port 7 is taken"),
    ):
        sidecar.wait_until_ready(WAIT_S)


def test_a_request_to_a_node_that_has_ended_says_so() -> None:
    with running("import sys; sys.exit('gone')") as sidecar:
        sidecar.wait(WAIT_S)
        with pytest.raises(LabError, match="ended with status 1: gone"):
            sidecar.request({"peers": True}, "peers", WAIT_S)


def test_silence_is_reported_after_the_time_given() -> None:
    with running(STUBBORN) as sidecar:
        sidecar.wait_until_ready(WAIT_S)
        with pytest.raises(LabError, match=r"no .peers. event within 0\.05 s"):
            sidecar.request({"peers": True}, "peers", 0.05)


@pytest.mark.parametrize("line", ["no json", "[1]", "{}"])
def test_a_line_that_breaks_the_contract_ends_the_wait_and_is_quoted(line: str) -> None:
    with (
        running(f"print({line!r})") as sidecar,
        pytest.raises(LabError, match="its output could not be read"),
    ):
        sidecar.wait_until_ready(WAIT_S)


def test_one_that_will_not_leave_can_be_killed() -> None:
    with running(STUBBORN) as sidecar:
        sidecar.wait_until_ready(WAIT_S)
        sidecar.leave()
        assert sidecar.wait(0.05) is None
        sidecar.kill()
        assert sidecar.wait(WAIT_S) is not None


def test_our_own_settings_do_not_reach_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTER_PORT", "1")
    monkeypatch.setenv("OTHER", "2")
    environment = node_environment()
    assert "CHATTER_PORT" not in environment
    assert environment["OTHER"] == "2"
