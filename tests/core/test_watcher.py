"""Asking the cluster for its figures, while somebody looks."""

from __future__ import annotations

import pytest

from chatter.core.effects import BroadcastPassed, BroadcastSettled, NodeFigures
from chatter.core.peers import Peer
from chatter.core.timing import LEAST_SAMPLES
from chatter.core.watched import Watched
from chatter.core.watcher import ASKED_PER_S, CLOCK_FOR_S, INTEREST_S, STEP_S, Watcher, thin_for
from chatter.ids import BroadcastID
from chatter.wire.records import (
    NO_TRACES,
    Figures,
    Record,
    Result,
    Served,
    Trace,
    Traces,
    Watch,
)
from tests.core.parts import US, make_context, make_peer, netid


class Stand:
    """A node that watches so many others."""

    def __init__(self, others: int = 2) -> None:
        self.context = make_context()
        self.peers = [make_peer(number) for number in range(2, 2 + others)]
        for peer in self.peers:
            self.context.peers.add(peer)
        self.asked: list[tuple[Peer, Watch]] = []
        self.watched = Watched(self.context, self._tell, dict)
        self.watcher = Watcher(self.context, self.watched, self._tell)

    def _tell(self, peer: Peer, records: list[Record]) -> None:
        (watch,) = records
        assert isinstance(watch, Watch)
        self.asked.append((peer, watch))

    def run(self, start: float, seconds: float, *, looking: bool = True) -> None:
        """Let time pass in the watcher's own steps."""
        for step in range(round(seconds / STEP_S)):
            now = start + step * STEP_S
            if looking:
                self.watcher.watch(now)
            self.watcher.tick(now)

    def answer(self, peer: Peer, now: float, **fields: object) -> None:
        """The peer answers the last question."""
        question = next(watch.question for one, watch in reversed(self.asked) if one is peer)
        figures = Figures(question, 1, 0, 1, 0, "1.0", (), ())._replace(**fields)  # type: ignore[arg-type]
        self.watcher.figures(peer, figures, now)

    def take(self) -> list[object]:
        """The effects, ours first."""
        effects: list[object] = [*self.context.effects]
        self.context.effects.clear()
        return effects


def test_nobody_is_asked_unless_somebody_looks() -> None:
    stand = Stand()
    assert stand.watcher.next_wakeup() == float("inf")
    stand.run(0.0, 5.0, looking=False)

    assert stand.asked == []
    assert stand.take() == []


def test_each_live_peer_is_asked_once_a_second_and_no_longer_than_somebody_looks() -> None:
    stand = Stand(others=20)
    stand.peers[3].state = "failed"
    stand.run(0.0, 4.0)
    asked = [peer.netid for peer, _ in stand.asked]
    assert {asked.count(peer.netid) for peer in stand.peers if peer.live} == {4}
    assert netid(5) not in asked

    stand.run(4.0, INTEREST_S + 1, looking=False)
    stand.asked.clear()
    stand.run(20.0, 3.0, looking=False)
    assert stand.asked == []
    assert stand.watcher.next_wakeup() == float("inf")


def test_a_large_cluster_is_asked_more_seldom() -> None:
    stand = Stand(others=3 * ASKED_PER_S)
    stand.run(0.0, 9.0)

    assert len(stand.asked) == pytest.approx(9 * ASKED_PER_S, rel=0.1)
    assert {peer.netid for peer, _ in stand.asked} == {peer.netid for peer in stand.peers}


def test_the_answer_tells_figures_and_round_trip_and_is_not_asked_for_again() -> None:
    stand = Stand(others=1)
    (peer,) = stand.peers
    stand.run(0.0, 0.1)
    stand.take()
    stand.answer(peer, 0.03, version=9, counters=(("frames_sent", 4),), tags=(("hello", 2),))
    (told,) = stand.take()
    assert told == NodeFigures(
        netid(2), peer.epoch, 0.03, 0, "1.0", {"frames_sent": 4}, {"hello": 2}
    )

    stand.run(0.1, 1.0)
    assert stand.asked[-1][1].known == 9


