from __future__ import annotations

import pytest

from chatter.core import duties as duties_module
from chatter.core.duties import (
    LONGEST_PROBE_PAUSE_S,
    LONGEST_RETRY_S,
    PROBE_AFTER_S,
    PROBE_CONFIRMED_AFTER_S,
    REPORT_DELAY_S,
    RETRY_AFTER_S,
    Duty,
)
from chatter.core.effects import Edge, Outcome
from chatter.core.exchange import ACK_DELAY_S
from chatter.core.handover import Handover
from chatter.core.session import Session
from chatter.core.transfer import Transfer, Whole
from chatter.ids import NetID
from chatter.wire.gossip import Gossip
from chatter.wire.records import Ack, Probe, Record, Report, Served
from tests.core.benches import ForwardingBench
from tests.core.connections import bring_up, fetch
from tests.core.parts import US, make_gossip, make_peer, netid

PARENT = netid(90)
NEVER = float("inf")
TARGETED = make_gossip(1)
CONFIRMED = make_gossip(2, number=2, confirm_ms=1000)
TO_ALL = make_gossip(3, number=3)


class Bench(ForwardingBench):
    """Duties, a parent that asked for them, and heads that are up from the start."""

    def __init__(self, heads: int = 0, hearing: int = 0, deaf: int = 0) -> None:
        super().__init__(hearing, deaf)
        self.context.peers.add(make_peer(90))
        self.parent = bring_up(self.links, PARENT)
        self.sessions = {
            number: bring_up(self.links, netid(number)) for number in range(50, 50 + heads)
        }

    def asked(self, gossip: Gossip, now: float = 0.0) -> Duty:
        """The parent asks us to serve others."""
        return self.duties.open(gossip, now, parent=(self.parent, self.parent.exchange.take(now)))

    def hand(self, duty: Duty, number: int, now: float = 0.0) -> Handover:
        """Give it to a head."""
        assert self.forwarder._hand_over(netid(number), duty.gossip, now, duty)
        handover = next(one for one in duty.heads if one.head == netid(number))
        if number in self.sessions:
            fetch(self.links, self.sessions[number], now)
        return handover

    def answers(self, now: float) -> list[Record]:
        """What the parent hears."""
        self.links.tick(now)
        return [one for one in fetch(self.links, self.parent, now) if one != Ack(1, ())]

    def asked_of(self, number: int) -> list[Record]:
        """What a listener is asked, taken out."""
        return self.controls(netid(number))


def ended(duty: Duty) -> bool:
    """Whether nothing is left to answer for."""
    return duty.closed


def served(recipient: int, server: int = 50, ms: int = 4, hop: int = 2) -> Served:
    return Served(netid(server), hop, False, (netid(recipient),), (ms,))


# Done


def test_what_has_no_branch_left_is_done_and_the_parent_told_once() -> None:
    bench = Bench(heads=2)
    duty = bench.asked(TO_ALL)
    first, second = bench.hand(duty, 50), bench.hand(duty, 51)

    bench.duties.done(first, 0.1)
    assert not ended(duty)
    assert bench.answers(0.2) == []
    bench.duties.done(second, 0.3)
    bench.duties.done(second, 0.3)
    bench.duties.check(duty, 0.3)

    assert ended(duty)
    assert len(bench.duties) == 0
    assert bench.answers(0.3 + ACK_DELAY_S) == [Ack(1, ((1, 1),))]
    assert bench.answers(9.0) == []


def test_the_last_word_of_a_confirmed_one_goes_at_once() -> None:
    for gossip, wait_s in ((TO_ALL, ACK_DELAY_S), (CONFIRMED, 0.0)):
        bench = Bench(heads=1)
        duty = bench.asked(gossip)
        bench.duties.done(bench.hand(duty, 50), 5.0)

        assert bench.parent.exchange.ack_at <= 5.0 + wait_s
        fetch(bench.links, bench.parent, 5.0 + wait_s)
        assert bench.parent.exchange.ack_at == NEVER


