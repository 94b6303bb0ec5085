from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

from chatter.core import asker, origins, repair, wants
from chatter.core.duplicates import WINDOW, Verdict
from chatter.core.effects import Deliver, Gap
from chatter.core.origins import OriginLife, Origins
from chatter.core.repair import Repair
from chatter.core.store import Store
from chatter.core.wants import ANSWER_NUMBERS, QUIET_S
from chatter.ids import BroadcastID, NetID, epoch_of
from chatter.wire.burst import Broadcasts
from chatter.wire.gossip import Gossip
from chatter.wire.records import Highest, Record, Top, WantNumbers
from tests.core.parts import US, life, make_context, make_peer, netid

ORIGIN = netid(2)
EPOCH = epoch_of(life(2))
HELPER = netid(3)
FIRST_WAIT_S = repair.REORDER_S + repair.RTT_GUESS_S


def gossip_of(number: int, payload: bytes = b"\0\0{}", origin: NetID = ORIGIN) -> Gossip:
    """A broadcast to everyone, of an origin that sends nothing else."""
    return Gossip(BroadcastID(origin, EPOCH, number), "tag", "json", payload, number)


class Bench:
    """A repair, and what it sends."""

    def __init__(self, peers: int = 4, seed: int = 0, **fields: object) -> None:
        self.context = make_context(seed=seed, **fields)  # type: ignore[arg-type]
        for number in range(2, 2 + peers):
            self.context.peers.add(make_peer(number))
        self.origins = Origins()
        self.store = Store(1 << 24, 120.0)
        self.asked: list[tuple[NetID, WantNumbers]] = []
        self.multicasts: list[tuple[Broadcasts, tuple[NetID, ...]]] = []
        self.answers: list[tuple[NetID, Broadcasts]] = []
        self.since_asked: list[tuple[NetID, float]] = []
        self.reachable = self.room = True
        self.repair = Repair(
            self.context,
            self.origins,
            self.store,
            self._send,
            self._multicast,
            self._answer,
            self._ask_since,
        )

    def _send(self, to: NetID, record: Record) -> bool:
        assert isinstance(record, WantNumbers)
        self.asked.append((to, record))
        return True

    def _multicast(self, gossip: Broadcasts, askers: Sequence[NetID]) -> bool:
        if self.reachable:
            self.multicasts.append((gossip, tuple(askers)))
        return self.reachable

    def _answer(self, to: NetID, gossip: Broadcasts) -> bool:
        if self.room:
            self.answers.append((to, gossip))
        return self.room

    def _ask_since(self, origin: NetID, now: float) -> bool:
        self.since_asked.append((origin, now))
        return True

    @property
    def life(self) -> OriginLife:
        """What is remembered of the origin."""
        return self.origins.open(ORIGIN, EPOCH)

    def get(self, number: int, now: float = 0.0, sender: NetID = HELPER) -> bool:
        """A broadcast of the origin comes."""
        if self.life.window.take(number) is not Verdict.NEW:
            return False
        return self.repair.received(self.life, number, sender, now)

    def run(self, until: float) -> list[tuple[NetID, WantNumbers]]:
        """Tick when it asks for that; what was asked meanwhile."""
        before = len(self.asked)
        for _ in range(100_000):
            at = self.repair.next_wakeup()
            if at > until:
                return self.asked[before:]
            self.repair.tick(at)
        raise AssertionError("it never sleeps")

    def gaps(self) -> list[tuple[int, int]]:
        """The gaps that were told, taken out."""
        found = [one for one in self.context.effects if isinstance(one, Gap)]
        self.context.effects.clear()
        return [(gap.first, gap.last) for gap in found]


def ranges_of(asked: list[tuple[NetID, WantNumbers]]) -> list[tuple[tuple[int, int], ...]]:
    """What was asked for."""
    return [tuple(record.ranges) for _, record in asked]


