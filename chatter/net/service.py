"""Chatter: the object that users hold."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from gevent import Timeout
from gevent.event import Event
from gevent.monkey import is_module_patched

from chatter.config import Config
from chatter.core.effects import PeerEvent
from chatter.core.handlers import SerializerDB, codec_handler, encode_message
from chatter.core.membership import Summary
from chatter.errors import (
    Closed,
    ConfigError,
    MessageTooLarge,
    QueueFull,
    ReceiptUnavailable,
)
from chatter.ids import BroadcastID, NetID
from chatter.net import fork, terminate
from chatter.net.runtime import Runtime
from chatter.wire.gossip import MAX_TAG_BYTES

# While waiting for room: how often to look whether a peer has stalled and is not waited for.
ROOM_STEP_S = 0.1

Function = TypeVar("Function", bound=Callable[..., Any])
PeerCallback = Callable[[PeerEvent], Any]

# Peer events that wait for slow callbacks; a cluster of thousands joins in one go.
MAX_PEER_EVENTS = 65536

# Modules whose patching the shell depends on; the names are those that a program would leave out.
_MUST_BE_PATCHED = ("socket", "time", "threading", "select")


class Receipt(NamedTuple):
    """What a broadcast was sent as, and to how many."""

    id: BroadcastID
    recipients: int
    """How many peers it is meant for; 0 is no error, there may just be nobody yet."""

    def wait(self) -> None:
        """Who got it cannot be told of a broadcast that was not confirmed.

        Raises:
            ReceiptUnavailable: always, for an unconfirmed broadcast.
        """
        raise ReceiptUnavailable("this broadcast was not confirmed, so nobody reports who got it")


class Chatter:
    """A node of the cluster.

    Args:
        config: its settings; or give Config's fields as keywords.
        logger: where to log; the library never configures logging.

    The constructor stores; ``start()`` acts. Use it as a context manager, or call ``stop()``.
    """

    def __init__(
        self, config: Config | None = None, *, logger: logging.Logger | None = None, **fields: Any
    ) -> None:
        if config is not None and fields:
            raise ConfigError("give either a Config or its fields, not both")
        self.config = Config(**known_fields(fields)) if config is None else config
        self.handlers = SerializerDB()
        """The handlers, by tag: ``handlers.add(MessageHandler(...))``."""
        self._logger = logger or logging.getLogger("chatter")
        self._callbacks: list[PeerCallback] = []
        self._events: deque[PeerEvent] = deque(maxlen=MAX_PEER_EVENTS)
        self._told = Event()
        self._changed = Event()
        self._runtime: Runtime | None = None
        self._stopping: Runtime | None = None

    # Life cycle

    def start(self) -> Chatter:
        """Open the sockets, begin to listen and to be heard; the node itself, for one-liners.

        Raises:
            ConfigError: the process is not patched, an address cannot be had, or the like. Nothing
                was started.
        """
        if self._runtime is not None and self._runtime.pid == os.getpid():
            return self
        missing = [name for name in _MUST_BE_PATCHED if not is_module_patched(name)]
        if missing:
            raise ConfigError(
                f"this process is not monkey-patched ({', '.join(missing)}): put"
                " `from gevent import monkey; monkey.patch_all()` first in the program, before all"
                " other imports"
            )
        self._events.clear()
        runtime = Runtime(self.config, self.handlers, self._tell, self._logger)
        runtime.start()
        self._runtime = runtime
        fork.watch(runtime)
        if self.config.leave_on_sigterm:
            terminate.leave_on_sigterm(self)
        runtime.spawn(self._call_back, runtime)
        # A program that just ends, and servers that handle SIGTERM themselves, leave by this.
        atexit.register(self.stop)
        self._logger.info("= this node is %s", runtime.node.local)
        return self

    def stop(self, timeout: float | None = None) -> None:
        """Send what is queued, tell the others that we leave, and end. Idle if not running.

        If somebody else stops it already, this returns when that is done.

        Args:
            timeout: seconds for that, by default ``stop_timeout_s``; after them it ends anyway.
        """
        runtime = self._runtime or self._stopping
        if runtime is None:
            return
        if runtime.pid != os.getpid():
            self._runtime = self._stopping = None
            return
        limit_s = self.config.stop_timeout_s if timeout is None else timeout
        with contextlib.suppress(Closed):  # from another thread, while the node ends
            runtime.calls.run(functools.partial(self._stop, runtime, limit_s))

    def _stop(self, runtime: Runtime, limit_s: float) -> None:
        if self._runtime is not runtime:
            runtime.wait_stopped()
            return
        self._runtime, self._stopping = None, runtime
        # Who waits for room or for peers is told now, not when the time is up.
        runtime.room.set()
        self._changed.set()
        try:
            runtime.stop(limit_s)
        finally:
            self._stopping = None
            # Not before: a SIGTERM during the stop must not cut it short.
            terminate.forget(self)
        atexit.unregister(self.stop)
        self._logger.info("= this node, %s, has left", runtime.node.local)

    def __enter__(self) -> Chatter:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the node is started, in this very process."""
        return self._runtime is not None and self._runtime.pid == os.getpid()

    @property
    def local_netid(self) -> NetID:
        """The address others reach us at. Raises Closed unless the node is running."""
        return self._running().node.local

    # Broadcasting

    def broadcast(
        self,
        tag: str,
        body: Any,
        to: Iterable[NetID] | None = None,
        *,
        confirm: bool = False,
        timeout: float | None = None,
        codec: str | None = None,
    ) -> Receipt:
        """Send a body to every live peer, or to some. Returns at once; may be called anywhere.

        Args:
            tag: the kind of message; needs no handler here.
            body: what its handler's ``encode_with`` takes; without a handler, what JSON takes.
            to: whom to reach; our own address is ignored. None: every live peer.
            confirm: not in this version: raises ReceiptUnavailable.
            timeout: seconds for the receipt; needs ``confirm``.
            codec: ``json`` or ``bytes``, instead of the handler's.

        Raises:
            HandlerError: the body cannot be encoded.
            MessageTooLarge: it is above ``max_message_bytes`` when encoded.
            QueueFull: our own queue was full for ``send_timeout_s``; at once inside a handler.
            Closed: the node is not running.
            ReceiptUnavailable: ``confirm`` was asked for. After any of these nothing was sent.
        """
        runtime = self._running()
        if confirm or timeout is not None:
            raise ReceiptUnavailable(
                "receipts are not in this version yet: broadcast without confirm and timeout"
            )
        check_tag(tag)
        recipients = None if to is None else check_recipients(to)
        handler = self.handlers.get(tag)
        name, payload = encode_message(handler, tag, body, codec)
        if len(payload) > self.config.max_message_bytes:
            raise MessageTooLarge(
                f"{len(payload)} bytes encoded, {self.config.max_message_bytes} are allowed: send"
                " less, or a reference to where the rest is"
            )
        compress = handler is None or handler.compress
        return runtime.calls.run(  # type: ignore[no-any-return]
            functools.partial(self._send, runtime, tag, name, payload, recipients, compress)
        )

    def _send(
        self,
        runtime: Runtime,
        tag: str,
        codec: str,
        payload: bytes,
        to: list[NetID] | None,
        compress: bool,
    ) -> Receipt:
        self._wait_for_room(runtime, len(payload))
        if self._runtime is not runtime:
            raise Closed("the node was stopped")
        broadcast, recipients = runtime.node.broadcast(
            tag, codec, payload, to, time.monotonic(), compress=compress
        )
        runtime.carry_out()
        return Receipt(broadcast, recipients)

    def _wait_for_room(self, runtime: Runtime, size: int) -> None:
        # The payload and its headers, a little over-counted.
        needed = size + 4096
        if runtime.node.room(time.monotonic()) >= needed:
            return
        if not runtime.in_handler():
            with Timeout(self.config.send_timeout_s, False):
                while runtime.node.room(time.monotonic()) < needed and self._runtime is runtime:
                    runtime.room.clear()
                    runtime.room.wait(ROOM_STEP_S)  # one that stalls meanwhile does not call
        if self._runtime is runtime and runtime.node.room(time.monotonic()) < needed:
            raise QueueFull(
                "the node's own queue is full: the network takes less than is broadcast. Nothing"
                " was sent; try again, or broadcast less"
            )

    # Handlers and peers

    def on(
        self,
        tag: str,
        *,
        codec: str = "json",
        transforms: bool = False,
        compress: bool = True,
    ) -> Callable[[Function], Function]:
        """Register the decorated ``function(body, message)`` for a tag; ``*`` takes what is left.

        Args:
            codec: ``json`` or ``bytes``.
            transforms: what the function returns, unless None, travels on instead of the body.
            compress: off for bodies that mix a secret with what strangers chose.

        Raises:
            ConfigError: the tag has a handler already, or there is no such codec.
        """

        def register(function: Function) -> Function:
            self.handlers.add(
                codec_handler(tag, codec, function, transforms=transforms, compress=compress)
            )
            return function

        return register

    def on_peer(self, callback: PeerCallback) -> PeerCallback:
        """Call ``callback(PeerEvent)`` when a peer joins, fails, leaves or comes back."""
        self._callbacks.append(callback)
        return callback

    def peers(self) -> list[Summary]:
        """The live peers: those that a broadcast to everyone goes to."""
        return [peer for peer in self.known_peers() if peer.state in ("alive", "suspect")]

    def known_peers(self) -> list[Summary]:
        """The live peers, and those that failed or left lately."""
        runtime = self._running()
        found: list[Summary] = runtime.calls.run(lambda: runtime.node.peers(time.monotonic()))
        return found

    def wait_for_peers(self, n: int = 1, timeout: float | None = None) -> bool:
        """Wait until there are ``n`` live peers; whether there are.

        Args:
            timeout: seconds; None waits for as long as it takes.
        """
        runtime = self._running()

        def wait() -> bool:
            with Timeout(timeout, False):
                while self._runtime is runtime and runtime.node.live_count() < n:
                    self._changed.clear()
                    self._changed.wait()
            return self._runtime is runtime and runtime.node.live_count() >= n

        return bool(runtime.calls.run(wait))

    def stats(self) -> dict[str, int]:
        """The counters of this node since its start, by name."""
        runtime = self._running()
        counters: dict[str, int] = runtime.calls.run(runtime.stats)
        return counters

    # Details

    def _running(self) -> Runtime:
        runtime = self._runtime
        if runtime is None:
            raise Closed("the node is not running: call start(), or use it in a `with`")
        if runtime.pid != os.getpid():
            raise Closed(
                "the node belongs to the process that this one was forked from: call start() here"
                " for a node of its own"
            )
        return runtime

    def _tell(self, event: PeerEvent) -> None:
        self._logger.info("= %s is %s", event.address, event.state)
        self._changed.set()
        self._events.append(event)
        self._told.set()

    def _call_back(self, runtime: Runtime) -> None:
        """Callbacks have a greenlet of their own, so a slow one delays only other callbacks."""
        # A callback that stops the node is not killed, but must not go on beside the next start's.
        while runtime.running:
            self._told.wait()
            self._told.clear()
            while self._events and runtime.running:
                event = self._events.popleft()
                for callback in tuple(self._callbacks):
                    try:
                        callback(event)
                    except (Exception, Timeout):
                        self._logger.exception("a peer callback failed")


