"""The object that users hold, on real sockets of loopback."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
from typing import Any

import gevent
import pytest
from gevent.threadpool import ThreadPool

from chatter import (
    Chatter,
    Closed,
    Config,
    ConfigError,
    Gap,
    HandlerError,
    MessageHandler,
    MessageTooLarge,
    NetID,
    ReceiptUnavailable,
    generate_key,
)
from chatter.keys import format_key
from tests.net.nodes import Recorder, cluster, random_group, wait_until


def alone(**fields: Any) -> Chatter:
    """A node that meets nobody."""
    settings: dict[str, Any] = {"address": "127.0.0.1:0", "multicast": [], "key": generate_key()}
    return Chatter(**{**settings, **fields})


def run_script(text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh process, because what it does to itself must not happen to the tests."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "CHATTER_KEY": generate_key(), **environment},
        check=False,
    )


def test_processes_of_one_host_hear_each_others_multicasts() -> None:
    with cluster(4) as nodes:
        receipt = nodes[0].chatter.broadcast("hello", {"text": "world"})
        assert receipt.recipients == 3
        wait_until(lambda: all(len(one.messages) == 1 for one in nodes[1:]), "every dispatch")
        for one in nodes[1:]:
            message = one.messages[0]
            assert message.body == {"text": "world"}
            assert message.via == "multicast"
            assert message.hops == 1
            assert message.origin == message.sender == nodes[0].chatter.local_netid
            assert (message.epoch, message.seqno) == (receipt.id.epoch, receipt.id.seqno)
        assert nodes[0].messages == []


def test_without_multicast_the_tree_reaches_everybody_once() -> None:
    with cluster(6, multicast=False) as nodes:
        for number in range(20):
            nodes[number % 6].chatter.broadcast("count", number)
        wait_until(lambda: all(len(one.messages) >= 16 for one in nodes), "every dispatch")
        gevent.sleep(0.2)  # for a duplicate, if there were one
        for index, one in enumerate(nodes):
            expected = [number for number in range(20) if number % 6 != index]
            assert sorted(one.bodies) == expected
            assert {message.via for message in one.messages} == {"tcp"}
            assert max(message.hops for message in one.messages) <= 4


def test_small_frames_on_connections_tell_what_a_send_costs() -> None:
    with cluster(2, multicast=False) as nodes:
        first = nodes[0].chatter
        assert first._runtime is not None
        timing = first._runtime.node._context.timing
        wait_until(lambda: len(first.peers()) == 1, "the other one")

        def another_was_sent() -> bool:
            first.broadcast("n", None)
            return timing.knows_sends

        wait_until(another_was_sent, "enough sends")
        cost_s = timing.send_s(0)
        assert cost_s is not None
        assert 0 < cost_s < 1


def test_those_named_and_nobody_else() -> None:
    with cluster(4) as nodes:
        origin, *others = nodes
        named = [others[0].chatter.local_netid, origin.chatter.local_netid]
        assert origin.chatter.broadcast("secret", 1, to=named).recipients == 1
        origin.chatter.broadcast("open", 2)
        wait_until(lambda: all(2 in one.bodies for one in others), "the open one")
        assert [one.bodies for one in others] == [[1, 2], [2], [2]]
        assert origin.bodies == []


@pytest.mark.parametrize("size", [40_000, 70_000, 1_000_000])
@pytest.mark.parametrize("multicast", [True, False])
def test_a_message_above_a_datagram_comes_whole(size: int, multicast: bool) -> None:
    with cluster(3, multicast=multicast) as nodes:
        body = os.urandom(size)  # no compression makes it smaller
        nodes[0].chatter.broadcast("large", body, codec="bytes")
        wait_until(lambda: all(one.bodies == [body] for one in nodes[1:]), "the large one")


def test_above_the_limit_nothing_is_sent() -> None:
    with alone(max_message_bytes=1000) as chatter:
        with pytest.raises(MessageTooLarge, match="1000 are allowed"):
            chatter.broadcast("large", "x" * 1000)
        assert chatter.stats().get("broadcasts", 0) == 0


def test_a_broadcast_to_nobody_is_no_error() -> None:
    with alone() as chatter:
        receipt = chatter.broadcast("hello", 1)
        assert receipt.recipients == 0
        assert chatter.stats()["broadcasts_to_nobody"] == 1
        with pytest.raises(ReceiptUnavailable, match="not confirmed"):
            receipt.wait()
        confirmed = chatter.broadcast("hello", 1, confirm=True)
        assert confirmed.wait(timeout=10) is True
        assert (confirmed.delivered, confirmed.missing, confirmed.edges) == ((), (), ())


@pytest.mark.parametrize("multicast", [True, False])
def test_a_receipt_tells_who_got_it(multicast: bool) -> None:
    with cluster(4, multicast=multicast) as nodes:
        receipt = nodes[0].chatter.broadcast("hello", 1, confirm=True, timeout=10)
        assert receipt.wait() is True
        others = {one.chatter.local_netid for one in nodes[1:]}
        assert set(receipt.delivered) == others
        assert receipt.missing == ()
        assert {edge.recipient for edge in receipt.edges} == others
        assert {edge.multicast for edge in receipt.edges} == {multicast}
        assert receipt.elapsed_s < 10


def test_a_receipt_names_who_is_missing_by_its_timeout() -> None:
    with cluster(2, multicast=False) as (first, second), alone() as stranger:
        here, nowhere = second.chatter.local_netid, stranger.local_netid
        receipt = first.chatter.broadcast("hello", 1, to=[here, nowhere], confirm=True, timeout=0.5)
        assert receipt.wait() is False
        assert (receipt.delivered, receipt.missing) == ((here,), (nowhere,))


def test_a_receipt_may_be_waited_for_in_threads_and_in_handlers() -> None:
    with cluster(2) as (first, second):
        pool = ThreadPool(1)
        answers: list[bool] = []

        @second.chatter.on("ask")
        def ask(body: Any, message: Any) -> None:
            to = [message.origin]
            receipt = second.chatter.broadcast("answer", body, to=to, confirm=True, timeout=10)
            answers.append(receipt.wait())

        def confirm() -> bool:
            return first.chatter.broadcast("ask", 1, confirm=True, timeout=10).wait()

        assert pool.spawn(confirm).get(timeout=20) is True
        wait_until(lambda: answers == [True], "the handler's receipt")
        assert first.bodies == [1]
        pool.kill()


def test_a_node_that_stops_settles_what_is_open() -> None:
    with alone() as stranger:
        nowhere = stranger.local_netid
        chatter = alone(stop_timeout_s=0.1).start()
        receipt = chatter.broadcast("hello", 1, to=[nowhere], confirm=True, timeout=3600)
        waiter = gevent.spawn(receipt.wait)
        gevent.sleep(0)
        chatter.stop()
        assert waiter.get(timeout=10) is False
        assert receipt.missing == (nowhere,)


def test_timeouts_are_for_receipts_and_within_reason() -> None:
    with alone() as chatter:
        with pytest.raises(ConfigError, match=r"^timeout: .* confirm=True"):
            chatter.broadcast("hello", 1, timeout=1)
        for wrong in (0, -1, float("nan"), 1e9, "1", True):
            with pytest.raises(ConfigError, match=r"^timeout: "):
                chatter.broadcast("hello", 1, confirm=True, timeout=wrong)  # type: ignore[arg-type]
        assert chatter.stats().get("broadcasts", 0) == 0


def test_gaps_are_told_to_who_asked_and_otherwise_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lost = Gap(NetID("10.0.0.1", 1), 7, 3, 4)
    with alone() as deaf:
        for _ in range(3):
            deaf._tell(lost)
        assert caplog.text.count("broadcasts 3 to 4 of 10.0.0.1:1 are lost") == 1
        caplog.clear()
    chatter = alone()
    told: list[Gap] = []
    peers: list[Any] = []
    chatter.on_peer(peers.append)

    @chatter.on_gap
    def fails(gap: Gap) -> None:
        raise RuntimeError("this callback is broken")

    chatter.on_gap(told.append)
    with chatter:
        chatter._tell(lost)
        chatter._tell(lost._replace(tag="hello"))
        wait_until(lambda: len(told) == 2, "the gaps")
    assert told == [lost, lost._replace(tag="hello")]
    assert peers == []
    assert "are lost" not in caplog.text
    assert "this callback is broken" in caplog.text


def test_ordered_and_transforms_exclude_each_other() -> None:
    chatter = alone()
    chatter.on("tidy", ordered=True)(lambda body, message: None)
    handler = chatter.handlers.get("tidy")
    assert handler is not None
    assert handler.ordered
    with pytest.raises(ConfigError, match="ordered: not together with transforms"):
        chatter.on("both", ordered=True, transforms=True)(lambda body, message: None)


def test_what_cannot_be_encoded_is_told_to_the_caller() -> None:
    with alone() as chatter:
        with pytest.raises(HandlerError, match="cannot be encoded"):
            chatter.broadcast("hello", object())
        with pytest.raises(HandlerError, match="takes bytes"):
            chatter.broadcast("hello", "text", codec="bytes")
        with pytest.raises(ConfigError, match="codec"):
            chatter.broadcast("hello", 1, codec="pickle")
        with pytest.raises(ConfigError, match="NetIDs"):
            chatter.broadcast("hello", 1, to=["127.0.0.1:1"])  # type: ignore[list-item]
        with pytest.raises(ConfigError, match="tag"):
            chatter.broadcast("", 1)


def test_a_decorator_without_its_tag_is_refused_at_once() -> None:
    chatter = Chatter(key=generate_key())
    with pytest.raises(ConfigError, match=r'write @chatter.on\("tag"\) above hello'):

        @chatter.on  # type: ignore[arg-type]
        def hello(body: object) -> None: ...


def test_a_tag_has_one_handler() -> None:
    chatter = alone()
    chatter.on("hello")(lambda body, message: None)
    with pytest.raises(ConfigError, match="has a handler already"):
        chatter.on("hello")(lambda body, message: None)


def test_the_five_part_handler_of_the_original() -> None:
    """NetIDs inside a body travel in the payload's table, not as text."""
    with cluster(2) as (first, second):
        got: list[Any] = []

        def encode(body: Any, id_map: Any) -> bytes:
            return bytes(id_map[netid] for netid in body)

        def decode(data: bytes, id_map: Any) -> tuple[Any, bytes]:
            return [id_map[index] for index in data], b""

        for one in (first, second):
            one.chatter.handlers.add(
                MessageHandler("members", lambda body: body, encode, decode, got.append)
            )
        body = [NetID("10.0.0.9", 1), NetID("10.0.0.3", 7), NetID("::1", 9)]
        first.chatter.broadcast("members", body, to=[second.chatter.local_netid])
        wait_until(lambda: got, "the members")
        assert got == [body]


