"""Lone messages on real sockets: dispatched in the hub's own turn, whatever their handlers do.

Most of it holds for both ways: ``multicast`` says whether they come by it, or on a connection.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

import gevent
import pytest
from gevent.event import Event

from chatter import Message
from chatter.core.effects import Deliver
from chatter.core.lone import FEW_NOTED, MOST_NOTED
from chatter.net.connection import Connection
from chatter.net.dispatch import Dispatch
from chatter.net.multicast import MulticastPort
from chatter.net.runtime import Runtime
from tests.net.deliveries import delivery
from tests.net.nodes import Recorder, cluster, wait_until
from tests.net.test_worker import Bench, bench

__all__ = ["bench"]

# Above the pause after which a broadcast is a lone one.
APART_S = 0.008


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seqnos that were dispatched in the hub's turn, by any node of this process."""
    taken: list[int] = []
    real = Dispatch.deliver_at_once

    def spy(self: Dispatch, one: Deliver) -> bool:
        done = real(self, one)
        if done:
            taken.append(one.gossip.id.seqno)
        return done

    monkeypatch.setattr(Dispatch, "deliver_at_once", spy)
    return taken


@pytest.fixture(params=[True, False], ids=["multicast", "tcp"])
def multicast(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def say(sender: Recorder, tag: str, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        sender.chatter.broadcast(tag, number)
        gevent.sleep(APART_S)


def test_they_come_once_and_in_order(at_once: list[int], multicast: bool) -> None:
    with cluster(3, multicast=multicast) as (sender, *others):
        say(sender, "news", 60)
        for other in others:
            wait_until(lambda other=other: len(other.bodies) == 60, "all of them")  # type: ignore[misc]
            assert other.bodies == list(range(60))
            assert other.messages[-1].via == ("multicast" if multicast else "tcp")
        assert len(at_once) > 60
        stats = others[0].chatter.stats()
        assert stats["gossip_received"] == stats["dispatched"] == 60


def test_a_handler_that_waits_has_its_messages_queue_and_holds_up_no_other(
    at_once: list[int], multicast: bool
) -> None:
    with cluster(2, multicast=multicast) as (sender, other):
        gate, slow, quick = Event(), list[int](), list[int]()

        def wait(body: int, message: Message) -> None:
            gate.wait()
            slow.append(body)

        other.chatter.on("slow")(wait)
        other.chatter.on("quick")(lambda body, message: quick.append(body))
        say(sender, "slow", 3)
        say(sender, "quick", 3)
        say(sender, "slow", 17, 3)
        say(sender, "quick", 17, 3)
        wait_until(lambda: len(quick) == 20, "the other handler's")
        assert slow == []
        gate.set()
        wait_until(lambda: len(slow) == 20, "all that waited")
        assert slow == quick == list(range(20))
        assert at_once


def test_a_handler_may_broadcast_and_wait_for_the_answer(
    at_once: list[int], multicast: bool
) -> None:
    with cluster(2, multicast=multicast) as (sender, other):
        answers: list[bool] = []

        def answer(body: int, message: Message) -> None:
            receipt = other.chatter.broadcast("echo", body, confirm=True)
            answers.append(receipt.wait(5.0))

        other.chatter.on("ask")(answer)
        say(sender, "ask", 10)
        wait_until(lambda: len(answers) == 10, "the answers")
        assert answers == [True] * 10
        assert sender.bodies == list(range(10))
        assert at_once


def test_a_handler_that_fails_or_ends_its_greenlet_gets_the_next(
    at_once: list[int], multicast: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with cluster(2, multicast=multicast) as (sender, other):
        seen: list[int] = []

        def fail(body: int, message: Message) -> None:
            seen.append(body)
            if body % 5 == 3:
                raise gevent.GreenletExit
            if body % 5 == 4:
                raise ValueError("no")

        other.chatter.on("news")(fail)
        say(sender, "news", 20)
        wait_until(lambda: len(seen) == 20, "all of them")
        assert seen == list(range(20))
        assert other.chatter.stats()["handler_errors"] == 4
        assert other.chatter.stats().get("internal_errors", 0) == 0
        assert at_once


def test_a_handler_may_stop_its_node(at_once: list[int], multicast: bool) -> None:
    with cluster(2, multicast=multicast) as (sender, other):
        stopped: list[int] = []

        def stop(body: int, message: Message) -> None:
            if body == 15:
                other.chatter.stop()
                stopped.append(body)

        other.chatter.on("news")(stop)
        say(sender, "news", 20)
        wait_until(lambda: stopped == [15], "its end")
        assert 16 in at_once
        say(sender, "news", 3)
        assert not other.chatter.running


def test_what_the_core_or_a_bug_throws_ends_nothing(
    at_once: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with cluster(2) as (sender, other):
        say(sender, "news", 5)
        wait_until(lambda: len(other.bodies) == 5, "the first ones")
        lone = other.chatter._runtime.node.lone  # type: ignore[union-attr]
        monkeypatch.setattr(lone, "take", lambda *arguments: 1 / 0)
        say(sender, "news", 1, 5)
        wait_until(lambda: other.chatter.stats().get("internal_errors", 0) >= 1, "the bug's count")
        monkeypatch.undo()
        say(sender, "news", 5, 6)
        # The one that the bug cost is repaired.
        wait_until(lambda: sorted(other.bodies) == list(range(11)), "all of them")
        assert "a bug in chatter" in caplog.text


def test_a_stopped_socket_is_read_to_its_end(at_once: list[int]) -> None:
    """What piled up while nobody read is no lone message: it is read in one go, and in order."""
    with cluster(2) as (sender, other):
        say(sender, "news", 5)
        wait_until(lambda: len(other.bodies) == 5, "the first ones")
        gate = Event()
        port: MulticastPort = other.chatter._runtime._ports[0]  # type: ignore[union-attr]
        port._readable.stop()
        gevent.spawn_later(0.4, gate.set)
        say(sender, "news", 20, 5)
        assert len(other.bodies) == 5
        gate.wait()
        port._readable.start(port._hear)
        wait_until(lambda: len(other.bodies) == 25, "all of them")
        assert other.bodies == list(range(25))


@pytest.mark.parametrize("handler", ["none", "blocked", "idle"])
def test_whoever_takes_them_settles_and_grants(handler: str, multicast: bool) -> None:
    """Also where nobody has a handler, or it is at something else: their senders need credit."""
    quiet = {"beacon_interval_s": 2.0, "failure_timeout_s": 10.0}
    with cluster(2, multicast=multicast, **quiet) as (sender, other):
        gate = Event()
        if handler == "blocked":
            other.chatter.on("news")(lambda body, message: gate.wait())
        elif handler == "none":
            other.chatter.handlers._handlers.pop("*")
        node = other.chatter._runtime.node  # type: ignore[union-attr]
        lone = node.lone if multicast else node.lone_sessions
        most = 0
        for number in range(90):
            say(sender, "news", 1, number)
            most = max(most, len(lone.noted))
        assert 0 < most <= MOST_NOTED
        gate.set()


def test_who_looks_at_figures_sees_all_that_came_and_holds_up_no_credit() -> None:
    with cluster(2, beacon_interval_s=2.0, failure_timeout_s=10.0) as (sender, other):
        for number in range(1, 91):
            say(sender, "news", 1, number)
            wait_until(lambda: len(other.bodies) == number, "it")  # noqa: B023
            if number % 3 == 0:
                assert other.chatter.stats()["gossip_received"] == number
                assert other.chatter.figures().counters["gossip_received"] == number
                assert other.chatter.figures().tags == {"news": number}
                (peer,) = other.chatter.peers()
                assert peer.address == sender.chatter.local_netid
                assert other.chatter._runtime.node.take_effects() == []  # type: ignore[union-attr]
        assert other.chatter.stats()["credits_sent"] > 0
        assert sender.chatter.stats().get("multicast_blocked", 0) == 0


def test_an_error_of_the_socket_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with cluster(2) as (sender, other):
        real, errors = os.read, [OSError(errno.ENETDOWN, "down") for _ in range(2)]
        fd = other.chatter._runtime._ports[0].sockets[0].fileno()  # type: ignore[union-attr]

        def read(fileno: int, most: int) -> bytes:
            if fileno == fd and errors:
                raise errors.pop()
            return real(fileno, most)

        monkeypatch.setattr("chatter.net.multicast.os.read", read)
        say(sender, "news", 60)
        wait_until(lambda: len(other.bodies) == 60, "all of them")
        assert other.chatter.stats()["multicast_errors"] == 2
        assert sum("239." in record.getMessage() for record in caplog.records) == 1


def test_what_the_core_throws_costs_the_connection_and_no_message(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody knows whether the bytes were taken, so what follows them could not be."""
    with cluster(2, multicast=False) as (sender, other):
        say(sender, "news", 5)
        wait_until(lambda: len(other.bodies) == 5, "the first ones")
        former = set(other.chatter._runtime.connections)  # type: ignore[union-attr]
        lone = other.chatter._runtime.node.lone_sessions  # type: ignore[union-attr]
        monkeypatch.setattr(lone, "take", lambda *arguments: 1 / 0)
        say(sender, "news", 1, 5)
        wait_until(lambda: other.chatter.stats().get("internal_errors", 0) == 1, "the bug's count")
        monkeypatch.undo()
        wait_until(
            lambda: not former & set(other.chatter._runtime.connections),  # type: ignore[union-attr]
            "the end of the connection",
        )
        say(sender, "news", 5, 6)
        wait_until(lambda: sorted(other.bodies) == list(range(11)), "all of them")
        assert "a bug in chatter" in caplog.text
        assert other.chatter.stats().get("dropped_replay", 0) == 0


def test_a_connection_that_is_reset_is_made_anew(capfd: pytest.CaptureFixture[str]) -> None:
    with cluster(2, multicast=False) as (sender, other):
        say(sender, "news", 5)
        wait_until(lambda: len(other.bodies) == 5, "the first ones")
        former = dict(sender.chatter._runtime.connections)  # type: ignore[union-attr]
        there = set(other.chatter._runtime.connections)  # type: ignore[union-attr]
        for connection in former.values():
            # Without a linger time its end is a reset, which a read answers with an error.
            linger = struct.pack("ii", 1, 0)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection._close()
        wait_until(
            lambda: not there & set(other.chatter._runtime.connections),  # type: ignore[union-attr]
            "its end",
        )
        say(sender, "news", 5, 5)
        wait_until(lambda: sorted(other.bodies) == list(range(10)), "all of them")
        for one in (sender, other):
            assert one.chatter.stats().get("internal_errors", 0) == 0
    assert "Traceback" not in capfd.readouterr().err  # the hub's own word on a failed callback


def test_what_the_system_does_not_take_at_once_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame of which a part is taken, and one of which nothing is."""
    real, parts = os.write, iter([0, 10, 1])

    def write(fileno: int, data: bytes) -> int:
        part = next(parts, len(data))
        if not part:
            raise BlockingIOError
        return real(fileno, data[:part])

    with cluster(2, multicast=False) as (sender, other):
        say(sender, "news", 2)
        wait_until(lambda: len(other.bodies) == 2, "the first ones")
        former = set(sender.chatter._runtime.connections)  # type: ignore[union-attr]
        monkeypatch.setattr("chatter.net.connection.os.write", write)
        say(sender, "news", 20, 2)
        wait_until(lambda: len(other.bodies) == 22, "all of them")
        assert next(parts, None) is None
        assert other.bodies == list(range(22))
        assert set(sender.chatter._runtime.connections) == former  # type: ignore[union-attr]


def test_an_answer_that_is_due_wakes_the_node(
    at_once: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message that the hub takes may be the first that has to be answered by some time."""
    noted: list[int] = []
    minded: list[bool] = []
    note_due, hear = Runtime.note_due, Connection._hear

    def spy_on_due(self: Runtime) -> None:
        noted.append(1)
        note_due(self)

    def spy_on_hub(self: Connection) -> None:
        taken, before = len(at_once), len(noted)
        hear(self)
        if len(at_once) > taken:
            minded.append(len(noted) > before)

    monkeypatch.setattr(Runtime, "note_due", spy_on_due)
    monkeypatch.setattr(Connection, "_hear", spy_on_hub)
    with cluster(2, multicast=False, beacon_interval_s=2.0, failure_timeout_s=10.0) as (one, two):
        say(one, "news", 40)
        wait_until(lambda: len(two.bodies) == 40, "all of them")
    assert len(minded) > 10
    assert all(minded)


def test_a_handful_is_settled_also_while_nobody_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatter.core.lone_sessions.LEAF_ACK_DELAY_S", 60.0)
    monkeypatch.setattr("chatter.core.passing.LEAF_ACK_DELAY_S", 60.0)
    quiet = {"beacon_interval_s": 8.0, "failure_timeout_s": 40.0}
    with cluster(2, multicast=False, **quiet) as (sender, other):
        lone = other.chatter._runtime.node.lone_sessions  # type: ignore[union-attr]
        most = 0
        for number in range(90):
            say(sender, "news", 1, number)
            most = max(most, len(lone.noted))
        assert FEW_NOTED < most <= MOST_NOTED


def test_a_connection_that_breaks_while_nobody_reads_is_noticed_and_made_anew() -> None:
    """Whoever writes sees it first, and closes the socket under the one that waits to read."""
    with cluster(2, multicast=False) as (sender, other):
        say(sender, "news", 5)
        wait_until(lambda: len(other.bodies) == 5, "the first ones")
        runtime = sender.chatter._runtime
        assert runtime is not None
        former = dict(runtime.connections)
        for connection in former.values():
            connection._close()  # type: ignore[attr-defined]
        wait_until(lambda: not former.keys() & runtime.connections.keys(), "its end")
        say(sender, "news", 5, 5)
        wait_until(lambda: sorted(other.bodies) == list(range(10)), "all of them")
        assert sender.chatter.stats().get("internal_errors", 0) == 0


def test_what_a_log_handler_left_to_be_carried_out_is_not_overtaken(at_once: list[int]) -> None:
    with cluster(2) as (sender, other):
        say(sender, "news", 5)
        wait_until(lambda: len(other.bodies) == 5, "the first ones")
        runtime = other.chatter._runtime
        assert runtime is not None
        runtime._effects.append(delivery(77, tag="news"))
        say(sender, "news", 5, 5)
        wait_until(lambda: len(other.bodies) == 11, "all of them")
        assert other.bodies == [0, 1, 2, 3, 4, bytes(8), 5, 6, 7, 8, 9]
        assert at_once


def in_hub(bench: Bench, one: Deliver) -> bool:
    done: list[bool] = []
    gevent.get_hub().loop.run_callback(lambda: done.append(bench.dispatch.deliver_at_once(one)))
    wait_until(lambda: done, "the hub's turn")
    return done[0]


def test_only_an_idle_handler_is_given_one_at_once(bench: Bench) -> None:
    gate, taken = bench.gated("slow")
    assert not in_hub(bench, delivery(1, tag="slow"))  # it has no greenlet yet
    bench.put(1, 1)
    gevent.sleep(0.01)
    assert not in_hub(bench, delivery(2, tag="slow"))  # it is at its first
    bench.put(2, 2)
    gate.set()
    wait_until(lambda: taken == [1, 2], "both")
    assert in_hub(bench, delivery(3, tag="slow"))
    assert taken == [1, 2, 3]
    assert not in_hub(bench, delivery(4, tag="nobody"))


def test_one_at_once_never_overtakes_what_waits(bench: Bench) -> None:
    gate, taken = bench.gated("slow")
    gate.set()
    bench.put(1, 1)
    wait_until(lambda: taken == [1], "the first")
    done: list[bool] = []

    def turn() -> None:
        bench.put(2, 2)  # it wakes up in the next turn
        done.append(bench.dispatch.deliver_at_once(delivery(3, tag="slow")))

    gevent.get_hub().loop.run_callback(turn)
    wait_until(lambda: len(taken) == 2, "what waits")
    assert done == [False]
    assert taken == [1, 2]
    assert bench.dispatch.queued == 0