def test_nothing_is_done_before_it_is_whole_here() -> None:
    bench = Bench(heads=1)
    duty = bench.asked(TO_ALL)
    duty.accepted = False
    bench.duties.done(bench.hand(duty, 50), 0.1)
    assert not ended(duty)

    bench.duties.accept(duty, 0.2)

    assert ended(duty)


def test_a_head_that_nobody_answers_for_is_nobodys_duty() -> None:
    bench = Bench()
    bench.duties.done(Handover(netid(2), TO_ALL, None, 0.0), 0.0)
    bench.duties.reported(Handover(netid(2), TO_ALL, None, 0.0), [], 0.0)

    assert len(bench.duties) == 0


def test_what_nobody_ever_answers_is_given_up_in_the_end() -> None:
    """Then the parent is free of it; what is missing is left to repair."""
    bench = Bench(heads=1)
    duty = bench.asked(TO_ALL)
    bench.hand(duty, 50)
    timeout_s = bench.context.config.repair_timeout_s
    bench.duties.tick(timeout_s - 0.1)
    assert not ended(duty)

    bench.duties.tick(timeout_s)

    assert ended(duty)
    assert bench.answers(timeout_s + ACK_DELAY_S) == [Ack(1, ((1, 1),))]
    assert bench.context.counts["duties_given_up"] == 1


def test_large_payloads_have_the_time_they_take() -> None:
    bench = Bench()
    duty = bench.asked(make_gossip(1, b"", size=2_000_000))

    assert duty.deadline == bench.context.config.repair_timeout_s + 20


def test_one_with_a_long_time_keeps_no_later_one_from_ending() -> None:
    bench = Bench(heads=1)
    bench.hand(bench.asked(CONFIRMED._replace(confirm_ms=3_600_000)), 50)
    large = bench.asked(make_gossip(4, b"", size=2_000_000))
    bench.hand(large, 50)
    duty = bench.asked(TARGETED)
    bench.hand(duty, 50)
    timeout_s = bench.context.config.repair_timeout_s

    bench.duties.tick(timeout_s)
    assert (ended(duty), ended(large)) == (True, False)

    bench.duties.tick(large.deadline)
    assert ended(large)
    assert len(bench.duties) == 1


def test_one_that_ended_is_not_given_up_once_more() -> None:
    """The other side would be told twice, and what is undone there be miscounted."""
    bench = Bench(heads=1)
    duty = bench.asked(CONFIRMED)
    bench.hand(duty, 50)
    bench.duties.tick(1.0)
    assert ended(duty)
    bench.answers(1.0)

    bench.duties.give_up(duty, 2.0)
    bench.duties.listen(duty, [netid(2)], None, 2.0)

    assert bench.context.counts["duties_given_up"] == 1
    assert bench.parent.exchange.ack_at == NEVER
    assert bench.duties.unheard(netid(2), CONFIRMED.id) is None


def test_one_that_ended_is_not_kept_by_its_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties_module, "_SLACK", 10)
    bench = Bench(heads=1)
    bench.hand(bench.asked(CONFIRMED._replace(confirm_ms=3_600_000)), 50)
    for seqno in range(10, 5000):
        duty = bench.duties.open(make_gossip(seqno, confirm_ms=3_600_000), 0.0)
        bench.duties.check(duty, 0.0)

    assert len(bench.duties) == 1
    assert len(bench.duties._timers) < 2000
    assert bench.duties.next_wakeup() == 3600


def test_duties_are_bounded_by_what_their_payloads_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties_module, "MAX_BYTES", 250)
    bench = Bench()
    opened = [bench.duties.open(make_gossip(seqno, bytes(100)), 0.0) for seqno in range(1, 5)]
    bench.duties.check(opened[2], 0.0)
    opened.append(bench.duties.open(make_gossip(5, bytes(100)), 0.0))

    assert [duty.closed for duty in opened] == [True, True, True, False, False]
    assert bench.context.counts["duties_dropped"] == 2


def test_duties_are_bounded_and_the_oldest_is_left_to_repair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duties_module, "MAX_DUTIES", 3)
    bench = Bench()
    opened = [bench.duties.open(make_gossip(seqno), 0.0) for seqno in range(1, 6)]

    assert [duty.closed for duty in opened] == [True, True, False, False, False]
    assert bench.context.counts["duties_dropped"] == 2