def test_a_failing_handler_holds_up_neither_the_node_nor_other_handlers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with cluster(2) as (first, second):

        @second.chatter.on("bad")
        def bad(body: Any, message: Any) -> None:
            raise RuntimeError("this handler is broken")

        for number in range(3):
            first.chatter.broadcast("bad", number)
            first.chatter.broadcast("good", number)
        wait_until(lambda: second.chatter.stats().get("handler_errors") == 3, "the errors")
        wait_until(lambda: second.bodies == [0, 1, 2], "the good ones")
        assert "this handler is broken" in caplog.text


def test_a_slow_handler_delays_no_other() -> None:
    with cluster(2) as (first, second):
        gate = gevent.event.Event()

        @second.chatter.on("slow")
        def slow(body: Any, message: Any) -> None:
            gate.wait()

        first.chatter.broadcast("slow", 1)
        first.chatter.broadcast("quick", 2)
        wait_until(lambda: second.bodies == [2], "the quick one")
        assert second.chatter.stats().get("dispatched") == 1
        gate.set()
        wait_until(lambda: second.chatter.stats().get("dispatched") == 2, "the slow one")


def test_a_handler_may_change_what_travels_on() -> None:
    with cluster(6, multicast=False) as nodes:
        for one in nodes:
            one.chatter.on("trace", transforms=True)(
                lambda body, message, one=one: (
                    one.messages.append(message._replace(body=body)),
                    [*body, one.chatter.local_netid.port],
                )[1]
            )
        nodes[0].chatter.broadcast("trace", [])
        wait_until(lambda: all(len(one.messages) == 1 for one in nodes[1:]), "every dispatch")
        for one in nodes[1:]:
            message = one.messages[0]
            assert len(message.body) == message.hops - 1
            if message.hops > 1:
                assert message.body[-1] == message.sender.port


