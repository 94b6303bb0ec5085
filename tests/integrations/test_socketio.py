"""ChatterManager in one process: each with a server that writes down what it sends.

Whole servers with real clients are in test_socketio_servers.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import pytest
from gevent.event import Event

from chatter import Chatter, Closed, ConfigError, HandlerError, MissingKey, generate_key
from chatter.integrations import serving
from chatter.integrations import socketio_messages as messages
from tests.net.nodes import random_group, wait_until

pytest.importorskip("socketio", reason="needs the extra socketio")

from socketio.packet import Packet

from chatter.integrations import socketio as integration
from chatter.integrations.socketio import ChatterManager


class Server:
    """What a manager needs of a socketio.Server."""

    def __init__(self, packet_class: Any = Packet) -> None:
        self.packet_class = packet_class
        self.logger = logging.getLogger("tests.socketio")
        self.sent: list[tuple[str, Any]] = []
        """The client's transport, and what it was sent."""
        self.disconnected: list[str] = []
        self.may_disconnect = Event()
        self.may_disconnect.set()
        self._last = 0
        self.eio = self
        self.sockets: dict[str, Any] = {}

    def generate_id(self) -> str:
        """For a new client."""
        self._last += 1
        return f"{id(self)}-{self._last}"

    def start_background_task(self, target: Callable[[], None]) -> gevent.Greenlet[..., Any]:
        """As under gevent."""
        return gevent.spawn(target)

    def _send_eio_packet(self, transport_sid: str, packet: Any) -> None:
        self.sent.append((transport_sid, packet.data))

    def disconnect(self, sid: str, namespace: str, ignore_queue: bool) -> None:
        """The application's handler takes its time."""
        self.may_disconnect.wait()
        self.disconnected.append(sid)


class Cluster:
    """Managers that meet."""

    def __init__(self, stack: ExitStack) -> None:
        self.key = generate_key()
        self._group = random_group()
        self._stack = stack

    @property
    def settings(self) -> dict[str, Any]:
        """Of a node."""
        return {
            "address": "127.0.0.1:0",
            "key": self.key,
            "multicast": [self._group],
            "interface": "127.0.0.1",
        }

    def manager(self, server: Server | None = None, **options: Any) -> ChatterManager:
        """Not yet started."""
        settings = {} if "chatter" in options else self.settings
        manager = ChatterManager(write_only=server is None, **{**settings, **options})
        if server is not None:
            manager.set_server(server)
        self._stack.callback(manager.stop)
        return manager

    def pair(self, other: Server) -> tuple[ChatterManager, ChatterManager]:
        """A writer and the manager of this server, which has met it."""
        receiving = self.manager(other, meet_timeout=0)
        receiving.start()
        writer = self.manager()
        writer.start()
        return writer, receiving


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setattr(serving, "_enlisted", [])
    monkeypatch.setattr(serving, "_serving_pid", 0)
    with ExitStack() as stack:
        yield Cluster(stack)


def test_it_starts_where_the_process_begins_to_serve(cluster: Cluster) -> None:
    manager = cluster.manager(Server(), meet_timeout=0)
    running = [manager.chatter.running]
    serving.begin()
    running.append(manager.chatter.running)
    serving.end()
    running.append(manager.chatter.running)
    assert running == [False, True, False]