# Listeners


def test_a_listener_that_took_it_is_done() -> None:
    bench = Bench(hearing=2)
    duty = bench.asked(TARGETED)
    bench.duties.listen(duty, [netid(2), netid(3)], None, 0.0)

    bench.duties.took(netid(2), [TARGETED.id, TO_ALL.id], 0.1)
    bench.duties.took(netid(9), [TARGETED.id], 0.1)
    assert not ended(duty)
    bench.duties.took(netid(3), [TARGETED.id], 0.1)

    assert ended(duty)
    bench.duties.tick(PROBE_AFTER_S)
    assert bench.asked_of(2) == bench.asked_of(3) == []


def test_a_listener_that_says_nothing_is_probed_and_ever_less_often() -> None:
    bench = Bench(hearing=2)
    duty = bench.asked(TARGETED)
    bench.duties.listen(duty, [netid(2), netid(3)], None, 0.0)
    bench.duties.took(netid(3), [TARGETED.id], 0.01)
    bench.duties.tick(PROBE_AFTER_S - 0.01)
    assert bench.asked_of(2) == []
    moments = []
    while (now := bench.duties.next_wakeup()) < 6.0:
        bench.duties.tick(now)
        assert bench.asked_of(2) == [Probe((TARGETED.id,), answer=True)]
        moments.append(round(now, 6))

    assert moments[:4] == [0.1, 0.3, 0.7, 1.5]
    assert moments[-1] - moments[-2] == pytest.approx(LONGEST_PROBE_PAUSE_S)
    assert bench.asked_of(3) == []


def test_one_record_probes_for_all_that_a_listener_owes() -> None:
    bench = Bench(hearing=1)
    gossips = [make_gossip(seqno) for seqno in range(1, 1202)]
    for gossip in gossips:
        bench.duties.listen(bench.duties.open(gossip, 0.0), [netid(2)], None, 0.0)

    bench.duties.tick(PROBE_AFTER_S)

    probes = bench.asked_of(2)
    assert [len(one.ids) for one in probes if isinstance(one, Probe)] == [500, 500, 201]
    assert bench.context.counts["listeners_probed"] == 1201


def test_those_of_confirmed_ones_are_probed_soon_and_later_the_more_there_are() -> None:
    bench = Bench(hearing=100)
    for count, wait_s in ((1, 0.0302), (100, 0.05)):
        duty = bench.duties.open(CONFIRMED, 0.0)
        bench.duties.listen(duty, bench.targets()[:count], None, 0.0)
        assert duty.probe_at == pytest.approx(wait_s)
    assert PROBE_CONFIRMED_AFTER_S < PROBE_AFTER_S


def test_nobody_is_asked_for_what_is_still_being_sent() -> None:
    bench = Bench(hearing=1)
    header = make_gossip(1, b"", size=3000)
    transfer = Transfer(header, Whole(bytes(3000)), [(0, 3000)])
    duty = bench.asked(header)
    bench.duties.listen(duty, [netid(2)], transfer, 0.0)
    bench.duties.tick(PROBE_AFTER_S)
    assert bench.asked_of(2) == []

    while transfer.next_chunk(1000, 1) is not None:
        pass
    bench.duties.tick(2 * PROBE_AFTER_S)

    assert bench.asked_of(2) == [Probe((header.id,), answer=True)]


def test_a_listener_that_is_served_otherwise_is_no_listener_any_more() -> None:
    bench = Bench(hearing=1)
    duty = bench.asked(TARGETED)
    bench.duties.listen(duty, [netid(2)], None, 0.0)

    assert bench.duties.unheard(netid(3), TARGETED.id) is None
    assert bench.duties.unheard(netid(2), TO_ALL.id) is None
    assert bench.duties.unheard(netid(2), TARGETED.id) is duty
    assert bench.duties.unheard(netid(2), TARGETED.id) is None


# Heads that cannot be reached