def test_what_comes_in_order_is_nobodys_business() -> None:
    bench = Bench()
    assert all(bench.get(number) for number in range(1, 100))

    assert bench.repair.next_wakeup() == float("inf")
    assert bench.life.source == HELPER


def test_a_gap_is_asked_for_after_a_short_wait_from_who_handed_us_the_stream() -> None:
    bench = Bench()
    for number in (1, 2, 6, 7, 9):
        bench.get(number)

    assert bench.run(repair.REORDER_S / 2) == []
    asked = bench.run(FIRST_WAIT_S)
    assert asked == [(HELPER, WantNumbers(ORIGIN, EPOCH, ((3, 5), (8, 8))))]


def test_what_was_only_overtaken_is_not_asked_for() -> None:
    bench = Bench()
    for number in (1, 3, 2):
        bench.get(number, repair.REORDER_S / 2)

    assert bench.run(5.0) == []
    assert bench.life.wants is None


def test_the_first_questions_of_many_are_spread() -> None:
    few, many = Bench(), Bench(peers=1000)
    for bench in (few, many):
        bench.get(1)
    waits = []
    for number in range(3, 2000, 2):
        many.get(number, 0.0)
        assert many.life.wants is not None
        waits.append(many.repair.next_wakeup())
        many.life.wants = None
    few.get(3)

    assert few.repair.next_wakeup() <= FIRST_WAIT_S
    assert min(waits) >= repair.REORDER_S
    assert 0.09 < max(waits) - repair.REORDER_S <= 1000 * repair.SPREAD_S_PER_PEER


def test_then_the_origin_then_others_ever_more_seldom() -> None:
    bench = Bench(peers=4)
    bench.get(1)
    bench.get(3)

    asked = bench.run(9.0)
    assert [to for to, _ in asked[:2]] == [HELPER, ORIGIN]
    assert {to for to, _ in asked[2:]} == {netid(number) for number in range(2, 6)}
    assert all(one != other for (one, _), (other, _) in itertools.pairwise(asked))
    assert 8 <= len(asked) <= 14


def test_others_are_those_of_our_own_segment_that_are_not_in_doubt() -> None:
    bench = Bench(peers=6)
    for number, peer in enumerate(bench.context.peers):
        peer.doubtful_until = 100.0 if number == 2 else float("-inf")
        if number in (2, 3, 4):
            peer.hears[0] = peer.heard[0] = 0.0
    bench.get(1)
    bench.get(3)

    asked = bench.run(9.0)
    assert {to for to, _ in asked[2:]} == {netid(5), netid(6)}


def test_who_is_gone_is_not_asked() -> None:
    bench = Bench(peers=3)
    for gone in (HELPER, ORIGIN):
        peer = bench.context.peers.get(gone)
        assert peer is not None
        peer.state = "failed"
    bench.get(1)
    bench.get(3)

    assert {to for to, _ in bench.run(5.0)} == {netid(4)}


def test_what_nobody_answers_is_a_gap_and_the_stream_goes_on() -> None:
    bench = Bench(repair_timeout_s=2.0)
    for number in (1, 2, 5, 6, 8):
        bench.get(number)

    bench.run(1.99)
    assert bench.gaps() == []
    bench.run(2.01)
    assert bench.gaps() == [(3, 4), (7, 7)]
    assert bench.context.counts["numbers_lost"] == 3
    assert bench.life.numbers.floor == 8
    assert bench.repair.next_wakeup() == float("inf")
    assert not bench.get(4, 3.0)  # a gap said so
    assert bench.get(9, 3.0)


def test_a_gap_found_later_has_its_own_time() -> None:
    bench = Bench(repair_timeout_s=2.0)
    bench.get(1)
    bench.get(3)
    bench.run(1.0)
    bench.get(5, 1.0)

    bench.run(2.5)
    assert bench.gaps() == [(2, 2)]
    bench.run(3.01)
    assert bench.gaps() == [(4, 4)]


