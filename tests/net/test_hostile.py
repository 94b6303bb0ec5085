"""What users, strangers and the operating system do at the worst moment, on real sockets."""

from __future__ import annotations

import socket
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.monkey import get_original

from chatter import Chatter, Closed, generate_key
from chatter.core.effects import PeerEvent
from chatter.net import connection, listener, seeds
from tests.net.nodes import cluster, wait_until
from tests.net.test_service import run_script


def alone(**fields: Any) -> Chatter:
    """A node of loopback without multicast."""
    settings: dict[str, Any] = {"address": "127.0.0.1:0", "multicast": [], "key": generate_key()}
    return Chatter(**{**settings, **fields})


# Strangers


def test_a_burst_of_connections_stays_below_the_bound() -> None:
    with alone() as chatter:
        # Unpatched sockets, so that all of them wait in the backlog when the node gets its turn.
        plain = get_original("socket", "socket")
        strangers = [plain() for _ in range(listener.MAX_UNPROVEN + 100)]
        try:
            for stranger in strangers:
                stranger.connect(tuple(chatter.local_netid))
            wait_until(lambda: chatter.stats().get("connections_cut_off") == 100, "refusals")
            assert chatter.stats()["connections"] == listener.MAX_UNPROVEN
        finally:
            for stranger in strangers:
                stranger.close()


def test_a_stranger_that_holds_a_connection_does_not_delay_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "CLOSE_GRACE_S", 60)
    chatter = alone(connect_timeout_s=60).start()
    with socket.create_connection(chatter.local_netid):
        wait_until(lambda: chatter.stats()["connections"] == 1, "the stranger")
        with gevent.Timeout(10, AssertionError("it waited for the stranger")):
            chatter.stop(timeout=60)


# Handlers and callbacks


def test_a_timeout_that_a_handler_lets_out_ends_neither_it_nor_its_successors() -> None:
    with cluster(2, multicast=False) as (sender, receiver):
        taken: list[int] = []

        @receiver.chatter.on("slow")
        def slow(body: int, _: object) -> None:
            taken.append(body)
            with gevent.Timeout(0.001):  # no Exception by descent
                gevent.sleep(60)

        for number in range(3):
            sender.chatter.broadcast("slow", number)
        wait_until(lambda: receiver.chatter.stats().get("handler_errors") == 3, "three failures")
        assert taken == [0, 1, 2]


def test_a_handler_that_ends_itself_takes_the_next_message() -> None:
    with cluster(2, multicast=False) as (sender, receiver):
        taken: list[int] = []

        @receiver.chatter.on("last")
        def last(body: int, _: object) -> None:
            taken.append(body)
            raise gevent.GreenletExit

        sender.chatter.broadcast("last", 1)
        wait_until(lambda: taken == [1], "the first message")
        sender.chatter.broadcast("last", 2)
        wait_until(lambda: taken == [1, 2], "the second")


def test_after_a_handler_stopped_its_node_nothing_is_dispatched() -> None:
    with cluster(2, multicast=False) as (sender, receiver):
        taken: list[int] = []
        stopped = Event()

        @receiver.chatter.on("stop")
        def stop(body: int, _: object) -> None:
            taken.append(body)
            gevent.sleep(0.05)  # so that the others come while it works
            receiver.chatter.stop()
            stopped.set()

        for number in range(5):
            sender.chatter.broadcast("stop", number)
        wait_until(stopped.ready, "the end")
        for _ in range(10):
            gevent.sleep(0)
        assert taken == [0]


def test_a_callback_may_restart_its_node() -> None:
    with alone(beacon_interval_s=0.1, failure_timeout_s=2.0) as seed:
        settings = {"key": seed.config.key, "join": [str(seed.local_netid)]}
        chatter = alone(**settings, beacon_interval_s=0.1, failure_timeout_s=2.0)
        running: list[gevent.Greenlet[..., Any]] = []

        @chatter.on_peer
        def restart(_: PeerEvent) -> None:
            current = gevent.getcurrent()
            assert isinstance(current, gevent.Greenlet)
            running.append(current)
            if len(running) == 1:
                chatter.stop()
                chatter.start()
            elif len(running) == 2:
                raise gevent.Timeout(1)  # that of a greenlet is no Exception either

        with chatter:
            wait_until(lambda: len(running) > 1, "the meeting after the restart")
            wait_until(lambda: running[0].dead, "the end of the first life's greenlet")
            assert running[1] is not running[0]
            seed.stop()
            wait_until(lambda: len(running) > 2, "a callback after the one that failed")