def test_an_unreachable_head_is_tried_again_with_growing_pauses() -> None:
    bench = Bench(deaf=1)
    duty = bench.asked(TARGETED)
    handover = bench.hand(duty, 2)
    moments = []
    now = 0.0
    while now < 9.0:
        bench.links.failed(netid(2))
        bench.forwarder.unreachable([handover], now)
        assert not ended(duty)
        now = bench.duties.next_wakeup()
        bench.duties.tick(now)
        if ended(duty):
            break
        ((handover,),) = bench.waiting().values()
        moments.append(round(now, 6))

    assert moments[:4] == [0.2, 0.6, 1.4, 3.0] == [RETRY_AFTER_S, 0.6, 1.4, 3.0]
    assert moments[5] - moments[4] == pytest.approx(LONGEST_RETRY_S)


def test_once_it_is_reached_it_is_done() -> None:
    bench = Bench(heads=1)
    duty = bench.asked(TARGETED)
    bench.duties.retry(duty, netid(50), 0.0)
    bench.duties.tick(RETRY_AFTER_S)
    (handover,) = duty.heads

    bench.duties.done(handover, 1.0)

    assert ended(duty)


def test_who_misses_a_number_is_not_tried_again() -> None:
    bench = Bench(deaf=1)
    duty = bench.asked(TO_ALL)
    handover = bench.hand(duty, 2)

    bench.forwarder.unreachable([handover], 0.0)

    assert ended(duty)
    assert bench.context.counts["gossip_undeliverable"] == 1


def test_a_peer_that_is_gone_answers_nothing_and_is_waited_for_no_more() -> None:
    bench = Bench(hearing=1, deaf=1)
    duty, other = bench.asked(TARGETED), bench.asked(CONFIRMED)
    bench.duties.listen(duty, [netid(2)], None, 0.0)
    bench.duties.listen(other, [netid(2)], None, 0.0)
    bench.duties.retry(duty, netid(3), 0.0)
    bench.duties.gone(netid(2), 1.0)
    assert (duty.closed, other.closed) == (False, True)

    bench.duties.gone(netid(3), 1.0)

    assert ended(duty)
    peer = bench.context.peers.get(netid(3))
    assert peer is not None
    peer.state = "failed"
    third = bench.asked(TARGETED)
    bench.duties.retry(third, netid(3), 1.0)
    assert third.closed


# Receipts


def test_reports_of_a_branch_merge_on_their_way_up() -> None:
    bench = Bench(heads=2)
    duty = bench.asked(CONFIRMED)
    first, second = bench.hand(duty, 50), bench.hand(duty, 51)

    bench.duties.reported(first, [], 0.002)
    bench.duties.reported(first, [served(60)], 0.003)
    bench.duties.reported(second, [served(61, server=51)], 0.004)
    assert bench.answers(0.005) == []
    bench.duties.tick(0.002 + REPORT_DELAY_S)

    report, *rest = bench.answers(0.002 + REPORT_DELAY_S)
    assert rest == []
    assert isinstance(report, Report)
    assert report.index == 1
    # Who accepted it itself was served by us, two milliseconds ago; and only once.
    assert set(report.groups) == {
        Served(US, 1, False, (netid(50), netid(51)), (2, 4)),
        served(60),
        served(61, server=51),
    }


def test_what_comes_later_follows_and_is_there_before_the_last_word() -> None:
    bench = Bench(heads=1)
    duty = bench.asked(CONFIRMED)
    head = bench.hand(duty, 50)
    bench.duties.reported(head, [], 0.0)
    bench.duties.tick(REPORT_DELAY_S)
    bench.answers(REPORT_DELAY_S)

    bench.duties.reported(head, [served(60)], 0.5)
    bench.duties.done(head, 0.5)

    assert bench.answers(0.5) == [Report(1, (served(60),)), Ack(1, ((1, 1),))]


def test_listeners_count_for_a_receipt_by_what_they_say() -> None:
    bench = Bench(hearing=1)
    duty = bench.asked(CONFIRMED._replace(hop=2))
    bench.duties.listen(duty, [netid(2)], None, 0.0)

    bench.duties.took(netid(2), [CONFIRMED.id], 0.025)

    told = bench.answers(0.025)
    assert told == [Report(1, (Served(US, 3, True, (netid(2),), (25,)),)), Ack(1, ((1, 1),))]