def test_what_is_stuck_does_not_hold_up_a_new_gap() -> None:
    bench = Bench()
    bench.get(1)
    bench.get(3)
    bench.run(5.0)
    bench.get(5, 5.0)

    asked = bench.run(5.0 + FIRST_WAIT_S)
    assert (HELPER, WantNumbers(ORIGIN, EPOCH, ((4, 4),))) in asked


def serve(bench: Bench, have: range, now: float, limit: int = ANSWER_NUMBERS) -> int:
    """Answer the last question from what somebody has, in order; how many were sent."""
    _, record = bench.asked[-1]
    numbers = [
        number
        for first, last in record.ranges
        for number in range(max(first, have.start), min(last + 1, have.stop))
    ]
    for number in numbers[:limit]:
        bench.get(number, now)
    return min(limit, len(numbers))


def test_one_that_was_away_fetches_one_answer_after_the_other_at_once() -> None:
    bench = Bench(repair_timeout_s=2.0)
    bench.get(1)
    bench.get(60_002)
    now, answers = FIRST_WAIT_S, 0
    while bench.life.numbers.last_missing:
        asked = bench.run(now)
        assert len(asked) == 1  # never two under way
        now += 0.001
        answers += serve(bench, range(1, 60_002), now)

    assert answers == 60_000
    assert now < 60_000 / ANSWER_NUMBERS * 0.0011 + FIRST_WAIT_S
    assert bench.gaps() == []


def test_while_answers_keep_coming_no_time_runs_out() -> None:
    bench = Bench(repair_timeout_s=2.0)
    bench.get(1)
    bench.get(3000)
    now = FIRST_WAIT_S
    while bench.life.numbers.last_missing:  # 300 answers of ten, which takes much longer than 2 s
        bench.run(now)
        serve(bench, range(1, 60_002), now, limit=10)
        now += QUIET_S + 0.001

    assert now > 10
    assert bench.gaps() == []


def test_what_nobody_keeps_any_more_does_not_take_the_rest_with_it() -> None:
    bench = Bench(repair_timeout_s=2.0)
    bench.get(1)
    bench.get(50_000)
    now = FIRST_WAIT_S
    while now < 10.0 and bench.life.numbers.last_missing:
        if bench.run(now):
            serve(bench, range(30_000, 50_000), now)
        now += 0.001

    assert bench.gaps() == [(2, 29_999)]
    assert bench.life.numbers.floor == 50_000


def test_answers_that_stop_are_asked_for_again_and_then_elsewhere() -> None:
    bench = Bench()
    bench.get(1)
    bench.get(100)
    bench.run(FIRST_WAIT_S)
    serve(bench, range(1, 100), FIRST_WAIT_S, limit=10)

    asked = bench.run(FIRST_WAIT_S + QUIET_S + 0.001)
    assert asked == [(HELPER, WantNumbers(ORIGIN, EPOCH, ((12, 99),)))]
    asked = bench.run(FIRST_WAIT_S + QUIET_S + 0.2)
    assert asked == [(ORIGIN, WantNumbers(ORIGIN, EPOCH, ((12, 99),)))]


def test_who_skips_what_he_lacks_goes_on_above_it_and_the_rest_is_asked_elsewhere() -> None:
    bench = Bench()
    bench.get(1)
    bench.get(400)
    bench.run(FIRST_WAIT_S)
    serve(bench, range(100, 400), FIRST_WAIT_S)

    asked = bench.run(FIRST_WAIT_S)
    assert asked == [(HELPER, WantNumbers(ORIGIN, EPOCH, ((356, 399),)))]
    serve(bench, range(100, 400), FIRST_WAIT_S)
    asked = bench.run(FIRST_WAIT_S + QUIET_S)
    assert asked == [(ORIGIN, WantNumbers(ORIGIN, EPOCH, ((2, 99),)))]


