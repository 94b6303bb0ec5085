from __future__ import annotations

from chatter.core import probes as probes_module
from chatter.core.context import Context
from chatter.core.duplicates import Duplicates
from chatter.core.links import Links
from chatter.core.probes import GRACE_S, PROBE_INTERVAL_S, Probes
from chatter.core.store import Store
from chatter.ids import NetID
from chatter.wire.records import Probe, Record, Want
from tests.core.parts import make_context, make_gossip, make_peer, netid

ONE = make_gossip(1)


class Bench:
    """Probes and what they stand on."""

    def __init__(self) -> None:
        self.context: Context = make_context()
        self.links = Links(self.context)
        self.duplicates = Duplicates()
        self.store = Store()
        self.probes = Probes(self.context, self.links, self.duplicates, self.store)

    def sent(self, to: NetID) -> list[Record]:
        """What waits for somebody, taken out."""
        return self.links.failed(to)


def test_one_recipient_a_second_is_asked() -> None:
    bench = Bench()
    members = [netid(number) for number in range(2, 6)]
    for tenth in range(31):
        bench.probes.ask(0, make_gossip(tenth + 1).id, members, tenth / 10)

    asked = [record for member in members for record in bench.sent(member)]
    assert len(asked) == 4
    assert {record.ids[0].seqno for record in asked if isinstance(record, Probe)} == {1, 11, 21, 31}
    assert bench.context.counts["probes_sent"] == 4


def test_each_channel_has_a_pace_of_its_own() -> None:
    bench = Bench()
    bench.probes.ask(0, ONE.id, [netid(2)], 0.0)
    bench.probes.ask(1, ONE.id, [netid(2)], 0.0)
    bench.probes.ask(1, ONE.id, [netid(2)], PROBE_INTERVAL_S / 2)

    assert len(bench.sent(netid(2))) == 2


def test_what_was_heard_is_no_question() -> None:
    bench = Bench()
    bench.duplicates.take(ONE.id)
    bench.probes.asked(netid(2), [ONE.id], 0.0)

    assert bench.probes.next_wakeup() == float("inf")


def test_what_comes_within_the_grace_is_not_asked_for() -> None:
    bench = Bench()
    bench.probes.asked(netid(2), [ONE.id], 0.0)
    assert bench.probes.next_wakeup() == GRACE_S
    bench.duplicates.take(ONE.id)

    bench.probes.tick(GRACE_S)

    assert bench.sent(netid(2)) == []
    assert bench.context.counts["probes_missed"] == 0


def test_what_did_not_come_is_fetched_from_who_asked() -> None:
    bench = Bench()
    bench.probes.asked(netid(2), [ONE.id], 0.0)

    bench.probes.tick(GRACE_S / 2)
    assert bench.sent(netid(2)) == []
    bench.probes.tick(GRACE_S)
    assert bench.sent(netid(2)) == [Want((ONE.id,))]


def test_who_did_not_hear_is_sent_it_and_trusted_with_multicast_no_more() -> None:
    bench = Bench()
    peer = make_peer(2, hears={0: 0.0})
    bench.context.peers.add(peer)
    bench.store.add(ONE._replace(hop=2), 0.0)

    bench.probes.wanted(netid(2), [ONE.id, ONE.id._replace(seqno=9)])

    assert bench.sent(netid(2)) == [ONE._replace(hop=3)]
    assert peer.hears == {}
    assert bench.context.counts["wants_answered"] == 1
    assert bench.context.counts["wants_unanswered"] == 1


def test_questions_that_wait_are_bounded() -> None:
    bench = Bench()
    ids = [make_gossip(seqno).id for seqno in range(1, probes_module.MAX_CHECKS + 100)]

    bench.probes.asked(netid(2), ids, 0.0)
    bench.probes.tick(GRACE_S)

    assert bench.context.counts["probes_missed"] == probes_module.MAX_CHECKS