def test_four_threads_broadcast_at_once() -> None:
    with cluster(2) as (first, second):
        pool = ThreadPool(4)

        def shout(thread: int) -> list[int]:
            return [
                first.chatter.broadcast("thread", [thread, number]).recipients
                for number in range(50)
            ]

        tasks = [pool.spawn(shout, thread) for thread in range(4)]
        for task in tasks:
            assert task.get(timeout=20) == [1] * 50
        wait_until(lambda: len(second.bodies) >= 200, "what the threads sent")
        assert sorted(second.bodies) == sorted([t, n] for t in range(4) for n in range(50))
        with pytest.raises(HandlerError):
            pool.apply(first.chatter.broadcast, ("thread", object()))
        pool.kill()


def test_a_thread_that_comes_too_late_is_told() -> None:
    chatter = alone().start()
    pool = ThreadPool(1)
    chatter.stop()
    with pytest.raises(Closed, match="not running"):
        pool.apply(chatter.broadcast, ("hello", 1))
    pool.kill()


def test_stop_sends_what_is_queued_and_tells_that_it_leaves() -> None:
    with cluster(3, multicast=False) as nodes:
        leaver, *others = nodes
        port = leaver.chatter.local_netid.port
        for number in range(100):
            leaver.chatter.broadcast("last words", number)
        leaver.chatter.stop()
        wait_until(lambda: all(len(one.messages) == 100 for one in others), "the last words")
        wait_until(lambda: all((port, "left") in one.events for one in others), "the leave")
        assert all((port, "failed") not in one.events for one in others)
        with pytest.raises(Closed):
            leaver.chatter.broadcast("too late", 1)
        leaver.chatter.stop()  # again is no error


