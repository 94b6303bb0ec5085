from __future__ import annotations

from chatter.core import probes as probes_module
from chatter.core.probes import (
    EVIDENCE_GRACE_S,
    GRACE_S,
    MAX_TOOK,
    MOST_ASKED,
    PROBE_INTERVAL_S,
    TOOK_DELAY_S,
)
from chatter.ids import BroadcastID, NetID
from chatter.wire.gossip import Gossip
from chatter.wire.records import Probe, Record, Took, Want
from tests.core.benches import ForwardingBench
from tests.core.parts import make_gossip, make_peer, netid

ONE = make_gossip(1)


class Bench(ForwardingBench):
    """Probes and what they stand on."""

    def __init__(self) -> None:
        super().__init__()
        self.answered: list[tuple[NetID, Gossip]] = []

    def sent(self, to: NetID) -> list[Record]:
        """What waits for somebody, taken out."""
        return self.controls(to)

    def take(self, broadcast: BroadcastID) -> None:
        """A broadcast comes."""
        self.origins.open(broadcast.origin, broadcast.epoch).window.take(broadcast.seqno)

    def answer(self, to: NetID, gossip: Gossip) -> bool:
        """Send a broadcast, unless it is the one there is no room for."""
        self.answered.append((to, gossip))
        return gossip.id.seqno != 13

    def datagrams(self) -> list[tuple[NetID, list[Record]]]:
        """What waits to go out by unicast, taken out."""
        found = []
        while (waiting := self.context.udp.take()) is not None:
            found.append((waiting[0], waiting[2]))
        return found


def test_one_recipient_a_second_is_asked() -> None:
    bench = Bench()
    members = [netid(number) for number in range(2, 6)]
    for tenth in range(31):
        bench.probes.ask(0, make_gossip(tenth + 1).id, members, tenth / 10)

    asked = [record for member in members for record in bench.sent(member)]
    assert len(asked) == 4
    assert {record.ids[0].seqno for record in asked if isinstance(record, Probe)} == {1, 11, 21, 31}
    assert bench.context.counts["probes_sent"] == 4


def test_when_one_missed_it_more_are_asked_at_once_until_nobody_did() -> None:
    bench = Bench()
    members = [netid(number) for number in range(2, 40)]

    def asked_after(missed: int, now: float) -> int:
        for member in members[:missed]:
            bench.probes.wanted(member, [], bench.answer, now)
        bench.probes.ask(0, ONE.id, members, now)
        return sum(len(bench.sent(member)) for member in members)

    assert asked_after(0, 0.0) == 1
    assert asked_after(1, 0.1) == 2
    assert asked_after(2, 0.2) == 4
    assert asked_after(4, 0.3) == 8
    assert asked_after(15, 0.4) == MOST_ASKED
    assert asked_after(0, 0.5) == 0
    assert asked_after(0, 1.5) == 1


def test_each_channel_has_a_pace_of_its_own() -> None:
    bench = Bench()
    bench.probes.ask(0, ONE.id, [netid(2)], 0.0)
    bench.probes.ask(1, ONE.id, [netid(2)], 0.0)
    bench.probes.ask(1, ONE.id, [netid(2)], PROBE_INTERVAL_S / 2)

    assert len(bench.sent(netid(2))) == 2


def test_what_was_heard_is_no_question() -> None:
    bench = Bench()
    bench.take(ONE.id)
    bench.probes.asked(netid(2), Probe((ONE.id,)), 0.0)

    assert bench.probes.next_wakeup() == float("inf")


def test_what_comes_within_the_grace_is_not_asked_for() -> None:
    bench = Bench()
    bench.probes.asked(netid(2), Probe((ONE.id,)), 0.0)
    assert bench.probes.next_wakeup() == EVIDENCE_GRACE_S
    bench.take(ONE.id)

    bench.probes.tick(EVIDENCE_GRACE_S)

    assert bench.sent(netid(2)) == []
    assert bench.context.counts["probes_missed"] == 0


def test_what_did_not_come_is_fetched_from_who_asked() -> None:
    bench = Bench()
    peer = make_peer(2, heard={0: 0.0})
    bench.context.peers.add(peer)
    bench.probes.asked(netid(2), Probe((ONE.id,)), 0.0)

    bench.probes.tick(EVIDENCE_GRACE_S / 2)
    assert bench.sent(netid(2)) == []
    bench.probes.tick(EVIDENCE_GRACE_S)
    assert bench.sent(netid(2)) == [Want((ONE.id,))]
    assert peer.heard == {}  # so our beacons do not say that we hear it