def test_what_waits_behind_other_asks_has_its_time_while_answers_keep_coming() -> None:
    bench = Bench(repair_timeout_s=2.0)
    bench.get(1)
    for step, number in enumerate((200, 202, 204, 206)):
        bench.get(number, step * 0.05)
        bench.run(step * 0.05 + 0.04)
    now = 0.3
    while bench.life.numbers.is_missing(0, 199):
        bench.get(bench.life.numbers.floor + 1, now)
        bench.run(now)
        now += 0.02
    assert now > 4.0

    bench.run(now + 1.9)
    assert bench.gaps() == [(201, 201), (203, 203)]
    bench.run(now + 2.1)
    assert bench.gaps() == [(205, 205)]


def test_a_question_names_a_bounded_number_of_ranges() -> None:
    bench = Bench()
    for number in range(1, 4000, 2):
        bench.get(number)

    (_, record) = bench.run(FIRST_WAIT_S)[0]
    assert record.ranges == tuple((number, number) for number in range(2, 258, 2))


def test_asks_of_one_stream_are_bounded_and_those_behind_get_their_turn() -> None:
    bench = Bench(repair_timeout_s=2.0)
    bench.get(1)
    for step in range(20):
        bench.get(3 + 2 * step, step * 0.05)
        bench.run(step * 0.05 + 0.04)
    assert bench.life.wants is not None
    assert len(bench.life.wants.asks) == wants.MAX_ASKS

    bench.run(10.0)
    gaps = bench.gaps()
    assert gaps == [(number, number) for number in range(2, 42, 2)]
    assert {number for _, record in bench.asked for number, _ in record.ranges} == {
        first for first, _ in gaps
    }  # none was given up without a question


def test_a_large_one_that_is_being_assembled_is_neither_asked_for_nor_given_up() -> None:
    bench = Bench(repair_timeout_s=2.0)
    for number in (1, 5):
        bench.get(number)
    bench.life.numbers.in_progress(3, True)

    assert ranges_of(bench.run(1.0))[0] == ((2, 2), (4, 4))
    bench.run(20.0)
    assert bench.gaps() == [(2, 2), (4, 4)]
    assert bench.life.numbers.floor == 2
    bench.life.numbers.in_progress(3, False)
    assert ranges_of(bench.run(21.1))[0] == ((3, 3),)
    bench.run(30.0)
    assert bench.gaps() == [(3, 3)]


def test_a_lost_tail_is_found_by_its_name() -> None:
    bench = Bench()
    bench.get(1)
    bench.repair.named(ORIGIN, EPOCH, 3, netid(4), 1.0)

    assert bench.run(1.0 + FIRST_WAIT_S) == [(HELPER, WantNumbers(ORIGIN, EPOCH, ((2, 3),)))]


def test_of_what_flows_by_connections_nothing_is_asked_for_that_a_beacon_names() -> None:
    """It is on its way: a question for all of it would be a second flood."""
    bench = Bench()
    for step in range(100):  # for ten seconds, and others are always ahead of us
        now = step / 10
        bench.life.flows(now)
        assert bench.get(step + 1, now)
        bench.repair.told_highest(ORIGIN, EPOCH, step + 5000, netid(4), now)
        assert bench.run(now) == []
    assert bench.life.numbers.last_missing == 0

    (asked,) = bench.run(9.9 + origins.FLOWS_FOR_S + FIRST_WAIT_S)
    assert asked == (HELPER, WantNumbers(ORIGIN, EPOCH, ((101, 5099),)))


def test_what_came_meanwhile_is_not_asked_for_either() -> None:
    bench = Bench()
    bench.life.flows(0.0)
    bench.get(1)
    bench.repair.told_highest(ORIGIN, EPOCH, 3, netid(4), 0.0)
    bench.get(2, 0.1)
    bench.get(3, 0.1)

    assert bench.run(60.0) == []
    assert bench.repair.next_wakeup() == float("inf")


