"""Receipts: who got a confirmed broadcast, while those who were to serve the others die."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from chatter.core.duties import Duty
from chatter.ids import BroadcastID, NetID
from chatter.testing import Cluster, Lose, Member
from chatter.testing.faults import MULTICAST, UDP
from chatter.wire.burst import Broadcasts
from chatter.wire.records import Highest, Top
from tests.scenarios.oracle import Oracle
from tests.scenarios.stage import segments
from tests.scenarios.test_large import QUIET

NODES = 1000
CONFIRM_S = 3.0


def twenty_segments(seed: int) -> Cluster:
    """1,000 nodes that have long met."""
    cluster = Cluster(seed, **QUIET)
    for segment in range(20):
        cluster.add(NODES // 20, segment=f"s{segment}-")
    cluster.start()
    cluster.acquaint()
    return cluster


def all_tcp(seed: int) -> Cluster:
    """The same without any multicast."""
    cluster = Cluster(seed, **QUIET)
    cluster.add(NODES, groups=(), segment="s3-")
    cluster.start()
    cluster.acquaint()
    return cluster


def kill_silently(member: Member) -> None:
    member.kill(silently=True)


class MidTree:
    """Has heads die while a broadcast is on its way: each when it has just come to them, so that
    whoever sent it believes that the branch is taken care of."""

    def __init__(self, cluster: Cluster, count: int, end: Callable[[Member], None]) -> None:
        self.cluster = cluster
        self.dead: list[Member] = []
        self.orphans: set[NetID] = set()
        """Whom the dead had been asked to serve."""
        self._count = count
        self._end = end
        for member in cluster:
            self._watch(member)

    def _watch(self, member: Member) -> None:
        forwarder = member.node._forwarder
        plain = forwarder.forward

        def forward(
            gossip: Broadcasts, targets: Sequence[NetID], now: float, duty: Duty | None = None
        ) -> None:
            dies = (
                len(self.dead) < self._count
                and member.netid != gossip.id.origin
                and len(targets) > 1
                and self.cluster.rng.random() < 0.5
            )
            if not dies:
                plain(gossip, targets, now, duty)
                return
            self.dead.append(member)
            self.orphans.update(targets)
            self.cluster.clock.after(0.0, lambda: self._end(member))

        forwarder.forward = forward  # type: ignore[method-assign]


def settled(cluster: Cluster, origin: str, sent: BroadcastID) -> tuple[set[NetID], set[NetID]]:
    """Let time pass until the receipt is there; who is in it, and who is missing."""
    receipts = cluster[origin].receipts
    cluster.run_until(lambda: sent in receipts, CONFIRM_S + 0.1)
    outcome = receipts[sent]
    return set(outcome.delivered), set(outcome.missing)


@pytest.mark.parametrize("how", [Member.kill, kill_silently, Member.freeze])
@pytest.mark.parametrize(("make", "origin"), [(twenty_segments, "s3-1"), (all_tcp, "s3-7")])
def test_1000_nodes_get_it_while_heads_die_in_mid_tree(
    make: Callable[[int], Cluster], origin: str, how: Callable[[Member], None]
) -> None:
    cluster = make(1)
    # A tree over 20 segments has few heads to kill; one of 1,000 nodes has 1 % of them.
    mid_tree = MidTree(cluster, 10 if make is all_tcp else 3, how)
    sent = cluster.broadcast(origin, confirm_s=CONFIRM_S)
    delivered, missing = settled(cluster, origin, sent)
    cluster.run_for(3)

    dead = {member.netid for member in mid_tree.dead}
    others = {member.netid for member in cluster} - dead - {cluster[origin].netid}
    assert len(dead) >= 3
    assert len(mid_tree.orphans - dead) > 20, "so many would have been lost without another plan"
    names = cluster.who_dispatched(sent)
    assert len(names) == len(set(names))
    assert {cluster[name].netid for name in names} >= others
    assert missing <= dead, "nobody else is missing"
    # Who had it and died before it could say so may be in either.
    assert others <= delivered


@pytest.mark.parametrize("seed", range(3))
def test_receipts_are_full_under_loss(seed: int) -> None:
    cluster = segments(3, 4, seed)
    cluster.network.add(Lose(0.3, kinds=(UDP, MULTICAST)))
    oracle = Oracle(cluster)

    for turn in range(20):
        origin = ("a1", "b2", "c3")[turn % 3]
        to = None if turn % 2 else ["a2", "a3", "b1", "b4", "c2"]
        sent = oracle.broadcast(origin, bytes(500), to=to, confirm_s=CONFIRM_S)
        delivered, missing = settled(cluster, origin, sent)
        assert missing == set()
        assert len(delivered) == (11 if to is None else 5)
        edges = cluster[origin].receipts[sent].edges
        assert {edge.recipient for edge in edges} == delivered

    oracle.finish()
    oracle.check()


@pytest.mark.parametrize("how", [Member.kill, kill_silently, Member.freeze])
def test_each_receipt_names_exactly_the_dead(how: Callable[[Member], None]) -> None:
    """And once that they are dead is known, receipts are as fast as before."""
    cluster = segments(3, 4, seed=2)
    oracle = Oracle(cluster)
    dead = [cluster[name] for name in ("a2", "b3", "c4")]

    def confirmed() -> tuple[float, set[NetID]]:
        began = cluster.now
        receipts = cluster["a1"].receipts
        sent = oracle.broadcast("a1", bytes(500), confirm_s=2.0)
        cluster.run_until(lambda: sent in receipts, 2.1)
        assert len(receipts[sent].delivered) == (8 if cluster.now > fault_at else 11)
        return cluster.now - began, set(receipts[sent].missing)

    fault_at = float("inf")
    before_s, missing = confirmed()
    assert missing == set()

    fault_at = cluster.now
    for member in dead:
        how(member)
    first_s, missing = confirmed()
    assert missing == {member.netid for member in dead}
    assert first_s <= 2.1
    cluster.run_for(15)

    after_s, missing = confirmed()
    assert missing == set(), "they are known to be dead and nobody counts on them"
    assert after_s < before_s + 0.01
    cluster.run_for(2)
    oracle.check(members=[one for one in cluster if one not in dead])


def test_who_has_given_up_on_it_is_not_named_as_having_it() -> None:
    """A gap has said that it will not be dispatched there, so its late copy is not."""
    cluster = segments(2, 1, groups=(), repair_timeout_s=0.5)
    origin, other = cluster["a1"], cluster["b1"]
    named = Highest((Top(origin.netid, origin.node.epoch, 1),))
    origin.node._links.send(other.netid, named)
    cluster.broadcast("a1", to=["b1"])  # has the shell turn to the link
    cluster.run_for(3)
    assert [(gap.first, gap.last) for gap in other.gaps] == [(1, 1)]

    sent = cluster.broadcast("a1", confirm_s=1.0)
    cluster.run_for(2)

    assert cluster.who_dispatched(sent) == []
    assert origin.receipts[sent].missing == (other.netid,)
