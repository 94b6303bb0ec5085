"""Somebody watches the cluster: what is shown is what happened, whatever is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest

from chatter.dashboard.stats import Board
from chatter.ids import BroadcastID
from chatter.testing import Cluster, Member
from chatter.testing.faults import MULTICAST, UDP, Lose
from tests.scenarios.stage import names, segments


class Window:
    """A member that looks at the cluster, as a dashboard does."""

    def __init__(self, cluster: Cluster, watcher: str = "a1") -> None:
        self.cluster = cluster
        self.member: Member = cluster[watcher]
        self.board = Board(self.member.netid, {}, lambda at: int(at * 1000))

    def look(self, seconds: float) -> dict[str, Any]:
        """Look for so long; what is seen at the end."""
        for step in range(round(seconds * 10)):
            if step % 10 == 0:
                self.member.watch()
            self.cluster.run_for(0.1)
            for event in self.member.watched:
                self.board.fold(event, self.cluster.now)
            self.member.watched.clear()
            node = self.member.node
            self.board.tell_nodes(node.peers(self.cluster.now), node.segment, node.epoch)
            self.board.tick(self.cluster.now)
        return self.board.snapshot()

    def edges(self, broadcast: BroadcastID) -> set[tuple[str, str, int, str]]:
        """Who served whom, as shown."""
        snapshot = self.board.snapshot()
        name = {
            node["n"]: self.cluster.name_of(one.netid)
            for one in self.cluster
            if (node := snapshot["nodes"].get(str(one.netid)))
        }
        (shown,) = [one for one in snapshot["broadcasts"] if one["id"] == str(broadcast)]
        return {(name[a], name[b], hop, way) for a, b, hop, way, _ in shown["edges"]}


def true_edges(cluster: Cluster, broadcast: BroadcastID) -> set[tuple[str, str, int, str]]:
    """Who served whom, as the handlers were told."""
    return {
        (cluster.name_of(got.message.sender), member.name, got.message.hops, got.message.via)
        for member, got in cluster.deliveries(broadcast)
    }


def told(snapshot: dict[str, Any], cluster: Cluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = snapshot["nodes"][str(cluster[name].netid)]
    return found


def test_the_tree_that_is_shown_is_the_one_that_was_taken() -> None:
    cluster = segments(3, 4)
    window = Window(cluster)
    window.look(2)
    plain = cluster.broadcast("b2", body={"n": 1})
    window.look(2)
    confirmed = cluster.broadcast("c3", body={"n": 2}, confirm_s=2.0)
    own = cluster.broadcast("a1", body={"n": 3})
    snapshot = window.look(6)

    for broadcast in (plain, confirmed, own):
        assert window.edges(broadcast) == true_edges(cluster, broadcast)
    receipt = {
        (cluster.name_of(e.server), cluster.name_of(e.recipient), e.hop)
        for e in cluster["c3"].receipts[confirmed].edges
    }
    assert {edge[:3] for edge in window.edges(confirmed)} == receipt
    shown = {one["id"]: one for one in snapshot["broadcasts"]}
    assert shown[str(confirmed)]["confirmed"]
    assert not shown[str(plain)]["confirmed"]
    for one in shown.values():
        assert one["settled"]
        assert one["recipients"] == 11
        assert one["rounds"] <= one["bound"] == 3
        # Sent first and heard last, by clocks that are never compared.
        assert 0 < one["last_ms"] < 50
        assert one["missing"] == []


def test_counters_rise_by_what_was_broadcast() -> None:
    cluster = segments(2, 3)
    window = Window(cluster)
    before = window.look(3)["totals"]
    for number in range(7):
        cluster.broadcast("b1", "news" if number % 2 else "hello", {"n": number})
        cluster.run_for(0.1)
    after = window.look(4)

    rose = {name: after["totals"][name] - before[name] for name in before}
    assert (rose["broadcasts"], rose["deliveries"]) == (7, 35)
    assert rose["copies"] == 35
    assert (rose["gaps"], rose["repairs"]) == (0, 0)
    assert after["tags"] == {"hello": 20, "news": 15}
    assert told(after, cluster, "b1")["broadcasts"] == 7
    assert told(after, cluster, "a2")["deliveries"] == 7
    sent = cluster.count("bytes_sent")  # a second of beacons ahead of the last answers
    assert 0.9 * sent < after["totals"]["bytes_out"] <= sent
    times = [sample["t"] / 1000 for sample in after["history"]]
    shares = zip(times, times[1:], after["history"][1:], strict=False)
    assert sum((b - a) * one["deliveries"] for a, b, one in shares) == pytest.approx(35, abs=1)


def test_lost_answers_delay_what_is_shown_and_change_nothing() -> None:
    cluster = segments(2, 3, seed=3)
    window = Window(cluster, "b3")
    cluster.network.add(Lose(0.3, kinds=(MULTICAST, UDP)))
    sent = [cluster.broadcast("a2", body={"n": number}) for number in range(10)]
    cluster.run_for(2)
    sent += [cluster.broadcast("a2", body={"n": number}, confirm_s=2.0) for number in range(3)]
    snapshot = window.look(20)

    assert snapshot["totals"]["deliveries"] == 13 * 5
    assert told(snapshot, cluster, "a2")["broadcasts"] == 13
    assert all(cluster.who_dispatched(one) == names(cluster, "a2") for one in sent)


def test_nobody_watches_nobody_is_asked() -> None:
    cluster = segments(2, 3)
    before = {member.name: len(member.watched) for member in cluster}
    cluster.broadcast("a1")
    cluster.run_for(30)

    assert not any(member.watched for member in cluster)
    assert before == dict.fromkeys(before, 0)
    assert not any(member.node._watched.active for member in cluster)


def test_who_looks_no_more_is_told_no_more() -> None:
    cluster = segments(2, 3)
    Window(cluster).look(2)
    cluster.run_for(15)
    cluster["a1"].watched.clear()
    cluster.broadcast("b1")
    cluster.run_for(10)

    assert cluster["a1"].watched == []
    assert not any(member.node._watched.active for member in cluster)


def test_states_are_shown_as_they_change() -> None:
    cluster = segments(2, 3)
    window = Window(cluster)
    window.look(1)
    cluster["b2"].kill()
    cluster["b3"].stop()
    snapshot = window.look(15)
    states = {name: told(snapshot, cluster, name)["state"] for name in names(cluster)}
    assert states == {
        "a1": "alive",
        "a2": "alive",
        "a3": "alive",
        "b1": "alive",
        "b2": "failed",
        "b3": "left",
    }

    cluster.start("b2")
    snapshot = window.look(5)
    assert told(snapshot, cluster, "b2")["state"] == "alive"
    segment = told(snapshot, cluster, "b1")["segment"]
    assert {told(snapshot, cluster, name)["segment"] for name in ("b1", "b2")} == {segment}


def test_a_restarted_process_counts_anew_and_the_sum_goes_on() -> None:
    cluster = segments(2, 2)
    window = Window(cluster)
    for number in range(5):
        cluster.broadcast("b1", body=number)
    first = window.look(3)
    cluster["a2"].kill()
    cluster.start("a2")
    cluster.run_until(cluster.complete)
    window.look(2)
    for number in range(3):
        cluster.broadcast("b1", body=number)
    second = window.look(4)

    assert told(first, cluster, "a2")["deliveries"] == 5
    assert told(second, cluster, "a2")["deliveries"] == 3
    assert first["totals"]["deliveries"] == 15
    assert second["totals"]["deliveries"] == 15 + 9


def test_under_load_a_few_are_traced_and_those_are_whole() -> None:
    cluster = segments(2, 3)
    window = Window(cluster)
    sent = []
    for _ in range(10):
        for number in range(100):
            sent.append(cluster.broadcast("b1", body=number))
            cluster.run_for(0.002)
        window.look(0.8)
    snapshot = window.look(6)

    late = [one for one in snapshot["broadcasts"] if one["seqno"] > 500]
    assert 5 <= len(late) <= 40
    by_id = {str(one): one for one in sent}
    for one in late:
        assert window.edges(by_id[one["id"]]) == true_edges(cluster, by_id[one["id"]])
