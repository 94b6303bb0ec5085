from __future__ import annotations

from collections import Counter

from chatter.errors import QueueFull
from chatter.ids import NetID
from chatter.testing import Cluster
from chatter.testing.freezer import DATAGRAM_CHARGE_BYTES, STOCK_BUFFER_BYTES, Freezer

A, B = NetID("10.0.0.1", 1), NetID("10.0.0.2", 1)


def make_freezer() -> Freezer:
    return Freezer(Counter())


def test_calls_wait_in_order_until_the_process_goes_on() -> None:
    freezer, done = make_freezer(), list[int]()
    assert not freezer.keeps(A, lambda: done.append(0))
    freezer.freeze(A)
    assert freezer.frozen(A)
    assert freezer.keeps(A, lambda: done.append(1))
    assert freezer.keeps_datagram(A, 100, lambda: done.append(2))
    assert not freezer.keeps(B, lambda: done.append(3))
    assert done == []

    freezer.thaw(A)
    assert done == [1, 2]
    assert not freezer.frozen(A)


def test_datagrams_beyond_the_buffer_are_lost() -> None:
    counts: Counter[str] = Counter()
    freezer, done = Freezer(counts), list[int]()
    freezer.freeze(A)
    fit = STOCK_BUFFER_BYTES // (1000 + DATAGRAM_CHARGE_BYTES)
    for number in range(fit + 5):
        assert freezer.keeps_datagram(A, 1000, lambda number=number: done.append(number))  # type: ignore[misc]
    freezer.thaw(A)

    assert done == list(range(fit))
    assert counts["dropped_full_buffer"] == 5


def test_a_process_that_has_ended_is_handed_nothing() -> None:
    freezer, done = make_freezer(), list[int]()
    freezer.freeze(A)
    freezer.keeps(A, lambda: done.append(1))
    freezer.forget(A)
    freezer.thaw(A)

    assert done == []


def frozen(**options: object) -> Cluster:
    cluster = Cluster(1, failure_timeout_s=60.0)
    cluster.add(3, **options)  # type: ignore[arg-type]
    cluster.start()
    cluster.acquaint()
    cluster["a2"].freeze()
    return cluster


def test_a_frozen_member_takes_and_sends_nothing_until_it_goes_on() -> None:
    for options in ({}, {"groups": ()}):
        cluster = frozen(**options)
        sent = cluster.broadcast("a1", to=["a2", "a3"])
        frames = cluster["a2"].counts.get("frames_sent", 0)
        cluster.run_for(5)
        assert cluster.who_dispatched(sent) == ["a3"]
        assert cluster["a2"].counts.get("frames_sent", 0) == frames
        assert cluster["a2"].frozen

        cluster["a2"].thaw()
        cluster.run_for(2)
        assert cluster.who_dispatched(sent) == ["a2", "a3"]


def test_its_system_takes_connections_and_bytes_as_far_as_there_is_room() -> None:
    cluster = frozen(groups=())
    refused = False
    for _ in range(100):
        try:
            cluster.broadcast("a1", body=bytes(40_000), to=["a2"], codec="bytes")
        except QueueFull:
            refused = True
            break
        cluster.run_for(0.01)
    assert refused
    assert cluster["a1"].counts.get("connects_failed", 0) == 0


def test_one_that_is_killed_while_frozen_starts_anew() -> None:
    cluster = frozen()
    cluster.broadcast("a1")
    cluster.run_for(1)
    cluster["a2"].kill()
    cluster.run_for(0.1)
    cluster["a2"].start()
    cluster.run_until(cluster.complete, 20)
    sent = cluster.broadcast("a1")
    cluster.run_for(1)

    assert not cluster["a2"].frozen
    assert cluster.who_dispatched(sent) == ["a2", "a3"]