@pytest.mark.parametrize("timeout_s", [0.1, 0.3, 10.0])
def test_however_short_the_time_for_repair_it_is_asked_for_well_before_it_is_a_gap(
    timeout_s: float,
) -> None:
    bench = Bench(repair_timeout_s=timeout_s)
    bench.life.flows(0.0)
    bench.get(1)
    bench.get(3)
    assert len(bench.run(0.45 * timeout_s)) >= 1
    assert bench.gaps() == []


def test_what_is_overtaken_by_another_tree_has_longer() -> None:
    bench = Bench()
    bench.life.flows(0.0)
    bench.get(1)
    bench.get(3)
    assert bench.run(FIRST_WAIT_S) == []
    assert len(bench.run(repair.OVERTAKEN_S + FIRST_WAIT_S)) == 1


def test_of_a_stream_that_is_only_named_nothing_is_asked_but_since_when_it_is_ours() -> None:
    bench = Bench()
    bench.repair.named(ORIGIN, EPOCH, 10, netid(4), 0.0)

    assert bench.run(60.0) == []
    assert len(bench.since_asked) == repair.SINCE_TRIES
    assert bench.since_asked[0][1] <= repair.SINCE_SPREAD_S
    assert bench.gaps() == []
    bench.repair.named(ORIGIN, EPOCH, 10, netid(4), 61.0)  # no news, so no new questions
    bench.run(70.0)
    assert len(bench.since_asked) == repair.SINCE_TRIES


def test_the_word_of_the_origin_tells_what_of_it_is_asked_for() -> None:
    bench = Bench()
    bench.repair.named(ORIGIN, EPOCH, 10, netid(4), 0.0)
    bench.repair.told_since(ORIGIN, EPOCH, 7, 0.2)

    assert bench.run(0.2 + FIRST_WAIT_S) == [(netid(4), WantNumbers(ORIGIN, EPOCH, ((8, 10),)))]
    assert bench.since_asked == []


def test_numbers_before_the_first_are_ours_if_the_origin_says_so_later() -> None:
    bench = Bench()
    bench.get(5)
    bench.get(3)
    assert bench.run(1.0) == []
    bench.repair.told_since(ORIGIN, EPOCH, 1, 1.0)

    assert ranges_of(bench.run(1.0 + FIRST_WAIT_S)) == [((2, 2), (4, 4))]
    assert bench.get(2, 2.0)
    assert bench.get(4, 2.0)
    bench.repair.told_since(ORIGIN, EPOCH, 0, 2.0)  # a later meeting: nothing new
    assert bench.run(10.0) == []
    assert bench.gaps() == []


def test_what_the_window_leaves_behind_is_a_gap_at_once() -> None:
    bench = Bench()
    bench.get(1)
    bench.repair.named(ORIGIN, EPOCH, WINDOW + 10, HELPER, 0.0)
    assert bench.gaps() == [(2, 10)]
    bench.get(WINDOW + 11)
    assert bench.gaps() == [(11, 11)]


def test_our_own_stream_and_former_lives_are_not_asked_for() -> None:
    bench = Bench()
    bench.repair.named(US, EPOCH, 10, HELPER, 0.0)
    bench.repair.named(ORIGIN, EPOCH - 1, 10, HELPER, 0.0)

    assert len(bench.origins) == 0


def test_a_forgotten_stream_ends_in_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "MAX_LIVES", 1)
    bench = Bench()
    bench.get(1)
    bench.get(3)
    bench.origins.open(HELPER, EPOCH)

    bench.run(1.0)
    assert bench.gaps() == [(2, 2)]
    assert bench.repair.next_wakeup() == float("inf")


