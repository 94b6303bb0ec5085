"""What a node tells those who watch, and that it costs nothing when nobody does."""

from __future__ import annotations

from chatter.core.context import Context
from chatter.core.datagrams import DATAGRAM_BYTES, fits
from chatter.core.effects import Deliver, Edge, Outcome
from chatter.core.peers import Peer
from chatter.core.watched import (
    MAX_ANSWERS_PER_S,
    MAX_TRACES,
    MAX_TRACES_TOLD,
    WATCHED_FOR_S,
    Watched,
    chosen,
)
from chatter.ids import BroadcastID, NetID
from chatter.wire.records import NO_TRACES, Figures, Record, Result, Traces, Watch
from tests.core.parts import US, make_context, make_gossip, make_peer, netid


class Stand:
    """A node that is watched, and what it told."""

    def __init__(self, **gauges: int) -> None:
        self.context: Context = make_context()
        self.told: list[tuple[Peer, list[Record]]] = []
        self.watched = Watched(
            self.context, lambda peer, records: self.told.append((peer, records)), lambda: gauges
        )
        self.watched.start(0.0)
        self.peer = make_peer(2)

    def ask(self, known: int = 0, *, thin: int = 0, now: float = 1.0) -> list[Record]:
        """The records of an answer; each datagram fits."""
        self.told.clear()
        self.watched.asked(self.peer, Watch(7, known, thin), now)
        assert all(peer is self.peer and fits(records) for peer, records in self.told)
        return [record for _, records in self.told for record in records]

    def figures(self, known: int = 0, now: float = 1.0) -> list[Figures]:
        return [one for one in self.ask(known, now=now) if isinstance(one, Figures)]

    def deliver(self, seqno: int, now: float = 1.0, via: str = "multicast") -> BroadcastID:
        gossip = make_gossip(seqno, hop=2)
        if self.watched.active:  # as the receiver does
            self.watched.delivered(Deliver(gossip, netid(9), via, False), now)
        return gossip.id


def test_who_asks_first_is_told_everything_and_later_only_what_changed() -> None:
    stand = Stand(handler_queue=3)
    stand.context.counts["frames_sent"] = 5
    stand.context.tags.count("hello")
    (first,) = stand.figures(now=12.5)
    stand.context.counts["frames_sent"] = 6
    (second,) = stand.figures(first.version, now=13.0)

    assert dict(first.counters) == {"frames_sent": 5, "handler_queue": 3}
    assert first.tags == (("hello", 1),)
    assert (first.question, first.part, first.parts, first.uptime_us) == (7, 0, 1, 12_500_000)
    assert second.counters == (("frames_sent", 6),)
    assert second.tags == ()


def test_a_lost_answer_is_in_the_next_one() -> None:
    stand = Stand()
    stand.context.counts["frames_sent"] = 5
    (first,) = stand.figures()
    stand.context.counts["frames_sent"] = 6
    stand.figures(first.version)  # lost on its way
    (third,) = stand.figures(first.version)

    assert third.counters == (("frames_sent", 6),)


def test_several_watchers_do_not_disturb_each_other() -> None:
    stand = Stand()
    stand.context.counts["a"] = 1
    (one,) = stand.figures()
    stand.context.counts["b"] = 1
    (other,) = stand.figures()
    (again,) = stand.figures(one.version)

    assert dict(other.counters) == {"a": 1, "b": 1}
    assert dict(again.counters) == {"b": 1}


def test_a_version_of_a_former_process_counts_as_none() -> None:
    stand = Stand()
    stand.context.counts["a"] = 1

    assert dict(stand.figures(known=4711)[0].counters) == {"a": 1}


def test_many_figures_go_in_several_datagrams() -> None:
    stand = Stand()
    for number in range(200):
        stand.context.counts[f"dropped_for_reason_{number}"] = 2**40 + number
        stand.context.tags.count(f"tag {number}")
    parts = stand.figures()

    assert len(parts) > 2
    assert [part.part for part in parts] == list(range(len(parts)))
    assert {part.parts for part in parts} == {len(parts)}
    counters = {name: value for part in parts for name, value in part.counters}
    assert counters == dict(stand.context.counts)
    assert {n: v for part in parts for n, v in part.tags} == stand.context.tags.values


def test_broadcasts_are_traced_only_while_somebody_watches() -> None:
    stand = Stand()
    stand.deliver(1)
    assert [one for one in stand.ask() if isinstance(one, Traces)] == []
    assert stand.watched.active

    two = stand.deliver(2, now=2.0)
    answer = stand.ask(now=2.5)
    (traces,) = [one for one in answer if isinstance(one, Traces)]
    (trace,) = traces.entries
    assert (trace.id, trace.hop, trace.sender, trace.multicast) == (two, 2, netid(9), True)
    assert (trace.at_us, trace.tag, trace.size) == (2_000_000, "tag", 4)

    assert stand.watched.next_wakeup() == 2.5 + WATCHED_FOR_S
    stand.watched.tick(2.5 + WATCHED_FOR_S)
    assert stand.watched.next_wakeup() == float("inf"), "nobody watches any more"
    stand.deliver(3, now=15.0)
    assert [one for one in stand.ask(now=20.0) if isinstance(one, Traces)] == []


