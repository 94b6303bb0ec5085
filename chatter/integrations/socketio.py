"""Socket.IO over several workers without a broker: ``ChatterManager``.

Give it to a server where you would give a Redis manager, and the workers tell each other what to
emit by chatter::

    socketio = SocketIO(app, client_manager=ChatterManager(key=KEY))

Clients have to come with ``transports=["websocket"]``, or through a proxy with sticky sessions: of
HTTP polling each request may reach another worker, which knows nothing of it. That is so with any
manager.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import socketio
from gevent import GreenletExit, sleep, spawn
from gevent.lock import RLock
from gevent.queue import Full, Queue
from socketio.manager import eio_packet as transport
from socketio.packet import Packet

from chatter import (
    Chatter,
    Closed,
    ConfigError,
    FrameError,
    HandlerError,
    Message,
    MissingKey,
    generate_key,
)
from chatter.integrations import serving
from chatter.integrations.socketio_messages import (
    as_packets,
    dumps_compact,
    pack,
    unpack,
    unpack_head,
)

# For how long a starting server waits for others. Workers of a host have met within 0.25 s, even
# when all start at once on a busy one; alone, a worker is ready that much later, once.
MEET_S = 1.0

# For how long one that only writes waits before its first emit, which has no other chance: an
# address in another network may be asked for several times until it answers.
MEET_WRITE_ONLY_S = 5.0

# Workers that start together are met one after the other: all are there when for so long nobody
# came.
SETTLED_S = 0.2
_LOOK_EVERY_S = 0.02

# Between chatter's greenlet, which must see when we are behind, and that of python-socketio: enough
# that not each message costs two switches, few enough that what waits is bounded by chatter.
HANDED_OVER = 16


class _Listening:
    """What waits for python-socketio's greenlet, from one start to the next stop."""

    def __init__(self) -> None:
        self.inbox: Queue[bytes | dict[str, Any] | None] = Queue(HANDED_OVER)
        self.idle = False
        """Whether it waits for a message, having handled the last one."""
        self.ended = False

    def end(self) -> None:
        """Handle nothing more. Does not wait for what is being handled."""
        self.ended = True
        with contextlib.suppress(Full):  # then it need not be woken
            self.inbox.put_nowait(None)


class _Process:
    """What belongs to one process, and is made anew in each that is forked."""

    def __init__(self, host_id: str | None = None) -> None:
        self.pid = os.getpid()
        # Workers with the host_id of the process they were forked from would take each other's
        # messages for their own.
        self.host_id = host_id or uuid.uuid4().hex
        self.started = False
        self.stopped = False
        self.initialized = False
        self.listening: _Listening | None = None
        self.forget: Callable[[], None] = lambda: None
        """Takes back what the end of serving shall call."""
        self.warned = False