def test_who_is_heard_though_is_not_told_that_its_group_is_dead() -> None:
    """This one is late, or was lost; its number will tell, and repair is for that."""
    bench = Bench()
    peer = make_peer(2, heard={0: 5.1})
    bench.context.peers.add(peer)
    bench.probes.asked(netid(2), Probe((ONE.id,)), 5.0)

    bench.probes.tick(5.0 + EVIDENCE_GRACE_S)
    assert bench.sent(netid(2)) == []
    assert peer.heard == {0: 5.1}


def test_who_did_not_hear_is_sent_it_and_trusted_with_multicast_no_more() -> None:
    bench = Bench()
    peer = make_peer(2, hears={0: 0.0})
    bench.context.peers.add(peer)
    full = make_gossip(13)
    bench.store.add(ONE, 0.0)
    bench.store.add(full, 0.0)

    bench.probes.wanted(netid(2), [ONE.id, ONE.id._replace(seqno=9), full.id], bench.answer, 0.0)

    assert bench.answered == [(netid(2), ONE), (netid(2), full)]
    assert peer.hears == {}
    assert bench.context.counts["wants_answered"] == 1
    assert bench.context.counts["wants_unanswered"] == 1


def test_questions_that_wait_are_bounded() -> None:
    bench = Bench()
    ids = [make_gossip(seqno).id for seqno in range(1, probes_module.MAX_CHECKS + 100)]

    bench.probes.asked(netid(2), Probe(tuple(ids)), 0.0)
    bench.probes.tick(EVIDENCE_GRACE_S)

    assert bench.context.counts["probes_missed"] == probes_module.MAX_CHECKS


# Where it matters, what was heard is answered too


def test_who_wants_an_answer_gets_it_at_once_or_when_it_comes_or_a_question() -> None:
    bench = Bench()
    here, coming, lost = (make_gossip(seqno).id for seqno in (1, 2, 3))
    bench.take(here)

    bench.probes.asked(netid(2), Probe((here, coming, lost), answer=True), 0.0)
    assert bench.sent(netid(2)) == [Took((here,))]
    bench.take(coming)
    bench.probes.tick(GRACE_S)

    assert bench.sent(netid(2)) == [Want((lost,)), Took((coming,))]


def test_what_is_being_assembled_is_not_fetched_and_who_asked_hears_when_it_is_whole() -> None:
    bench = Bench()
    header = make_gossip(payload=b"", size=100_000, number=1)
    arriving = bench.large.open(header, netid(3), "multicast", 0.0)
    assert arriving is not None

    bench.probes.asked(netid(2), Probe((header.id,), answer=True), 0.0)
    bench.probes.tick(GRACE_S)

    assert bench.sent(netid(2)) == []
    assert arriving.took == netid(2)


def test_what_was_taken_is_said_by_datagrams_that_several_share() -> None:
    bench = Bench()
    for number in (2, 3):
        bench.context.peers.add(make_peer(number))
    ids = [make_gossip(seqno).id for seqno in range(1, MAX_TOOK + 11)]
    for one in ids:
        bench.probes.took(netid(2), one, confirmed=False, now=0.0)
    bench.probes.took(netid(3), ONE.id, confirmed=False, now=0.01)
    bench.probes.took(netid(9), ONE.id, confirmed=False, now=0.01)  # nobody we know
    bench.probes.tick(TOOK_DELAY_S / 2)
    assert bench.datagrams() == []
    assert bench.probes.next_wakeup() == TOOK_DELAY_S

    bench.probes.tick(TOOK_DELAY_S)

    assert bench.datagrams() == [
        (netid(2), [Took(tuple(ids[:MAX_TOOK]))]),
        (netid(2), [Took(tuple(ids[MAX_TOOK:]))]),
        (netid(3), [Took((ONE.id,))]),
    ]
    assert bench.probes.next_wakeup() == float("inf")


def test_answers_for_receipts_are_spread_by_how_many_there_are() -> None:
    """A tenth of a millisecond each: or all of a segment would answer at once."""
    delays = []
    for seed in range(50):
        bench = Bench()
        bench.context.rng.seed(seed)
        bench.context.crowd = 200
        bench.probes.took(netid(2), ONE.id, confirmed=True, now=5.0)
        delays.append(bench.probes.next_wakeup() - 5.0)

    assert 0 <= min(delays) < 0.004
    assert 0.016 < max(delays) <= 0.02