# The end


def test_who_stops_a_node_that_is_being_stopped_waits_for_that() -> None:
    chatter = alone().start()
    port = chatter.local_netid.port
    with socket.create_connection(("127.0.0.1", port)):
        first = gevent.spawn(chatter.stop)
        gevent.sleep(0)
        chatter.stop()
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
            free.listen()  # the port is free only now
        first.join()


def test_a_stop_that_is_cut_short_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    chatter = alone().start()
    port = chatter.local_netid.port
    assert chatter._runtime is not None
    monkeypatch.setattr(chatter._runtime.node, "pending", lambda now: True)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
        chatter.stop(timeout=60)
    with alone(address=f"127.0.0.1:{port}") as successor:
        assert successor.local_netid.port == port


def test_who_waits_is_told_of_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    chatter = alone(send_timeout_s=60).start()
    assert chatter._runtime is not None
    monkeypatch.setattr(chatter._runtime.node, "room", lambda now: 0)
    sender = gevent.spawn(chatter.broadcast, "x", 1)
    waiter = gevent.spawn(chatter.wait_for_peers, 1, 60)
    gevent.sleep(0.01)
    chatter.stop()
    gevent.joinall([sender, waiter], timeout=10)
    assert isinstance(sender.exception, Closed)
    assert waiter.value is False


# Resolvers and threads


def test_a_name_that_is_looked_up_for_long_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve = seeds.resolve

    def slow(text: str) -> Any:
        if text.startswith("slow"):
            gevent.sleep(60)
        return resolve(text)

    monkeypatch.setattr(seeds, "resolve", slow)
    with (
        alone() as seed,
        alone(key=seed.config.key, join=["slow.example:1", str(seed.local_netid)]) as chatter,
    ):
        assert chatter.wait_for_peers(timeout=15)


def test_nodes_meet_while_all_threads_of_the_pool_wait_for_that() -> None:
    with alone() as seed:
        chatter = alone(key=seed.config.key, join=[str(seed.local_netid)]).start()
        pool = gevent.get_hub().threadpool
        waiting = [pool.spawn(chatter.wait_for_peers, 1, 15) for _ in range(pool.maxsize)]
        assert [one.get() for one in waiting] == [True] * pool.maxsize
        chatter.stop()


# Forks and signals


def test_a_handler_that_forks_goes_on_in_the_child() -> None:
    done = run_script("""
        from gevent import monkey; monkey.patch_all()
        import os, time
        from gevent.event import AsyncResult
        from chatter import Chatter
        seed = Chatter(address="127.0.0.1:0", multicast=[]).start()
        chatter = Chatter(address="127.0.0.1:0", multicast=[], join=[str(seed.local_netid)])
        status = AsyncResult()
        @chatter.on("fork")
        def fork(body, message):
            child = os.fork()
            if child == 0:
                time.sleep(0.01)  # a switch, in which greenlets that were killed would end
                os._exit(5)
            status.set(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        with chatter:
            seed.wait_for_peers(timeout=10)
            seed.broadcast("fork", 1)
            print(status.get(timeout=10))
        seed.stop()
    """)
    assert (done.stdout, done.stderr) == ("5\n", "")


def test_sigterm_ends_a_forked_child_that_never_turns_to_its_event_loop() -> None:
    done = run_script("""
        from gevent import monkey; monkey.patch_all()
        import os, signal
        from chatter import Chatter
        with Chatter(address="127.0.0.1:0", multicast=[]):
            read, write = os.pipe()
            child = os.fork()
            if child == 0:
                signal.alarm(10)
                os.write(write, b"!")
                while True:
                    pass
            os.read(read, 1)
            os.kill(child, signal.SIGTERM)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert (done.stdout, done.stderr) == ("-15\n", "")


def test_a_handler_of_sigterm_that_was_set_meanwhile_outlives_the_node() -> None:
    done = run_script("""
        from gevent import monkey; monkey.patch_all()
        import os, signal, time
        from chatter import Chatter
        with Chatter(address="127.0.0.1:0", multicast=[]):
            signal.signal(signal.SIGTERM, lambda *_: print("handled"))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
    """)
    assert (done.stdout, done.stderr, done.returncode) == ("handled\n", "", 0)
