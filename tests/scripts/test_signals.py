"""Signals during a start: what was started is written down before the exception comes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from scripts.lab.errors import Interrupted
from scripts.lab.signals import raise_on_signals, signals_held


@pytest.fixture(autouse=True)
def handlers_as_they_were() -> Iterator[None]:
    """The test process keeps its own handlers."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_a_signal_waits_until_the_start_is_written_down() -> None:
    raise_on_signals()
    started: list[str] = []

    def start() -> None:
        with signals_held():
            os.kill(os.getpid(), signal.SIGTERM)
            started.append("a node")

    with pytest.raises(Interrupted):
        start()
    assert started == ["a node"]


def test_without_a_signal_nothing_happens_and_the_next_one_raises() -> None:
    raise_on_signals()
    with signals_held():
        pass
    with pytest.raises(Interrupted):
        os.kill(os.getpid(), signal.SIGINT)


def test_handlers_of_others_are_left_alone() -> None:
    came: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    with signals_held():
        os.kill(os.getpid(), signal.SIGTERM)
    assert came == [signal.SIGTERM]
