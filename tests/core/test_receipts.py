from __future__ import annotations

import random

from chatter.core.effects import Edge, Outcome, Settled
from chatter.core.receipts import RECIPIENTS_IN_REPORT, Receipts, Tally, edges_of, group_edges
from chatter.wire.frame import MAX_ROUTING_BYTES, decode_body, encode_body
from chatter.wire.records import Report
from tests.core.parts import make_context, make_gossip, netid

ONE = make_gossip(1).id
TARGETS = [netid(2), netid(3), netid(4)]


def edge(recipient: int, *, server: int = 1, hop: int = 1, multicast: bool = False) -> Edge:
    return Edge(netid(server), netid(recipient), hop, multicast, 5)


def test_who_answered_is_delivered_and_the_others_are_missing() -> None:
    tally = Tally(ONE, TARGETS, 1.0)
    assert tally.missing == TARGETS
    tally.add(edge(4, server=2, hop=2))
    tally.add(edge(2))

    assert (tally.complete, tally.missing) == (False, [netid(3)])
    assert tally.outcome() == Outcome(
        (netid(2), netid(4)), (netid(3),), (edge(2), edge(4, server=2, hop=2))
    )
    tally.add(edge(3))
    assert (tally.complete, tally.outcome().missing) == (True, ())


def test_the_first_word_counts_and_strangers_do_not() -> None:
    """Later ones tell of repairs and second ways; nobody else was asked."""
    tally = Tally(ONE, TARGETS, 1.0)
    tally.add(edge(2, server=1))
    tally.add(edge(2, server=9, hop=4))
    tally.add(edge(77))

    assert tally.outcome().edges == (edge(2, server=1),)
    assert tally.outcome().delivered == (netid(2),)


def test_a_receipt_is_settled_once_in_full_or_when_its_time_is_over() -> None:
    context = make_context()
    receipts = Receipts(context)
    full, late = (receipts.open(make_gossip(n).id, [netid(2)], float(n), 0.0) for n in (1, 2))
    full.add(edge(2))
    receipts.settle(full)
    receipts.settle(full)
    assert context.effects == [Settled(full.id, full.outcome())]
    assert receipts.next_wakeup() <= 2.0

    receipts.tick(1.9)
    assert len(context.effects) == 1
    receipts.tick(2.0)
    receipts.tick(3.0)

    assert context.effects[1:] == [Settled(late.id, Outcome((), (netid(2),), ()))]
    assert receipts.next_wakeup() == float("inf")
    assert (context.counts["receipts_full"], context.counts["receipts_partial"]) == (1, 1)


def test_who_leaves_settles_all() -> None:
    context = make_context()
    receipts = Receipts(context)
    tallies = [receipts.open(make_gossip(n).id, TARGETS, 9.0, 0.0) for n in (1, 2, 3)]

    receipts.settle_all()

    assert [one.id for one in context.effects if isinstance(one, Settled)] == [
        tally.id for tally in tallies
    ]


def test_edges_travel_in_groups_and_come_out_the_same() -> None:
    rng = random.Random(1)
    edges = {
        Edge(
            netid(rng.randrange(5)), netid(number), rng.randrange(1, 4), rng.random() < 0.5, number
        )
        for number in range(10, 200)
    }

    groups = group_edges(edges)

    assert len(groups) == 1
    assert len(groups[0]) <= 5 * 3 * 2  # one for each server, hop and way
    assert set(edges_of(groups[0])) == edges
    assert group_edges([]) == []


def test_three_thousand_recipients_take_several_reports_each_of_which_fits_in_a_frame() -> None:
    rng = random.Random(2)
    numbers = rng.sample(range(60_000), 3000)
    edges = [
        Edge(netid(at % 700), netid(number), 1 + at % 3, bool(at % 2), rng.randrange(2**31))
        for at, number in enumerate(numbers)
    ]

    reports = group_edges(edges)

    assert len(reports) >= 3000 // RECIPIENTS_IN_REPORT
    back = []
    for groups in reports:
        assert sum(len(one.recipients) for one in groups) <= RECIPIENTS_IN_REPORT
        report = Report(7, groups)
        assert report.size_bound() <= MAX_ROUTING_BYTES
        (decoded,) = decode_body(encode_body([report])).records
        assert isinstance(decoded, Report)
        back += edges_of(decoded.groups)
    assert sorted(back) == sorted(edges)


def test_a_multicast_to_three_thousand_is_split_too() -> None:
    edges = [Edge(netid(1), netid(number), 1, True, 3) for number in range(2, 3002)]
    reports = group_edges(edges)

    assert [len(groups[0].recipients) for groups in reports] == [RECIPIENTS_IN_REPORT] * 6
    assert [one for groups in reports for one in edges_of(groups)] == edges