def test_what_was_just_broadcast_goes_out_also_where_a_stop_waits_for_nothing() -> None:
    with cluster(2) as (leaver, other):
        for number in range(3):
            leaver.chatter.broadcast("last words", number)
        leaver.chatter.stop(timeout=0)
        wait_until(lambda: other.bodies == [0, 1, 2], "the last words")


@pytest.mark.parametrize("size", [100, 10_000, 70_000])
def test_a_body_is_encoded_once_whatever_its_size(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []

    class Body(dict[str, str]):
        def items(self) -> Any:
            encoded.append(1)
            return super().items()

    with cluster(1) as (one,):
        for fields in ({}, {"confirm": True}, {"to": [one.chatter.local_netid]}):
            encoded.clear()
            one.chatter.broadcast("tag", Body(text="x" * size), **fields)
            assert len(encoded) == 1


def test_a_node_can_start_again_as_a_new_life() -> None:
    with cluster(2) as (first, second):
        former = first.chatter.broadcast("one", 1).id
        wait_until(lambda: second.bodies == [1], "the first life's")
        first.chatter.stop()
        with first.chatter:
            assert first.chatter.wait_for_peers(1, timeout=10)
            later = first.chatter.broadcast("two", 2).id
            assert later.epoch > former.epoch
            wait_until(lambda: second.bodies == [1, 2], "the second life's")


def test_a_wrong_key_is_a_stranger() -> None:
    with cluster(2) as (first, second), alone(join=[str(first.chatter.local_netid)]) as stranger:
        wait_until(
            lambda: (
                first.chatter.stats().get("dropped_unknown_key_hint", 0)
                + first.chatter.stats().get("dropped_bad_seal", 0)
            ),
            "the stranger's attempt",
        )
        assert stranger.peers() == []
        assert len(first.chatter.peers()) == 1
        first.chatter.broadcast("still", "well")
        wait_until(lambda: second.bodies == ["well"], "a broadcast after it")


def test_garbage_on_every_port_changes_nothing() -> None:
    from gevent import socket

    with cluster(2) as (first, second):
        address = tuple(first.chatter.local_netid)
        group, port = first.chatter.config.groups[0]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
            for data in (b"", b"x", bytes(39), bytes([0xC1]) + os.urandom(200), os.urandom(1400)):
                udp.sendto(data, address)
                udp.sendto(data, (group, port))
        for data in (b"\xff\xff\xff\xff" + bytes(100), bytes(4), b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(address) as tcp:
                tcp.sendall(data)
                tcp.settimeout(10)
                # Whether it ends or is reset: it is over, and nothing was answered.
                with contextlib.suppress(ConnectionError):
                    assert tcp.recv(1) == b""
        wait_until(
            lambda: (
                sum(n for k, n in first.chatter.stats().items() if k.startswith("dropped")) >= 12
            ),
            "the counted drops",
        )
        first.chatter.broadcast("still", "well")
        wait_until(lambda: second.bodies == ["well"], "a broadcast after it")


def test_a_connection_that_says_nothing_is_cut_off() -> None:
    from gevent import socket

    with (
        alone(connect_timeout_s=0.2) as chatter,
        socket.create_connection(tuple(chatter.local_netid)) as tcp,
    ):
        tcp.settimeout(10)
        assert tcp.recv(1) == b""
        assert chatter.stats()["connections_unproven"] == 1


def test_a_peer_that_is_gone_fails_and_one_that_comes_back_is_alive() -> None:
    with cluster(2) as (first, second):
        port = second.chatter.local_netid.port
        runtime = second.chatter._runtime
        assert runtime is not None
        runtime.abandon()  # as if it had been killed: not a word to anybody
        second.chatter._runtime = None
        wait_until(lambda: (port, "failed") in first.events, "the failure")
        assert first.chatter.peers() == []
        assert [peer.state for peer in first.chatter.known_peers()] == ["failed"]
        again = Recorder(
            Chatter(Config(**{**_fields(second.chatter.config), "address": f"127.0.0.1:{port}"}))
        )
        with again.chatter:
            wait_until(lambda: first.events[-1] == (port, "alive"), "its return")


def key_of(config: Config) -> str:
    """The text of the key that a test's cluster was made with."""
    return format_key(config.secrets[0])


def _fields(config: Config) -> dict[str, Any]:
    names = ("address", "interface", "multicast", "beacon_interval_s", "failure_timeout_s")
    return {name: getattr(config, name) for name in names} | {"key": key_of(config)}


def test_a_taken_port_is_one_clear_sentence() -> None:
    with alone() as chatter:
        second = alone(address=str(chatter.local_netid))
        with pytest.raises(ConfigError, match="port 0"):
            second.start()
        assert not second.running


def test_an_unpatched_process_is_told_what_to_add() -> None:
    done = run_script("""
        from chatter import Chatter
        Chatter(address="127.0.0.1:0", multicast=[]).start()
    """)
    assert done.returncode == 1
    assert "from gevent import monkey; monkey.patch_all()" in done.stderr.splitlines()[-1]


def test_without_a_key_nothing_starts() -> None:
    done = run_script("import chatter; chatter.Chatter()", CHATTER_KEY="")
    assert done.returncode == 1
    assert "chatter keygen" in done.stderr.splitlines()[-1]


def test_a_forked_child_cannot_speak_in_its_parents_name_but_can_start_anew() -> None:
    done = run_script("""
        from gevent import monkey; monkey.patch_all()
        import os, sys
        from chatter import Chatter, Closed
        chatter = Chatter(address="127.0.0.1:0", multicast=[]).start()
        before, epoch = chatter.local_netid, chatter.broadcast("x", 1).id.epoch
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            try:
                chatter.broadcast("x", 1)
            except Closed as error:
                print("closed:", error)
            with chatter:
                print("new life:", chatter.broadcast("x", 2).id.epoch > epoch)
                print("new port:", chatter.local_netid != before)
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)
        print("parent:", chatter.broadcast("x", 3).id.seqno, chatter.local_netid == before)
        chatter.stop()
    """)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("closed: the node belongs to the process that this one was forked")
    assert lines[1:] == ["new life: True", "new port: True", "parent: 2 True"]


def test_importing_before_the_patch_is_fine() -> None:
    done = run_script("""
        import chatter
        from gevent import monkey; monkey.patch_all()
        with chatter.Chatter(address="127.0.0.1:0", multicast=[]) as node:
            print(node.broadcast("x", 1).recipients)
    """)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_sigterm_makes_a_program_that_does_not_handle_it_leave_first() -> None:
    with cluster(1) as (watcher,):
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                textwrap.dedent("""
                    from gevent import monkey; monkey.patch_all()
                    import sys, time
                    from chatter import Chatter
                    with Chatter(address="127.0.0.1:0", multicast=[], join=[sys.argv[1]]) as node:
                        node.wait_for_peers(1, timeout=30)
                        print(node.local_netid.port, flush=True)
                        time.sleep(60)
                """),
                str(watcher.chatter.local_netid),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "CHATTER_KEY": key_of(watcher.chatter.config)},
        )
        assert process.stdout is not None
        port = int(process.stdout.readline())
        process.terminate()
        wait_until(lambda: (port, "left") in watcher.events, "its leave")
        assert process.wait(timeout=30) == -signal.SIGTERM


