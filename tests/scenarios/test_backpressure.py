"""Nodes that are given more than they can take: who is held back, and that nobody is stuck."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chatter.core.handlers import codec_handler
from chatter.errors import QueueFull
from chatter.testing import Cluster
from chatter.testing.cluster import GROUP
from chatter.testing.worker import Worker
from tests.scenarios.oracle import LOOSE, ORDERED, Oracle
from tests.scenarios.stage import segments

# Messages that wait for a handler before its node holds senders back, and what each takes.
FULL_AT, TAKES_S = 64, 0.0005


@pytest.mark.parametrize("one_host", [False, True], ids=["Ethernet", "one host"])
def test_a_publisher_goes_as_fast_as_the_slowest_handler(one_host: bool) -> None:
    """2,000 a second, and never more waiting than the bound and what was on its way."""
    cluster = segments(2, 3, one_host=one_host)
    oracle = Oracle(cluster)
    workers = [cluster[name].handler_queue(LOOSE, TAKES_S, FULL_AT) for name in ("a2", "b3")]
    oracle.publish("a1", 4000, lambda _: bytes(1000), tags=[LOOSE])

    began = cluster.now
    oracle.finish(quiet_s=0)
    took_s = cluster.now - began
    oracle.check()

    assert 4000 * TAKES_S <= took_s < 2 * 4000 * TAKES_S
    assert oracle.refused > 100
    # The windows of a group and of a connection, in messages of this size.
    assert max(worker.most for worker in workers) < FULL_AT + 1000
    assert cluster.count("slow_peers") == 0
    # Who takes no more at the moment is not silent: nothing is planned around it and sent twice.
    assert cluster.count("heads_silent") == cluster.count("branches_replanned") == 0


@pytest.mark.parametrize(
    "pause_s", [0.00025, 0.0], ids=["by multicast", "a tight loop, by the tree"]
)
@pytest.mark.parametrize("failure_timeout_s", [4.0, 30.0], ids=["noticed", "unnoticed"])
def test_a_stopped_receiver_is_left_behind_and_repaired(
    failure_timeout_s: float, pause_s: float
) -> None:
    """The others wait for it no longer than ``slow_after_s``; it gets all of it in the end."""
    cluster = segments(2, 4, failure_timeout_s=failure_timeout_s)
    oracle = Oracle(cluster)
    cluster["a3"].freeze()
    oracle.publish("a1", 4_000, lambda _: bytes(1000), tags=[ORDERED], pause_s=pause_s)
    others = [one for one in cluster if one.name not in ("a1", "a3")]

    began = cluster.now
    cluster.run_until(
        lambda: all(len(one.inbox) == 4_000 for one in others), 20, "the others have it"
    )
    assert cluster.now - began < 1 + 2 * cluster["a1"].config.slow_after_s
    assert cluster["a1"].counts["slow_peers"] == (1 if pause_s else 0)
    assert len(cluster["a3"].inbox) == 0

    cluster.run_for(8)
    cluster["a3"].thaw()
    oracle.finish(60)
    oracle.check()


def answering(
    cluster: Cluster, names: list[str], refusals: list[str], asking: Callable[[], bool]
) -> list[Worker]:
    """Have these broadcast in answer to each message, as long as that is asked for."""
    workers = []
    for name in names:
        member = cluster[name]

        def answer(body: Any, message: Any, who: str = name) -> None:
            if asking():
                try:
                    cluster[who].broadcast("question", bytes(1000), codec="bytes")
                except QueueFull:
                    refusals.append(who)

        member.handlers.add(codec_handler("question", "bytes", answer))
        workers.append(member.handler_queue("question", TAKES_S, FULL_AT))
    return workers


@pytest.mark.parametrize("one_host", [False, True], ids=["Ethernet", "one host"])
@pytest.mark.parametrize("separate", [False, True], ids=["one segment", "three"])
def test_two_that_answer_each_other_under_a_flood_do_not_lock_up(
    separate: bool, one_host: bool
) -> None:
    """Each message makes another one, so there would be ever more if nothing bounded them."""
    cluster = segments(3 if separate else 1, 1 if separate else 3, one_host=one_host)
    pair = ["b1", "c1"] if separate else ["a2", "a3"]
    refusals: list[str] = []
    asking = True
    workers = answering(cluster, pair, refusals, lambda: asking)
    oracle = Oracle(cluster)
    oracle.publish("a1", 3000, lambda _: bytes(1000), tags=["question"])

    handled = 0
    for _ in range(6):
        cluster.run_for(0.5)
        now_handled = sum(len(cluster[name].inbox) for name in pair)
        assert now_handled > handled + 500, "it goes on"
        handled = now_handled
    assert set(refusals) == set(pair)
    # What waits: the bound, and what the windows of two senders had under way when it was reached.
    assert max(worker.most for worker in workers) < FULL_AT + 2000

    asking = False
    oracle.finish()
    cluster.run_until(lambda: not any(workers), 10, "what was accepted is handled")
    oracle.check()
    for member in cluster:
        ids = [one.id for one in member.inbox]
        others = sum(one.counts["broadcasts"] for one in cluster if one is not member)
        assert len(set(ids)) == len(ids) == others


# As many as the real queue of a handler takes before the senders are held back.
REAL_FULL_AT = 4096


@pytest.mark.parametrize("a_second", [2500, 10_000, 100_000])
@pytest.mark.parametrize("multicast", [True, False], ids=["multicast", "tcp"])
@pytest.mark.parametrize("senders", [1, 3])
def test_a_flood_of_tiny_messages_goes_as_fast_as_handlers_do(
    senders: int, multicast: bool, a_second: int
) -> None:
    """Thousands fit in a window; yet none is dropped, and nobody is left behind."""
    cluster = Cluster(1)
    groups = (GROUP,) if multicast else ()
    first = cluster.add(1, groups=groups)
    cluster.add(senders + 1, groups=groups, join=first)
    cluster.start()
    cluster.run_until(cluster.warm if multicast else cluster.complete, 30)
    cluster.run_for(5)
    oracle = Oracle(cluster)
    slow = [one for one in cluster if int(one.name[1:]) > senders]
    workers = [one.handler_queue(LOOSE, 1 / a_second, REAL_FULL_AT) for one in slow]
    each = min(20_000, 2 * a_second) // senders
    for number in range(1, senders + 1):
        oracle.publish(f"a{number}", each, lambda _: b"tiny", tags=[LOOSE])
    oracle.finish()

    oracle.check()
    slow_handler_s = cluster["a1"].config.slow_handler_s
    assert max(worker.longest_above_s for worker in workers) < slow_handler_s * 0.9
    for name in ("slow_peers", "heads_silent", "outbox_full"):
        assert cluster.count(name) == 0, f"{cluster.count(name)} {name}"


def test_to_who_keeps_up_more_is_under_way_at_a_time() -> None:
    cluster = segments(1, 2, 1)
    receiver = cluster["a2"]
    receiver.node._context.buffer = 1 << 22
    oracle = Oracle(cluster)
    peer = receiver.node._context.peers.get(cluster["a1"].netid)
    assert peer is not None
    windows: list[int] = []
    receiver.handlers.add(
        codec_handler("quick", "bytes", lambda body, message: windows.append(ahead()))
    )

    def ahead() -> int:
        flow = peer.flow[0]
        return flow.limit - flow.seen

    oracle.publish("a1", 60_000, lambda _: bytes(100), tags=["quick"])
    oracle.finish()
    oracle.check()
    assert windows[0] < 100_000
    assert max(windows) > 1_000_000
