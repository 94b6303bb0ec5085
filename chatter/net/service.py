"""Service: a node with its life cycle, its handlers and its callbacks, on gevent.

``chatter.Chatter``, the object that users hold, is this and what its settings ask for above `net`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

from gevent import Timeout
from gevent.event import Event
from gevent.monkey import is_module_patched

from chatter.config import Config
from chatter.core.effects import (
    BroadcastPassed,
    BroadcastSettled,
    Gap,
    NodeFigures,
    PeerEvent,
    Watching,
)
from chatter.core.gathering import MAX_GATHERED_BYTES
from chatter.core.handlers import (
    TABLE_BYTES,
    SerializerDB,
    codec_handler,
    encode_message,
    not_encoded,
)
from chatter.core.membership import Summary
from chatter.errors import Closed, ConfigError, MessageTooLarge, QueueFull
from chatter.ids import NetID
from chatter.net import fork, terminate
from chatter.net.arguments import check_recipients, check_tag, check_timeout, known_fields
from chatter.net.patching import why_too_late
from chatter.net.receipt import Receipt
from chatter.net.runtime import Runtime
from chatter.version import __version__
from chatter.wire.gossip import NO_NETIDS
from chatter.wire.seal import MAX_FRAME_BYTES

# What a broadcast takes of our queues besides its payload, a little over-counted. Of a payload that
# no frame holds it is all: only a header is queued, and chunks are cut as there is room for them.
HEADER_BYTES = 4096

# While waiting for room: how often to look whether a peer has stalled and is not waited for.
ROOM_STEP_S = 0.1

Function = TypeVar("Function", bound=Callable[..., Any])
Told = TypeVar("Told", PeerEvent, Gap)
PeerCallback = Callable[[PeerEvent], Any]
GapCallback = Callable[[Gap], Any]
Observed = PeerEvent | Gap | Watching

# Events that wait for slow callbacks; a cluster of thousands joins in one go.
MAX_EVENTS = 65536

# A gap may come for each origin and tag at once; what the log needs to say is that there are some.
GAP_WARNING_INTERVAL_S = 60.0

# Modules whose patching the shell depends on; the names are those that a program would leave out.
_MUST_BE_PATCHED = ("socket", "time", "threading", "select")


class Service:
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
        self._most_gathered = min(MAX_GATHERED_BYTES, self.config.max_message_bytes)
        self.handlers = SerializerDB()
        """The handlers, by tag: ``handlers.add(MessageHandler(...))``."""
        self._logger = logger or logging.getLogger("chatter")
        self._peer_callbacks: list[PeerCallback] = []
        self._gap_callbacks: list[GapCallback] = []
        self._observers: list[Callable[[Observed], None]] = []
        self._events: deque[PeerEvent | Gap] = deque(maxlen=MAX_EVENTS)
        self._warned_gap_at = float("-inf")
        self._told = Event()
        self._changed = Event()
        self._runtime: Runtime | None = None
        self._stopping: Runtime | None = None

    # Life cycle

    def start(self) -> Self:
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
        runtime = Runtime(self.config, self.handlers, self._tell, self._logger, __version__)
        runtime.start()
        self._runtime = runtime
        fork.watch(runtime)
        if self.config.leave_on_sigterm:
            terminate.leave_on_sigterm(self)
        runtime.spawn(self._call_back, runtime)
        # A program that just ends, and servers that handle SIGTERM themselves, leave by this.
        atexit.register(self.stop)
        too_late = why_too_late(
            "put `from gevent import monkey; monkey.patch_all()` first in the program, before all"
            " other imports",
            own_code=True,
        )
        if too_late is not None:
            self._logger.warning("%s", too_late)
        self._logger.info("= this node is %s", runtime.node.local)
        try:
            self._opened()
        except BaseException:
            self.stop(0.0)
            raise
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
        self._closing()
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

    def __enter__(self) -> Self:
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

    @property
    def epoch(self) -> int:
        """The epoch of the node's present life. Raises Closed unless the node is running."""
        return self._running().node.epoch

    @property
    def segment(self) -> NetID:
        """The segment it sees itself in, named after its lowest NetID. Raises Closed unless the
        node is running."""
        return self._running().node.segment

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

        From a signal's handler only if that has a turn of its own (``gevent.signal_handler``): one
        of ``signal.signal`` may interrupt this node, or this very call, in the middle of its work.

        Args:
            tag: the kind of message; needs no handler here.
            body: what its handler's ``encode_with`` takes; without a handler, what JSON takes.
            to: whom to reach; our own address is ignored. None: every live peer.
            confirm: have everybody answer, so that the receipt can tell who got it. To have sent
                it does not depend on that: what is lost is repaired in either case.
            timeout: seconds until the receipt is settled whoever has answered by then, above 0, at
                most a day; needs ``confirm``. None: ``confirm_timeout_s``.
            codec: ``json`` or ``bytes``, instead of the handler's.

        Raises:
            HandlerError: the body cannot be encoded.
            MessageTooLarge: it is above ``max_message_bytes`` when encoded.
            QueueFull: our own queue was full for ``send_timeout_s``; at once inside a handler.
            Closed: the node is not running.
            ConfigError: an argument cannot be used as given. After any of these nothing was sent.
        """
        runtime = self._running()
        way = self.handlers.ways.get((tag, codec)) if type(tag) is str else None
        confirm_s = recipients = None
        if to is not None or confirm or timeout is not None or way is None:
            # Mostly not so, a hundred thousand times a second: as little as can be in between.
            if confirm or timeout is not None:
                confirm_s = check_timeout(confirm, timeout, self.config.confirm_timeout_s)
            check_tag(tag)
            recipients = None if to is None else check_recipients(to)
            way = way or self.handlers.way(tag, codec)
        name, encode, compress = way
        if encode is None:
            payload = encode_message(self.handlers.get(tag), tag, body, codec)[1]
        else:
            try:
                data = encode(body)
            except Exception as error:
                raise not_encoded(tag, error) from error
            if recipients is None and confirm_s is None and len(data) <= self._most_gathered:
                if runtime.calls.here():
                    return self._gather(runtime, tag, name, data, compress)
                call = functools.partial(self._gather, runtime, tag, name, data, compress)
                return runtime.calls.run(call)  # type: ignore[no-any-return]
            payload = NO_NETIDS + data
        if len(payload) - TABLE_BYTES > self.config.max_message_bytes:
            raise MessageTooLarge(
                f"{len(payload) - TABLE_BYTES} bytes encoded, {self.config.max_message_bytes} are"
                " allowed: send less, or a reference to where the rest is"
            )
        return runtime.calls.run(  # type: ignore[no-any-return]
            functools.partial(
                self._send, runtime, tag, name, payload, recipients, compress, confirm_s
            )
        )

    def _gather(
        self, runtime: Runtime, tag: str, codec: str, body: bytes, compress: bool
    ) -> Receipt:
        if self._runtime is not runtime:  # stopped while a thread's call was on its way here
            raise Closed("the node was stopped")
        node = runtime.node
        sent = node.join(tag, codec, body, compress)
        if sent is None:
            now = time.monotonic()
            straight = node.straightway.send(tag, codec, body, compress, now)
            if straight is not None:
                runtime.send_straight(straight)
                return Receipt(straight.id, straight.recipients)
            room = node.room(now)
            if room < HEADER_BYTES + len(body):
                self._wait_for_room(runtime, len(body))
                if self._runtime is not runtime:
                    raise Closed("the node was stopped")
                now = time.monotonic()
                room = node.room(now)
            sent = node.gather(tag, codec, body, now, room, compress=compress)
            runtime.carry_out()
        return Receipt(*sent)

    def _send(
        self,
        runtime: Runtime,
        tag: str,
        codec: str,
        payload: bytes,
        to: list[NetID] | None,
        compress: bool,
        confirm_s: float | None,
    ) -> Receipt:
        self._wait_for_room(runtime, len(payload))
        if self._runtime is not runtime:
            raise Closed("the node was stopped")
        broadcast, targets = runtime.node.broadcast(
            tag, codec, payload, to, time.monotonic(), compress=compress, confirm_s=confirm_s
        )
        if confirm_s is None:
            receipt = Receipt(broadcast, targets)
        else:
            # Before the effects are carried out: with nobody to wait for it is settled by them.
            receipt = runtime.receipts[broadcast] = Receipt(broadcast, targets, runtime.calls)
        runtime.carry_out()
        return receipt

    def _wait_for_room(self, runtime: Runtime, size: int) -> None:
        needed = HEADER_BYTES + (size if size <= MAX_FRAME_BYTES else 0)
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
        ordered: bool = False,
    ) -> Callable[[Function], Function]:
        """Register the decorated ``function(body, message)`` for a tag; ``*`` takes what is left.

        One that takes a single argument gets the body.

        Args:
            codec: ``json`` or ``bytes``.
            transforms: what the function returns, unless None, travels on instead of the body.
            compress: off for bodies that mix a secret with what strangers chose.
            ordered: what one node broadcasts is dispatched in the order in which it did so; what
                is still missing after ``repair_timeout_s`` is a gap. Not with ``transforms``.

        Raises:
            ConfigError: the tag has a handler already, there is no such codec, the two exclude
                each other, or the function takes other arguments.
        """

        check_tag(tag)

        def register(function: Function) -> Function:
            self.handlers.add(
                codec_handler(
                    tag,
                    codec,
                    function,
                    transforms=transforms,
                    compress=compress,
                    ordered=ordered,
                )
            )
            return function

        return register

    def on_peer(self, callback: PeerCallback) -> PeerCallback:
        """Call ``callback(PeerEvent)`` when a peer joins, fails, leaves or comes back."""
        self._peer_callbacks.append(callback)
        return callback

    def on_gap(self, callback: GapCallback) -> GapCallback:
        """Call ``callback(Gap)`` for broadcasts to everyone that will not be dispatched here.

        Either they could not be had any more (no ``tag``), or the handler of ``tag`` was too slow
        for them or has to keep the order. Numbers within such a range that belong to other handlers
        are not concerned.
        """
        self._gap_callbacks.append(callback)
        return callback

    def peers(self) -> list[Summary]:
        """The live peers: those that a broadcast to everyone goes to."""
        return [peer for peer in self.known_peers() if peer.state in ("alive", "suspect")]

    def known_peers(self) -> list[Summary]:
        """The live peers, and those that failed or left lately."""
        runtime = self._running()

        def look() -> list[Summary]:
            runtime.settle()
            return runtime.node.peers(time.monotonic())

        found: list[Summary] = runtime.calls.run(look)
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

    def figures(self) -> NodeFigures:
        """What this node counted, as `watch` and `ask_figures` bring it of others."""
        runtime = self._running()

        def look() -> NodeFigures:
            runtime.settle()
            return runtime.node.figures(time.monotonic())

        figures: NodeFigures = runtime.calls.run(look)
        return figures

    # What stands above

    def _opened(self) -> None:
        """The node has just started: begin what shall run beside it. If this raises, it stops."""

    def _closing(self) -> None:
        """The node is about to stop: end what ran beside it. Must not raise, nor wait for long."""

    # Watching the cluster

    def observe(self, observer: Callable[[Observed], None]) -> Callable[[], None]:
        """Have ``observer`` told of each event of the node, at once.

        For dashboards and the like. It is called in the middle of the node's work: it must not
        wait, or call the node; if it raises, that is logged. Besides peers and gaps it is told what
        `watch` brings.

        Returns:
            The call that ends it.
        """
        self._observers.append(observer)

        def end() -> None:
            if observer in self._observers:
                self._observers.remove(observer)

        return end

    def watch(self) -> None:
        """For the next seconds have all nodes tell their figures and where broadcasts come by.

        Costs each node a datagram or two a second; call it again, once a second, while it is of
        use. The answers go to who observes.
        """
        runtime = self._running()

        def ask() -> None:
            runtime.node.watch(time.monotonic())
            runtime.carry_out()

        runtime.calls.run(ask)

    def ask_figures(self, netids: Iterable[NetID]) -> None:
        """Have these peers tell all their figures, once: for monitoring, which asks seldom.

        Costs each a datagram or two. The answers go to who observes; one may be lost.
        """
        runtime = self._running()
        asked = list(netids)

        def ask() -> None:
            runtime.node.ask_figures(asked, time.monotonic())
            runtime.carry_out()

        runtime.calls.run(ask)

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

    def _tell(self, event: Observed) -> None:
        for observer in tuple(self._observers):
            try:
                observer(event)
            except Exception:  # it must not cost the node what else it has to do now
                self._logger.exception("an observer failed")
        if isinstance(event, (NodeFigures, BroadcastPassed, BroadcastSettled)):
            return
        if isinstance(event, Gap):
            self._warn_of(event)
        else:
            self._logger.info("= %s is %s", event.address, event.state)
            self._changed.set()
        self._events.append(event)
        self._told.set()

    def _warn_of(self, gap: Gap) -> None:
        # A slow handler was named when it began to drop; and who takes gaps knows what to do.
        now = time.monotonic()
        if gap.tag is not None or self._gap_callbacks:
            return
        if now - self._warned_gap_at >= GAP_WARNING_INTERVAL_S:
            self._warned_gap_at = now
            self._logger.warning(
                "broadcasts %d to %d of %s are lost for this node: nobody has them any more. on_gap"
                " tells of each",
                gap.first,
                gap.last,
                gap.origin,
            )

    def _call_back(self, runtime: Runtime) -> None:
        """Callbacks have a greenlet of their own, so a slow one delays only other callbacks."""
        # A callback that stops the node is not killed, but must not go on beside the next start's.
        while runtime.running:
            self._told.wait()
            self._told.clear()
            while self._events and runtime.running:
                event = self._events.popleft()
                if isinstance(event, Gap):
                    self._call_all(self._gap_callbacks, event)
                else:
                    self._call_all(self._peer_callbacks, event)

    def _call_all(self, callbacks: list[Callable[[Told], Any]], event: Told) -> None:
        for callback in tuple(callbacks):
            try:
                callback(event)
            except (Exception, Timeout):
                self._logger.exception("a callback failed")