def test_a_tick_serves_a_bounded_number_of_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "MAX_STREAMS_PER_TICK", 3)
    bench = Bench()
    for epoch in range(10):
        for number in (1, 3):
            bench.repair.received(bench.origins.open(ORIGIN, epoch), number, HELPER, 0.0)

    bench.repair.tick(FIRST_WAIT_S)
    assert len(bench.asked) == 3
    for _ in range(3):
        bench.repair.tick(FIRST_WAIT_S)
    assert len(bench.asked) == 10


def test_highest_names_our_own_stream_and_those_last_active() -> None:
    bench = Bench(store_age_s=120.0)
    assert bench.repair.highest(0.0) is None
    bench.repair.note_own(1, 1, 0.0)
    for epoch in range(20):
        bench.repair.received(bench.origins.open(ORIGIN, epoch), epoch + 1, HELPER, float(epoch))

    own = Top(US, bench.context.identity.epoch, 1)
    others = tuple(Top(ORIGIN, epoch, epoch + 1) for epoch in range(19, 12, -1))
    assert bench.repair.highest(20.0) == Highest((own, *others))
    assert bench.repair.highest(138.0) == Highest((Top(ORIGIN, 19, 20), Top(ORIGIN, 18, 19)))
    assert bench.repair.highest(200.0) is None


def want(bench: Bench, sender: int, now: float, *ranges: tuple[int, int]) -> None:
    """A peer asks for numbers."""
    bench.repair.wanted(netid(sender), WantNumbers(ORIGIN, EPOCH, ranges), now)


def test_who_asks_is_sent_what_is_there() -> None:
    bench = Bench()
    for number in (1, 2, 4):
        bench.store.add(gossip_of(number), 0.0)
    want(bench, 7, 1.0, (2, 3), (4, 9))

    assert bench.answers == [(netid(7), gossip_of(2)), (netid(7), gossip_of(4))]
    want(bench, 7, 2.0, (11, 12))
    assert bench.context.counts["numbers_unanswered"] == 1


def test_the_second_who_asks_within_a_moment_is_answered_by_multicast() -> None:
    bench = Bench()
    bench.store.add(gossip_of(1), 0.0)
    want(bench, 7, 1.000, (1, 1))
    want(bench, 8, 1.005, (1, 1))
    want(bench, 9, 1.006, (1, 1))

    assert bench.answers == [(netid(7), gossip_of(1))]
    assert bench.multicasts == [(gossip_of(1), (netid(8),))]
    want(bench, 9, 1.020, (1, 1))
    assert bench.answers[1:] == [(netid(9), gossip_of(1))]


def test_who_asks_again_at_once_is_not_sent_it_again() -> None:
    bench = Bench()
    bench.store.add(gossip_of(1), 0.0)
    want(bench, 7, 1.000, (1, 1))
    want(bench, 7, 1.005, (1, 1))

    assert bench.answers == [(netid(7), gossip_of(1))]
    assert bench.multicasts == []


def test_whom_no_multicast_reaches_is_answered_alone() -> None:
    bench = Bench()
    bench.reachable = False
    bench.store.add(gossip_of(1), 0.0)
    for asker_number in (7, 8, 9):
        want(bench, asker_number, 1.0, (1, 1))

    assert [to for to, _ in bench.answers] == [netid(7), netid(8), netid(9)]


def test_an_answer_is_bounded_in_numbers_and_bytes() -> None:
    bench = Bench()
    for number in range(1, 1000):
        bench.store.add(gossip_of(number), 0.0)
    want(bench, 7, 1.0, (1, 999))
    assert [gossip.number for _, gossip in bench.answers] == list(range(1, ANSWER_NUMBERS + 1))

    bench = Bench()
    for number in range(1, 4):
        bench.store.add(gossip_of(number, bytes(700_000)), 0.0)
    want(bench, 7, 1.0, (1, 999))
    assert [gossip.number for _, gossip in bench.answers] == [1]