def own(bench: Bench, targets: list[NetID], deadline: float = 1.0) -> Duty:
    """A confirmed broadcast of ours."""
    gossip = CONFIRMED._replace(id=bench.own(), hop=0)
    return bench.duties.open(
        gossip, 0.0, tally=bench.receipts.open(gossip.id, targets, deadline, 0.0)
    )


def test_a_receipt_is_there_as_soon_as_all_have_answered() -> None:
    bench = Bench(heads=1)
    duty = own(bench, [netid(50), netid(60)])
    head = bench.hand(duty, 50)
    bench.duties.reported(head, [], 0.002)
    assert bench.settled() == []

    bench.duties.reported(head, [served(60)], 0.003)

    (settled,) = bench.settled()
    assert settled.outcome == Outcome(
        (netid(50), netid(60)),
        (),
        (Edge(US, netid(50), 0, False, 2), Edge(netid(50), netid(60), 2, False, 4)),
    )
    bench.duties.done(head, 0.1)
    assert ended(duty)
    assert bench.settled() == []


def test_whom_others_could_not_reach_the_origin_tries_itself_once() -> None:
    bench = Bench(heads=1, deaf=2)
    duty = own(bench, [netid(50), netid(2), netid(3)])
    gone = bench.context.peers.get(netid(3))
    assert gone is not None
    gone.state = "failed"
    head = bench.hand(duty, 50)
    bench.duties.reported(head, [], 0.01)

    bench.duties.done(head, 0.02)

    ((to, (again,)),) = bench.waiting().items()
    assert to == netid(2)  # not who is known to be gone
    assert again.gossip.distribution == ()
    assert bench.settled() == []
    bench.duties.done(again, 0.1)
    (settled,) = bench.settled()
    assert settled.outcome.missing == (netid(2), netid(3))
    assert bench.waiting() == {}


def test_at_its_deadline_a_receipt_says_what_is_known() -> None:
    bench = Bench(heads=2)
    duty = own(bench, [netid(50), netid(51)], deadline=0.8)
    bench.duties.reported(bench.hand(duty, 50), [], 0.01)
    bench.hand(duty, 51)
    bench.duties.tick(0.74)
    assert bench.settled() == []
    assert bench.duties.next_wakeup() == 0.75  # a little before its time is over

    bench.duties.tick(0.75)

    (settled,) = bench.settled()
    assert (settled.outcome.delivered, settled.outcome.missing) == ((netid(50),), (netid(51),))
    assert ended(duty)


def test_a_relay_answers_with_what_it_has_when_its_time_is_over() -> None:
    bench = Bench(heads=2)
    duty = bench.asked(CONFIRMED._replace(confirm_ms=400))
    bench.duties.reported(bench.hand(duty, 50), [], 0.395)
    bench.hand(duty, 51)

    bench.duties.tick(0.4)

    report, ack = bench.answers(0.4)
    assert isinstance(report, Report)
    assert report.groups[0].recipients == (netid(50),)
    assert ack == Ack(1, ((1, 1),))


# What was handed over


def test_a_handover_begins_unsent_unaccepted_and_untried() -> None:
    handover = Handover(netid(2), TO_ALL, None, 3.0)

    assert (handover.head, handover.gossip, handover.sent_at) == (netid(2), TO_ALL, 3.0)
    assert (handover.accepted, handover.tries, handover.transfer) == (False, 0, None)


def test_what_a_head_accepted_before_its_connection_broke_counts_once() -> None:
    bench = Bench(heads=1)
    duty = bench.asked(CONFIRMED)
    head = bench.hand(duty, 50)
    bench.duties.reported(head, [], 0.002)
    bench.duties.tick(0.1)
    bench.answers(0.1)
    session: Session = bench.sessions[50]

    bench.forwarder.closed(*bench.links.down(session, 0.2), 0.2)
    (again,) = duty.heads
    bench.duties.reported(again, [], 0.3)
    bench.duties.done(again, 0.3)

    assert bench.answers(0.3) == [Ack(1, ((1, 1),))]