def test_two_nodes_with_one_address_are_told_by_name(caplog: pytest.LogCaptureFixture) -> None:
    with cluster(1) as (first,):
        twin = Chatter(
            Config(
                **{**_fields(first.chatter.config), "address": "127.0.0.1:0"},
                advertise=str(first.chatter.local_netid),
            )
        )
        with twin:
            wait_until(lambda: "two nodes use the address" in caplog.text, "the warning")
            assert str(first.chatter.local_netid) in caplog.text


def test_ipv6_addresses_on_real_sockets() -> None:
    with cluster(3, multicast=False, address="[::1]:0", interface=None) as nodes:
        nodes[1].chatter.broadcast("hello", 1)
        wait_until(lambda: all(nodes[one].bodies == [1] for one in (0, 2)), "every dispatch")
        assert nodes[2].messages[0].origin == NetID("::1", nodes[1].chatter.local_netid.port)


def test_what_the_system_granted_is_told(caplog: pytest.LogCaptureFixture) -> None:
    group = random_group()
    with (
        caplog.at_level("INFO", logger="chatter"),
        alone(multicast=[group], interface="127.0.0.1") as chatter,
    ):
        granted = chatter.stats()["receive_buffer_bytes"]

    assert granted > 0
    assert f"hears {group} on lo, with {granted} bytes of receive buffer" in caplog.text


def test_an_observer_that_fails_costs_the_node_and_the_others_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with cluster(1) as (one,):
        seen: list[object] = []

        def fail(event: object) -> None:
            raise ValueError("a bug of an observer")

        one.chatter.observe(fail)
        end = one.chatter.observe(seen.append)
        config = dataclasses.replace(one.chatter.config, address="127.0.0.1:0")
        with Chatter(config) as two:
            wait_until(lambda: (two.local_netid.port, "alive") in one.events)
            two.broadcast("hello", 1)
            wait_until(lambda: one.bodies == [1])
            end()
            told = len(seen)
        wait_until(lambda: one.events[-1][1] == "left")

    assert told >= 1
    assert len(seen) == told, "who ended it is told no more"
    assert "an observer failed" in caplog.text
    assert "a bug in chatter" not in caplog.text