def test_an_answer_with_a_part_missing_is_asked_for_again() -> None:
    stand = Stand(others=1)
    (peer,) = stand.peers
    stand.run(0.0, 0.1)
    stand.answer(peer, 0.02, version=9, part=1, parts=2)
    stand.answer(peer, 0.03, version=9, part=1, parts=2)  # doubled on its way
    told = [one for one in stand.take() if isinstance(one, NodeFigures) and one.address != US]
    assert [one.rtt_s for one in told] == [0.02, None]

    stand.run(0.1, 1.0)
    assert stand.asked[-1][1].known == 0


def test_a_late_answer_and_one_of_another_life_are_ignored() -> None:
    stand = Stand(others=1)
    (peer,) = stand.peers
    stand.run(0.0, 1.1)
    stand.take()
    stand.watcher.figures(peer, Figures(stand.asked[0][1].question, 1, 0, 1, 0, "", (), ()), 1.1)
    peer.life = make_peer(3).life[:7] + b"\xff" + peer.life[8:]
    stand.answer(peer, 1.1)
    stand.watcher.traces(peer, Traces(()), 1.1)

    assert stand.take() == []


def test_our_own_figures_come_as_those_of_others() -> None:
    stand = Stand(others=0)
    stand.context.counts["frames_sent"] = 3
    stand.run(0.0, 0.1)

    (own,) = stand.take()
    assert isinstance(own, NodeFigures)
    assert (own.address, own.rtt_s, own.counters) == (US, 0.0, {"frames_sent": 3})


def test_traces_and_receipts_become_effects_at_the_time_they_were() -> None:
    stand = Stand(others=1)
    (peer,) = stand.peers
    stand.run(0.0, 0.1)
    stand.answer(peer, 0.04, uptime_us=100_000)  # it was 0.02 then, by our clock
    stand.take()
    one = BroadcastID(netid(2), 7, 1)
    trace = Trace(one, 2, netid(9), True, 80_000, "tag", 4, 0)
    stand.watcher.traces(peer, Traces((trace,)), 0.05)
    groups = (Served(netid(2), 1, False, (netid(3),), (8,)),)
    result = Result(one, 60_000, "tag", 4, 2, (netid(4),), groups)
    stand.watcher.result(peer, result, 0.05)

    passed, settled = stand.take()
    assert isinstance(passed, BroadcastPassed)
    assert isinstance(settled, BroadcastSettled)
    assert passed.at == pytest.approx(0.02 - 0.02)
    assert passed[:4] == (one, netid(2), 2, netid(9))
    assert passed.recipients is None
    assert settled.at == pytest.approx(0.02 - 0.04)
    assert settled.outcome.missing == (netid(4),)
    assert [edge[:4] for edge in settled.outcome.edges] == [(netid(2), netid(3), 1, False)]


def test_only_the_origin_says_that_it_sent_something() -> None:
    stand = Stand(others=2)
    stand.run(0.0, 0.3)
    for peer in stand.peers:
        stand.answer(peer, 0.3)
    stand.take()
    trace = Trace(BroadcastID(netid(2), 7, 1), 0, netid(2), False, 5, "t", 0, 300)
    for peer in stand.peers:
        stand.watcher.traces(peer, Traces((trace,)), 0.3)

    (passed,) = stand.take()
    assert isinstance(passed, BroadcastPassed)
    assert (passed.at_node, passed.recipients) == (netid(2), 300)


def test_the_shortest_round_trip_sets_the_clock() -> None:
    """An answer that was delayed says less of when it was told."""
    stand = Stand(others=1)
    (peer,) = stand.peers

    def told_at(start: float, rtt_s: float) -> float:
        stand.run(start, 1.0)
        asked_at = stand.watcher._asked[peer.netid].asked_at
        # Its clock is 100 s ahead of ours, and it answers in the first millisecond of each trip.
        stand.answer(peer, asked_at + rtt_s, uptime_us=int((asked_at + 0.001 + 100) * 1e6))
        stand.take()
        trace = Trace(BroadcastID(netid(2), 7, 1), 1, netid(9), True, 100_500_000, "t", 0, 0)
        stand.watcher.traces(peer, Traces((trace,)), asked_at + rtt_s)
        (passed,) = stand.take()
        assert isinstance(passed, BroadcastPassed)
        return passed.at

    assert told_at(0.0, 0.080) == pytest.approx(0.5 + 0.039)
    assert told_at(1.0, 0.002) == pytest.approx(0.5)
    assert told_at(2.0, 0.080) == pytest.approx(0.5)
    assert told_at(3.0 + CLOCK_FOR_S, 0.080) == pytest.approx(0.5 + 0.039)