def test_one_larger_than_an_answer_may_be_is_sent_alone() -> None:
    bench = Bench()
    for number in (1, 2):
        bench.store.add(gossip_of(number, bytes(2_000_000)), 0.0)
    want(bench, 7, 1.0, (1, 2))

    assert [gossip.number for _, gossip in bench.answers] == [1]


def test_for_whom_there_is_no_room_nothing_counts_as_sent() -> None:
    bench = Bench()
    bench.store.add(gossip_of(1), 0.0)
    bench.room = False
    want(bench, 7, 1.0, (1, 1))
    bench.room = True
    want(bench, 7, 1.001, (1, 1))

    assert bench.answers == [(netid(7), gossip_of(1))]


def test_unfinished_streams_are_looked_at_seldom() -> None:
    bench = Bench()
    for number in (1, 3):
        bench.get(number)
    bench.life.numbers.in_progress(2, True)

    wakeups = 0
    while bench.repair.next_wakeup() < 9.0:
        bench.repair.tick(bench.repair.next_wakeup())
        wakeups += 1
    assert wakeups <= 9 / asker._UNFINISHED_PAUSE_S + 2


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("loss", [0.0, 0.1, 0.5])
def test_each_number_comes_once_or_is_in_a_gap_and_ordered_ones_in_order(
    seed: int, loss: float
) -> None:
    """A stream through loss, duplication and shuffling; the helpers keep only a part of it."""
    rng = random.Random(seed)
    bench = Bench(seed=seed)
    count = 3000
    kept = {number for number in range(1, count + 1) if rng.random() > 0.01 * (seed % 3)}
    bench.repair.told_since(ORIGIN, EPOCH, 0, 0.0)
    arrivals: list[tuple[float, int]] = []
    for number in range(1, count + 1):
        if rng.random() >= loss:
            for _ in range(rng.choice((1, 1, 1, 2))):
                arrivals.append((number * 0.001 + rng.random() * 0.02, number))
    arrivals.sort(reverse=True)
    tail = count * 0.001 + 0.1
    named = False
    dispatched: list[int] = []
    ordered: list[int] = []
    gaps: list[int] = []
    asked = 0

    def collect() -> None:
        for effect in bench.context.effects:
            if isinstance(effect, Deliver):
                ordered.append(effect.gossip.number)
            elif isinstance(effect, Gap):
                gaps.extend(range(effect.first, effect.last + 1))
        bench.context.effects.clear()

    now = 0.0
    while now < 60.0:
        arrives_at = arrivals[-1][0] if arrivals else float("inf")
        wakes_at = bench.repair.next_wakeup()
        if not named and tail <= min(arrives_at, wakes_at):
            now, named = tail, True
            bench.repair.named(ORIGIN, EPOCH, count, HELPER, now)
        elif arrives_at < float("inf") and arrives_at <= wakes_at:
            now, number = arrivals.pop()
            if bench.life.window.take(number) is Verdict.NEW:
                gossip = gossip_of(number)
                if bench.repair.received(bench.life, number, HELPER, now):
                    dispatched.append(number)
                    deliver = Deliver(gossip, HELPER, "tcp", False)
                    order = bench.life.ordered()
                    bench.context.effects.extend(order.admit(deliver, bench.life.numbers))
        elif wakes_at < float("inf"):
            now = wakes_at
            bench.repair.tick(now)
        else:
            break
        collect()
        for _, record in bench.asked[asked:]:
            found = [n for first, last in record.ranges for n in range(first, last + 1)]
            answer = [n for n in found if n in kept][:ANSWER_NUMBERS]
            for number in answer:
                if rng.random() >= loss / 2:
                    arrivals.append((now + 0.001 + rng.random() * 0.004, number))
        if len(bench.asked) > asked:
            arrivals.sort(reverse=True)
            asked = len(bench.asked)

    assert sorted(dispatched + gaps) == list(range(1, count + 1))
    assert ordered == sorted(dispatched)
    assert not kept & set(gaps)
    if loss:
        assert asked
