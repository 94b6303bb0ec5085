"""Waiting for the others, under a clock that the test turns."""

from __future__ import annotations

from chatter import NetID, Peer
from chatter.command.member import QUIET_S, meet
from tests.command.samples import FAR, HERE, THERE, make_peer


class Appearing:
    """Peers that appear at given seconds, and the clock by which they do."""

    def __init__(self, arrivals: dict[float, NetID]) -> None:
        self._arrivals = arrivals
        self.now_s = 100.0

    def peers(self) -> list[Peer]:
        return [
            make_peer(address)
            for second, address in self._arrivals.items()
            if self.now_s - 100.0 >= second
        ]

    def now(self) -> float:
        return self.now_s

    def pause(self, seconds: float) -> None:
        self.now_s += seconds

    def meet(self, wait_s: float, *wanted: NetID) -> tuple[list[NetID], float]:
        met = meet(self, wait_s, wanted=wanted, now=self.now, pause=self.pause)
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