def known_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """The keywords as Config takes them.

    Raises:
        ConfigError: names one that is no setting.
    """
    for name in fields:
        if name not in Config.__dataclass_fields__ or not Config.__dataclass_fields__[name].init:
            raise ConfigError(f"{name}: there is no such setting")
    return fields


def check_tag(tag: object) -> None:
    """Refuse what cannot be a tag.

    Raises:
        ConfigError: not a text of 1 to 255 bytes.
    """
    try:
        size = len(tag.encode()) if isinstance(tag, str) else 0
    except UnicodeEncodeError:  # half of a surrogate pair
        size = 0
    if not 0 < size <= MAX_TAG_BYTES:
        raise ConfigError(f"tag: a text of 1 to {MAX_TAG_BYTES} bytes, not {tag!r}")


def check_recipients(to: object) -> list[NetID]:
    """The recipients as a list.

    Raises:
        ConfigError: not a list of NetIDs.
    """
    if isinstance(to, (NetID, str)) or not isinstance(to, Iterable):
        raise ConfigError("to: a list of NetIDs, or None for everybody")
    recipients = list(to)
    for netid in recipients:
        if not isinstance(netid, NetID):
            raise ConfigError(f"to: NetIDs, not {netid!r}; NetID.parse('1.2.3.4:29999') makes one")
        if netid.is_group:
            raise ConfigError(f"to: {netid} is a group; name nodes, or None for everybody")
    return recipients