def test_traces_of_a_node_whose_clock_is_not_known_wait_for_the_next_answer() -> None:
    stand = Stand(others=1)
    (peer,) = stand.peers
    stand.run(0.0, 0.1)
    stand.take()
    trace = Trace(BroadcastID(netid(2), 7, 1), 1, netid(9), True, 5, "t", 0, 0)
    stand.watcher.traces(peer, Traces((trace,)), 0.1)
    stand.watcher.result(peer, Result(trace.id, 0, "t", 0, 0, (), ()), 0.1)

    assert stand.take() == []


def test_nobody_tells_of_another_ones_receipts() -> None:
    stand = Stand(others=1)
    (peer,) = stand.peers
    stand.run(0.0, 0.1)
    stand.answer(peer, 0.1)
    stand.take()
    stand.watcher.result(peer, Result(BroadcastID(netid(3), 7, 1), 0, "t", 0, 0, (), ()), 0.1)

    assert stand.take() == []


def test_the_more_is_broadcast_the_thinner_it_is_traced() -> None:
    assert thin_for(0.0, 12) == thin_for(4.0, 12) == 0
    assert thin_for(1000.0, 12) == 8
    assert thin_for(1.0, 400) == 0
    assert thin_for(8.0, 400) == 3

    stand = Stand(others=1)
    (peer,) = stand.peers
    sent = 5000  # before anybody looked: no rate
    for second in range(6):
        stand.run(float(second), 1.0)
        stand.answer(peer, second + 0.95, counters=(("broadcasts", sent),))
        sent += 1000
    assert stand.asked[1][1].thin == 0
    assert stand.asked[-1][1].thin in (7, 8)


def test_an_answer_tells_how_far_its_node_is_away() -> None:
    stand = Stand(others=1)
    (peer,) = stand.peers
    for second in range(LEAST_SAMPLES):
        stand.run(float(second), 1.0)
        stand.answer(peer, stand.watcher._asked[peer.netid].asked_at + 0.03)

    assert stand.context.timing.one_way_s(peer.netid) == pytest.approx(0.015)


def test_monitoring_asks_some_for_all_their_figures_once() -> None:
    stand = Stand(others=3)
    first, second, gone = stand.peers
    gone.state = "failed"
    for round_ in range(2):
        stand.asked.clear()
        stand.watcher.ask([first.netid, gone.netid, netid(99)], float(round_))
        ((asked, watch),) = stand.asked
        assert (asked, watch.known, watch.thin) == (first, 0, NO_TRACES)
        stand.answer(first, round_ + 0.01, version=7, counters=(("broadcasts", 5),))
        (told,) = stand.take()
        assert isinstance(told, NodeFigures)
        assert (told.address, told.counters, told.complete) == (
            first.netid,
            {"broadcasts": 5},
            True,
        )
    assert stand.watcher.next_wakeup() == float("inf")  # nothing follows
    assert second.netid not in stand.watcher._asked


def test_monitoring_beside_somebody_who_looks_asks_for_no_fewer_traces() -> None:
    stand = Stand(others=1)
    stand.run(0.0, 1.0)
    (peer,) = stand.peers
    stand.answer(peer, 0.95, version=3)
    stand.watcher.ask([peer.netid], 1.0)
    assert (stand.asked[-1][1].known, stand.asked[-1][1].thin) == (0, stand.asked[0][1].thin)
    stand.run(1.0, 1.0)  # the answer is lost, so the next question is for all again
    assert stand.asked[-1][1].known == 0


def test_an_answer_in_parts_says_which_part_is_the_last_to_come() -> None:
    stand = Stand(others=1)
    (peer,) = stand.peers
    stand.watcher.ask([peer.netid], 0.0)
    for part in (2, 0, 0, 1):
        stand.answer(peer, 0.01, part=part, parts=3)
    told = [one for one in stand.take() if isinstance(one, NodeFigures)]
    assert [one.complete for one in told] == [False, False, False, True]


def test_who_is_forgotten_by_the_node_is_forgotten_by_monitoring() -> None:
    stand = Stand(others=2)
    first, second = stand.peers
    stand.watcher.ask([first.netid, second.netid], 0.0)
    stand.context.peers.forget(first.netid)
    stand.watcher.ask([second.netid], 15.0)
    assert first.netid not in stand.watcher._asked