def test_a_trace_is_told_once_to_who_got_it() -> None:
    stand = Stand()
    stand.ask()
    stand.deliver(1)
    first = stand.ask()
    version = next(one.version for one in first if isinstance(one, Figures))
    stand.deliver(2)
    second = stand.ask(version)

    seqnos = [
        [trace.id.seqno for one in answer if isinstance(one, Traces) for trace in one.entries]
        for answer in (first, second)
    ]
    assert seqnos == [[1], [2]]


def test_the_origin_tells_for_how_many_and_what_its_receipt_says() -> None:
    stand = Stand()
    stand.ask()
    mine = make_gossip(5)._replace(id=BroadcastID(US, 7, 5), confirm_ms=2000, hop=0)
    stand.watched.sent(mine, 100, 3, 2.0)
    edges = (Edge(US, netid(2), 1, True, 4), Edge(netid(2), netid(3), 2, False, 9))
    stand.watched.settled(mine.id, Outcome((netid(2), netid(3)), (netid(4),), edges))
    answer = stand.ask(now=3.0)

    (traces,) = [one for one in answer if isinstance(one, Traces)]
    assert traces.entries[0][1:] == (0, US, False, 2_000_000, "tag", 100, 3)
    (result,) = [one for one in answer if isinstance(one, Result)]
    assert result.id == mine.id
    assert (result.recipients, result.missing, result.at_us) == (3, (netid(4),), 2_000_000)
    assert {(one.server, one.recipients) for one in result.groups} == {
        (US, (netid(2),)),
        (netid(2), (netid(3),)),
    }


def test_a_receipt_of_a_thousand_nodes_fits_in_datagrams_and_names_each_once() -> None:
    stand = Stand()
    stand.ask()
    mine = make_gossip(5)._replace(id=BroadcastID(US, 7, 5), confirm_ms=2000, hop=0)
    stand.watched.sent(mine, 100, 1000, 2.0)
    strangers = [NetID(f"2001:db8::{n * 7919 % 65536:x}", 1 + n * 104729 % 65535) for n in range(9)]
    edges = tuple(Edge(US, netid(n), 1, True, n) for n in range(2, 950))
    stand.watched.settled(mine.id, Outcome((), tuple(strangers), edges))
    results = [one for one in stand.ask(now=3.0) if isinstance(one, Result)]

    named = [netid for one in results for group in one.groups for netid in group.recipients]
    assert sorted(named) == sorted(edge.recipient for edge in edges)
    assert sorted(netid for one in results for netid in one.missing) == sorted(strangers)


def test_what_is_kept_and_told_is_bounded() -> None:
    stand = Stand()
    stand.ask()
    for seqno in range(1, 2 * MAX_TRACES):
        stand.deliver(seqno)
    answer = stand.ask()

    told = [trace.id.seqno for one in answer if isinstance(one, Traces) for trace in one.entries]
    assert told == list(range(2 * MAX_TRACES - MAX_TRACES_TOLD, 2 * MAX_TRACES))


def test_questions_beyond_reason_are_not_answered() -> None:
    stand = Stand()
    for _ in range(MAX_ANSWERS_PER_S):
        assert stand.ask(now=5.0)
    assert stand.ask(now=5.5) == []
    assert stand.context.counts["watches_ignored"] == 1

    assert stand.ask(now=6.0) != []


def test_one_in_two_to_the_thin_is_chosen_and_a_thinner_choice_is_among_the_thicker() -> None:
    ids = [BroadcastID(US, 0x0199_0000_0000_1234, seqno) for seqno in range(1, 10_001)]
    thick = {one.seqno for one in ids if chosen(one, 3)}
    thin = {one.seqno for one in ids if chosen(one, 6)}

    assert all(chosen(one, 0) for one in ids[:100])
    assert 10_000 / 8 * 0.9 < len(thick) < 10_000 / 8 * 1.1
    assert 10_000 / 64 * 0.8 < len(thin) < 10_000 / 64 * 1.2
    assert thin <= thick


def test_a_thinned_choice_leaves_the_others_out() -> None:
    stand = Stand()
    stand.ask(thin=5)
    for seqno in range(1, 101):
        stand.deliver(seqno)
    traced = {
        trace.id for one in stand.ask(thin=5) if isinstance(one, Traces) for trace in one.entries
    }

    assert traced == {one for n in range(1, 101) if chosen(one := make_gossip(n).id, 5)}
    assert 0 < len(traced) < 20
    assert DATAGRAM_BYTES < 1400


def test_monitoring_is_told_figures_alone_and_has_nobody_trace() -> None:
    stand = Stand(handler_queue=3)
    (figures,) = stand.ask(thin=NO_TRACES)
    assert isinstance(figures, Figures)
    assert not stand.watched.active

    stand.ask(thin=0)  # now somebody looks, and all is traced
    stand.deliver(1)
    (figures,) = stand.ask(thin=NO_TRACES)
    assert isinstance(figures, Figures)
    stand.deliver(2)
    told = [one for one in stand.ask(thin=0) if isinstance(one, Traces)]
    assert [trace.id.seqno for traces in told for trace in traces.entries] == [1, 2]