class ChatterManager(socketio.PubSubManager):  # type: ignore[misc]
    """A client manager of python-socketio whose servers reach each other by chatter.

    Args:
        channel: servers with the same one share their rooms; several may share a cluster.
        write_only: for a process that emits and serves no client. Its first emit waits for peers.
        logger: as python-socketio's managers take it.
        json: of a write-only one, the module that encodes what is emitted; a server brings its own.
        chatter: a node to use. Whoever made it starts and stops it.
        meet_timeout: seconds to wait for a first peer when starting, 0 for none. By default 1, and
            5 if write-only, whose first emit would else go to nobody.
        compress: off where secrets are emitted together with what strangers chose: the size of a
            compressed frame tells how much the two have in common.
        fields: those of ``Config``, for a node of its own.

    The constructor stores, so it may run in a process that only forks. The node starts with the
    worker where hooks say that it serves (``chatter.integrations.gunicorn``), else at the first
    Socket.IO request or emit. In what a node emits in the first 5 s after its start those that it
    meets meanwhile are included.

    Raises:
        ConfigError: a setting that cannot work, or both a node and settings for one.

    What emits raises ``HandlerError`` for what is neither bytes nor JSON, ``MessageTooLarge``,
    ``QueueFull`` and ``Closed``: then nobody was told, our own clients neither.
    """

    name = "chatter"

    def __init__(
        self,
        channel: str = "socketio",
        write_only: bool = False,
        logger: logging.Logger | None = None,
        json: Any = None,
        *,
        chatter: Chatter | None = None,
        meet_timeout: float | None = None,
        compress: bool = True,
        **fields: Any,
    ) -> None:
        if chatter is not None and fields:
            raise ConfigError(
                f"chatter: it has its settings already, so {', '.join(sorted(fields))} would be"
                " ignored: leave one of the two out"
            )
        if chatter is not None and not isinstance(chatter, Chatter):
            raise ConfigError(
                f"chatter: a Chatter, as app.extensions['chatter'] is one, not {chatter!r}"
            )
        if meet_timeout is None:
            meet_timeout = MEET_WRITE_ONLY_S if write_only else MEET_S
        if isinstance(meet_timeout, bool) or not isinstance(meet_timeout, (int, float)):
            raise ConfigError(f"meet_timeout: seconds, not {meet_timeout!r}")
        if not 0 <= meet_timeout <= 3600:
            raise ConfigError(f"meet_timeout: from 0 to 3600 seconds, not {meet_timeout}")
        if not isinstance(channel, str) or not channel:
            raise ConfigError(f"channel: a text that is not empty, not {channel!r}")
        self._process = _Process()
        super().__init__(channel=channel, write_only=write_only, logger=logger, json=json)
        self._no_key: MissingKey | None = None
        self._own: Chatter | None = None
        if chatter is None:
            chatter = self._own = self._make_node(fields)
        self.chatter = chatter
        """The node."""
        self._meet_timeout_s = float(meet_timeout)
        self._tag = f"socketio/{channel}"
        self._starting = RLock()
        self._ahead: set[int] = set()
        """The ids of messages that were broadcast before PubSubManager asks for it."""
        try:
            # Of one who only writes too: else each message of the servers would count as unknown.
            self.chatter.on(self._tag, codec="bytes", compress=compress, ordered=not write_only)(
                self._receive
            )
        except ConfigError as error:
            raise ConfigError(f"channel: {channel!r} cannot be used: {error}") from None
        serving.enlist(self)

    # Life cycle

    def start(self) -> None:
        """Start the node, if it is our own, wait for peers, and listen. Idle if that was done.

        Raises:
            ConfigError: the node cannot start; says what to do.
        """
        with self._starting:
            here = self._here()
            if self._no_key is not None:
                raise self._no_key
            if self._own is not None:
                self._own.start()
            self._listen_from_now_on(here)
            if not here.started:
                here.started, here.stopped = True, False
                self._meet(here)

    def stop(self) -> None:
        """Listen no more, send what is queued, and leave, if the node is our own. Idle if stopped.

        An emit after it raises ``Closed``, until ``start()``.
        """
        here = self._here()
        here.stopped, here.started, here.initialized = True, False, False
        here.forget()
        listening, here.listening = here.listening, None
        if listening is not None:
            listening.end()
        if self._own is not None:
            self._own.stop()

    def set_server(self, server: Any) -> None:
        """Called by the server that this is the manager of."""
        super().set_server(server)
        here = self._here()
        if here.started:  # an application that was imported by a process which serves already
            self._listen_from_now_on(here)

    def initialize(self) -> None:
        """Called by the server before its first request."""
        self.start()

    @property
    def host_id(self) -> str:
        """Names this process among the servers; another one after a fork."""
        return self._here().host_id

    @host_id.setter
    def host_id(self, value: str) -> None:
        self._process = _Process(value)

    # What PubSubManager asks for

    def _publish(self, data: dict[str, Any]) -> None:
        if id(data) in self._ahead:
            self._ahead.remove(id(data))
        else:
            self._broadcast(data)

    def _handle_emit(self, message: dict[str, Any]) -> None:
        if message.get("host_id") != self.host_id or message.get("method") != "emit":
            super()._handle_emit(message)
            return
        # Our own. PubSubManager has our clients told first, and publishes after that; the other way
        # round nobody is told what cannot be sent, and the others need not wait until ours are
        # served. It is encoded once for all of them.
        body = self._broadcast(message)
        self._ahead.add(id(message))
        try:
            if message.get("callback") is not None or self._take(body) is not None:
                super()._handle_emit(message)
        except BaseException:
            self._ahead.discard(id(message))
            raise

    def _broadcast(self, data: dict[str, Any]) -> bytes:
        here = self._here()
        if not here.started:
            if here.stopped:
                raise Closed("the manager was stopped: call start() before anything is emitted")
            self.start()
        try:
            body = pack(data, self._dumps())
        except (TypeError, ValueError, RecursionError) as error:
            what = data.get("event", data.get("method"))
            raise HandlerError(
                f"{what!r} cannot be emitted, as it holds what is neither bytes nor JSON: {error}"
            ) from error
        receipt = self.chatter.broadcast(self._tag, body)
        if self.write_only and not receipt.recipients:
            self._warn_of_nobody(here)
        return body

    def _handle_disconnect(self, message: dict[str, Any]) -> None:
        if self.server is not None:  # else only others can have the client
            super()._handle_disconnect(message)

    def _listen(self) -> Iterator[dict[str, Any]]:
        listening = self._here().listening
        while listening is not None:
            listening.idle = True
            item = listening.inbox.get()
            listening.idle = False
            if item is None or listening.ended:
                break  # chatter's greenlet, if it waited for room, has that of this item
            message = item if isinstance(item, dict) else self._take(item)
            if message is not None:
                yield message
        raise GreenletExit

    def _thread(self) -> None:
        with contextlib.suppress(GreenletExit):  # by stop()
            super()._thread()

    # Details

    def _make_node(self, fields: dict[str, Any]) -> Chatter:
        try:
            return Chatter(**fields)
        except MissingKey as error:
            # Who lists routes, migrates or builds imports the application too and needs no secret.
            # The key is looked at last, so all else is good; nobody ever hears of this one.
            self._no_key = error
            return Chatter(**{**fields, "key": generate_key(), "key_file": None})

    def _here(self) -> _Process:
        process = self._process
        if process.pid != os.getpid():
            process = self._process = _Process()
        return process

    def _listen_from_now_on(self, here: _Process) -> None:
        if here.initialized or (self.server is None and not self.write_only):
            return
        here.initialized = True
        here.listening = None if self.write_only else _Listening()
        if self.server is not None:
            here.forget = serving.before_end(self._say_goodbye)
        super().initialize()

    def _say_goodbye(self) -> None:
        """Have our clients go elsewhere, as this process takes no further requests. It would wait
        for them until it is killed, and the others would hold it for failed."""
        for client in list(self.server.eio.sockets.values()):
            spawn(client.close, wait=False, reason=self.server.eio.reason.SERVER_DISCONNECT)

    def _receive(self, body: bytes, message: Message) -> None:
        listening = self._here().listening
        if listening is None:
            return  # without a server, or before it begins to serve, there is nobody to hand it to
        item: bytes | dict[str, Any] | None = body
        if listening.idle and listening.inbox.empty():
            # Nothing that came before is under way, so what never waits need not change greenlets.
            item = self._take(body)
        if item is not None:
            listening.inbox.put(item)

    def _take(self, body: bytes) -> dict[str, Any] | None:
        """Hand an event to our clients. What takes more is returned, for PubSubManager to handle;
        what does not concern us is not even read."""
        try:
            head, start = unpack_head(body)
            if not self._concerns_us(head):
                return None
            if head["method"] == "emit" and "callback" not in head and self._is_plain():
                with contextlib.suppress(UnicodeError):
                    self._send(head, as_packets(head, body, start))
                    return None
            return unpack(head, body, start, self._loads())
        except FrameError:
            self._get_logger().warning(
                "a message on channel %r cannot be read: do all servers have the same version?",
                self.channel,
                exc_info=True,
            )
            return None

    def _is_plain(self) -> bool:
        """Whether our clients are sent packets as they stand in a message: other serializers make
        their own."""
        return self.server is not None and self.server.packet_class is Packet

    def _send(self, head: dict[str, Any], packets: list[str | bytes]) -> None:
        # As Manager.emit does, which would read and write the arguments anew.
        ready = [transport.Packet(transport.MESSAGE, packet) for packet in packets]
        skipped = head.get("skip_sid")
        if not isinstance(skipped, list):
            skipped = [skipped]
        for sid, transport_sid in self.get_participants(head["namespace"], head.get("room")):
            if sid not in skipped:
                for packet in ready:
                    self.server._send_eio_packet(transport_sid, packet)

    def _concerns_us(self, head: dict[str, Any]) -> bool:
        """Whether there is anything to do here; else the payload need not be read."""
        method = head["method"]
        if method == "callback":
            return bool(head.get("host_id") == self.host_id)
        if method != "emit":
            return True
        rooms = self.rooms.get(head.get("namespace"))
        if rooms is None:
            return False
        room = head.get("room")
        if isinstance(room, list):
            return any(one in rooms for one in room)
        return room in rooms

    def _meet(self, here: _Process) -> None:
        """Wait until peers are there and no more come, so that the first emit reaches them."""
        if not self.chatter.running:
            return  # somebody else's node, which says so itself when something is emitted
        now = time.monotonic()
        deadline = now + self._meet_timeout_s
        known, since = 0, now
        while now < deadline and not (known and now - since >= SETTLED_S):
            sleep(_LOOK_EVERY_S)
            now = time.monotonic()
            count = len(self.chatter.peers())
            if count != known:
                known, since = count, now
        if self.write_only and self._meet_timeout_s and not known:
            self._warn_of_nobody(here)

    def _warn_of_nobody(self, here: _Process) -> None:
        if not here.warned:
            here.warned = True
            self._get_logger().warning(
                "nobody is there to emit to: have the servers the same key and label, and are they"
                " reached by multicast or join?"
            )

    # What the standard library encodes can also be written without blanks and read without a
    # Python call for each number, of which Engine.IO bounds the digits when clients send them.

    def _dumps(self) -> Any:
        dumps = self.json.dumps
        return dumps_compact if dumps is json.dumps else dumps

    def _loads(self) -> Any:
        return json.loads if self.json.dumps is json.dumps else self.json.loads