def test_without_a_key_it_can_be_made_and_not_started(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who lists routes imports the application too."""
    monkeypatch.delenv("CHATTER_KEY", raising=False)
    manager = cluster.manager(Server(), key=None)
    with pytest.raises(MissingKey, match="chatter keygen"):
        manager.start()
    with pytest.raises(MissingKey, match="chatter keygen"):
        manager.emit("hi", 1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"chatter": "http://"}, r"app\.extensions\['chatter'\]"),
        ({"no_such": 1}, "no_such: there is no such setting"),
        ({"meet_timeout": -1}, "meet_timeout: from 0 to 3600"),
        ({"meet_timeout": "5"}, "meet_timeout: seconds"),
        ({"channel": ""}, "channel: a text"),
        ({"channel": "x" * 300}, "channel: .* bytes"),
    ],
)
def test_what_cannot_work_is_said_by_the_constructor(
    cluster: Cluster, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        cluster.manager(Server(), **options)


def test_a_node_has_its_settings_already(cluster: Cluster) -> None:
    with pytest.raises(ConfigError, match="label would be ignored"):
        ChatterManager(chatter=Chatter(**cluster.settings), label="x")


def test_servers_of_several_channels_share_a_node_that_somebody_else_runs(
    cluster: Cluster,
) -> None:
    with Chatter(**cluster.settings) as node:
        servers = [Server(), Server()]
        ours = [
            cluster.manager(server, chatter=node, channel=channel, meet_timeout=0)
            for channel, server in zip(("one", "two"), servers, strict=True)
        ]
        for manager in ours:
            manager.connect("transport", "/")
            manager.start()
        with pytest.raises(ConfigError, match="'one' cannot be used"):
            cluster.manager(Server(), chatter=node, channel="one")
        cluster.manager(channel="two").emit("hi", 2)
        cluster.manager(channel="one").emit("hi", 1)
        wait_until(lambda: all(server.sent for server in servers))
        assert [server.sent for server in servers] == [
            [("transport", '2["hi",1]')],
            [("transport", '2["hi",2]')],
        ]
        ours[0].stop()
        assert node.running


def test_the_node_of_somebody_else_has_to_run(cluster: Cluster) -> None:
    manager = cluster.manager(Server(), chatter=Chatter(**cluster.settings))
    with pytest.raises(Closed, match="call start"):
        manager.emit("hi", 1)


def test_an_emit_after_the_end_says_so(cluster: Cluster) -> None:
    manager = cluster.manager(Server(), meet_timeout=0)
    manager.emit("hi", 1)
    manager.stop()
    with pytest.raises(Closed, match="was stopped"):
        manager.emit("hi", 1)
    manager.start()
    manager.emit("hi", 1)


def test_it_listens_again_after_it_was_stopped(cluster: Cluster) -> None:
    server = Server()
    writer, receiving = cluster.pair(server)
    receiving.connect("transport", "/")
    receiving.stop()
    receiving.start()
    wait_until(writer.chatter.peers)
    writer.emit("hi", "again")
    wait_until(lambda: server.sent)
    assert server.sent == [("transport", '2["hi","again"]')]


def test_what_cannot_be_carried_is_told_to_who_emits(cluster: Cluster) -> None:
    writer, receiving = cluster.pair(server := Server())
    receiving.connect("transport", "/")
    with pytest.raises(HandlerError, match=r"'hi' cannot be emitted.*set"):
        writer.emit("hi", {1, 2})
    writer.emit("hi", "next")
    wait_until(lambda: server.sent)
    assert server.sent == [("transport", '2["hi","next"]')]


def test_a_writer_says_once_that_nobody_is_there(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    writer = cluster.manager(meet_timeout=0)
    for number in range(3):
        writer.emit("hi", number)
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "nobody is there to emit to"
    ]


def test_a_writer_disconnects(cluster: Cluster) -> None:
    """Which of python-socketio's own managers none does without a server."""
    writer, receiving = cluster.pair(server := Server())
    sid = receiving.connect("transport", "/")
    writer.disconnect(sid, "/")
    wait_until(lambda: server.disconnected)
    assert server.disconnected == [sid]


def test_what_concerns_none_of_our_clients_is_not_read(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, receiving = cluster.pair(server := Server())
    sid = receiving.connect("transport", "/")
    receiving.enter_room(sid, "/", "den")
    read: list[Any] = []

    def as_packets(head: Any, body: bytes, start: int) -> list[str | bytes]:
        read.append(head)
        return messages.as_packets(head, body, start)

    monkeypatch.setattr(integration, "as_packets", as_packets)
    writer.emit("hi", 1, room="attic")
    writer.emit("hi", 2, namespace="/other")
    writer.emit("hi", 3, room=["attic", "loft"])
    writer.emit("hi", 4, room=["attic", "den"])
    wait_until(lambda: server.sent)
    assert len(read) == 1
    assert server.sent == [("transport", '2["hi",4]')]


def test_events_wait_for_what_came_before_them(cluster: Cluster) -> None:
    """While the application's handler of a disconnect waits, what came later is not handled."""
    writer, receiving = cluster.pair(server := Server())
    sid = receiving.connect("transport", "/")
    server.may_disconnect.clear()
    writer.emit("hi", "before")
    writer.disconnect("somebody", "/")
    writer.enter_room(sid, "/", "den")
    for number in range(100):  # more than is handed over at once
        writer.emit("hi", number, room="den")
    writer.leave_room(sid, "/", "den")
    writer.emit("hi", "too late", room="den")
    wait_until(lambda: receiving.chatter.stats()["handler_queue"])
    assert server.sent == [("transport", '2["hi","before"]')]
    server.may_disconnect.set()
    writer.emit("bye", ())
    wait_until(lambda: server.sent[-1][1] == '2["bye"]')
    numbers = [json.loads(text[1:])[1] for _, text in server.sent[1:-1]]
    assert numbers == list(range(100))


def test_the_order_of_each_server_is_asked_for(cluster: Cluster) -> None:
    """On loopback datagrams hardly ever overtake each other, so no emit would show it."""
    handler = cluster.manager(Server()).chatter.handlers.get("socketio/socketio")
    assert handler is not None
    assert handler.ordered


def test_the_end_waits_for_no_handler_of_the_application(cluster: Cluster) -> None:
    with Chatter(**cluster.settings) as node:
        receiving = cluster.manager(server := Server(), chatter=node, meet_timeout=0)
        receiving.start()
        other: list[Any] = []
        node.on("other")(lambda body, message: other.append(body))
        writer = cluster.manager()
        server.may_disconnect.clear()
        for number in range(100):
            writer.disconnect(f"sid {number}", "/")
        wait_until(lambda: node.stats()["handler_queue"])
        receiving.stop()
        server.may_disconnect.set()
        # What waited for it is let go, so the node is as it was without it.
        wait_until(lambda: not node.stats()["handler_queue"])
        writer.chatter.broadcast("other", 1)
        wait_until(lambda: other)
        assert server.disconnected == ["sid 0"]


def test_servers_with_a_serializer_of_their_own_make_their_packets(cluster: Cluster) -> None:
    class Shouting(Packet):  # type: ignore[misc]
        def encode(self) -> str:
            return f"{self.data}!"

    server = Server(Shouting)
    writer, receiving = cluster.pair(server)
    receiving.connect("transport", "/")
    writer.emit("hi", {"n": b"1"})
    wait_until(lambda: server.sent)
    assert server.sent == [("transport", "['hi', {'n': b'1'}]!")]


def test_half_of_a_surrogate_pair_is_escaped_for_clients(cluster: Cluster) -> None:
    writer, receiving = cluster.pair(server := Server())
    receiving.connect("transport", "/")
    writer.emit("hi", "\ud83d")
    wait_until(lambda: server.sent)
    assert server.sent == [("transport", r'2["hi","\ud83d"]')]


def test_a_stranger_on_the_tag_costs_a_warning(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    writer, receiving = cluster.pair(server := Server())
    receiving.connect("transport", "/")
    writer.chatter.broadcast("socketio/socketio", b"nonsense", codec="bytes")
    writer.emit("hi", 1)
    wait_until(lambda: server.sent)
    assert server.sent == [("transport", '2["hi",1]')]
    assert any("cannot be read" in record.message for record in caplog.records)
