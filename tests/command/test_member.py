"""Waiting for the others, under a clock that the test turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import cast

import pytest
from gevent.event import Event

from chatter import NetID, Peer
from chatter.command.failures import Interrupted
from chatter.command.member import QUIET_S, meet
from tests.command.samples import FAR, HERE, THERE, make_peer


class Appearing:
    """Peers that appear at given seconds, and the clock by which they do."""

    def __init__(self, arrivals: dict[float, NetID]) -> None:
        self._arrivals = arrivals
        self.now_s = 100.0
        self.leave_at_s = math.inf

    def peers(self) -> list[Peer]:
        return [
            make_peer(address)
            for second, address in self._arrivals.items()
            if self.now_s - 100.0 >= second
        ]

    def now(self) -> float:
        return self.now_s

    def wait(self, timeout: float) -> bool:
        """In the place of the event that asks to leave; here it is time that passes."""
        self.now_s += timeout
        return self.now_s - 100.0 >= self.leave_at_s

    def meet(
        self,
        wait_s: float,
        *wanted: NetID,
        view: Callable[[Peer], Hashable] = lambda peer: peer.address,
    ) -> tuple[list[NetID], float]:
        leaving = cast(Event, self)
        met = meet(self, wait_s, leaving, wanted=wanted, now=self.now, view=view)
        return [peer.address for peer in met], self.now_s - 100.0


def test_nobody_comes() -> None:
    met, took_s = Appearing({}).meet(3.0)
    assert met == []
    assert 3.0 <= took_s < 3.2


def test_no_waiting_at_all() -> None:
    assert Appearing({0.0: HERE}).meet(0.0) == ([HERE], 0.0)


def test_a_quiet_second_ends_it() -> None:
    met, took_s = Appearing({0.2: HERE, 0.9: THERE, 2.5: FAR}).meet(5.0)
    assert met == [HERE, THERE]
    assert 0.9 + QUIET_S <= took_s < 2.5


def test_whoever_comes_in_time_is_waited_for() -> None:
    met, took_s = Appearing({2.8: HERE}).meet(3.0)
    assert met == [HERE]
    assert 3.0 <= took_s < 3.2


def test_those_wanted_end_it_at_once() -> None:
    met, took_s = Appearing({0.1: HERE, 0.2: THERE, 0.3: FAR}).meet(5.0, THERE)
    assert THERE in met
    assert took_s < 0.3


def test_those_wanted_and_absent_take_the_whole_time() -> None:
    met, took_s = Appearing({0.0: HERE}).meet(3.0, HERE, THERE)
    assert met == [HERE]
    assert 3.0 <= took_s < 3.2


def test_what_else_is_new_may_be_named() -> None:
    """As `chatter peers` does: here the same peer, first of no segment, then of one."""
    appearing = Appearing({0.0: HERE, 0.8: HERE})
    met, took_s = appearing.meet(5.0, view=lambda peer: (peer.address, appearing.now_s >= 100.8))
    assert met == [HERE, HERE]
    assert took_s >= 0.8 + QUIET_S


def test_leaving_ends_it() -> None:
    appearing = Appearing({})
    appearing.leave_at_s = 1.0
    with pytest.raises(Interrupted):
        appearing.meet(3.0)
    assert appearing.now_s < 101.2
