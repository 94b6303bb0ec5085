"""What is enlisted starts where a process serves, in its order, and nowhere else."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from chatter import Chatter, generate_key
from chatter.integrations import serving


class Recorder:
    """Writes down what happens to it, in one list for all."""

    def __init__(self, name: str, told: list[str], fails: bool = False) -> None:
        self.name = name
        self.told = told
        self.fails = fails

    def start(self) -> None:
        self.told.append(f"{self.name} starts")
        if self.fails:
            raise RuntimeError("cannot start")

    def stop(self) -> None:
        self.told.append(f"{self.name} stops")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_enlisted", [])
    monkeypatch.setattr(serving, "_serving_pid", 0)
    monkeypatch.setattr(serving, "_closers", [])


def test_nothing_starts_before_the_process_serves() -> None:
    told: list[str] = []
    first, second = Recorder("first", told), Recorder("second", told)
    serving.enlist(first)
    serving.enlist(second)
    serving.enlist(first)
    assert told == []
    serving.begin()
    serving.begin()
    assert told == ["first starts", "second starts"]
    serving.end()
    serving.end()
    assert told[2:] == ["second stops", "first stops"]


def test_what_is_enlisted_later_starts_at_once() -> None:
    told: list[str] = []
    serving.begin()
    late = Recorder("late", told)
    serving.enlist(late)
    assert told == ["late starts"]
    serving.end()
    assert told == ["late starts", "late stops"]


def test_what_is_enlisted_while_another_starts_starts_too() -> None:
    """As by a thread of the application, while the first waits for its peers."""
    told: list[str] = []
    late = Recorder("late", told)

    class Slow(Recorder):
        def start(self) -> None:
            super().start()
            serving.enlist(late)

    slow = Slow("slow", told)
    serving.enlist(slow)
    serving.begin()
    assert told == ["slow starts", "late starts"]
    serving.end()
    assert told[2:] == ["late stops", "slow stops"]


def test_one_that_cannot_start_keeps_the_process_from_serving() -> None:
    told: list[str] = []
    first, second = Recorder("first", told), Recorder("second", told, fails=True)
    serving.enlist(first)
    serving.enlist(second)
    with pytest.raises(RuntimeError):
        serving.begin()
    assert told == ["first starts", "second starts", "first stops"]
    assert not serving.is_serving()


def test_what_was_thrown_away_or_withdrawn_does_not_start() -> None:
    told: list[str] = []
    gone, kept, withdrawn = (Recorder(name, told) for name in ("gone", "kept", "withdrawn"))
    for recorder in (gone, kept, withdrawn):
        serving.enlist(recorder)
    serving.withdraw(withdrawn)
    del gone, recorder
    gc.collect()
    serving.begin()
    assert told == ["kept starts"]


def test_a_forked_child_does_not_serve_until_it_says_so() -> None:
    # In an interpreter of its own: a fork of this one would have whatever other tests left running.
    program = """
import os
from chatter.integrations import serving

class Node:
    def start(self): print("starts", flush=True)
    def stop(self): print("stops", flush=True)

node = Node()
serving.enlist(node)
serving.begin()
child = os.fork()
if child == 0:
    print(serving.is_serving(), flush=True)
    serving.end()
    serving.begin()
    os._exit(0)
os.waitpid(child, 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["starts", "False", "starts"]


def test_what_is_held_open_ends_first_and_once() -> None:
    told: list[str] = []
    node = Recorder("node", told)
    serving.enlist(node)
    serving.begin()
    serving.before_end(lambda: told.append("closed"))
    taken_back = serving.before_end(lambda: told.append("never"))
    taken_back()
    taken_back()
    serving.wind_down()
    assert told == ["node starts", "closed"]
    serving.before_end(lambda: told.append("late"))
    serving.end()
    assert told[2:] == ["late", "node stops"]


def test_the_end_takes_as_long_as_all_nodes_may_wait() -> None:
    assert serving.stop_limit_s() == 0
    nodes = [Chatter(key=generate_key(), multicast=[], stop_timeout_s=s) for s in (1.5, 2.0)]
    for node in nodes:
        serving.enlist(node)
    other = Recorder("other", [])
    serving.enlist(other)
    # Of a node that is there already, as two managers may share one.
    manager = Recorder("manager", [])
    manager.chatter = nodes[0]  # type: ignore[attr-defined]
    serving.enlist(manager)
    assert serving.stop_limit_s() == 3.5
