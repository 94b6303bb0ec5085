"""One node on the fake network: carries out what its core asks, and writes down what it delivers.

It does what the real shell does with sockets and greenlets, in as few words: after each call into
the core it carries out the effects in order, fetches the frames of whoever has some, and sets the
clock for the next wakeup.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from chatter.config import Config
from chatter.core.channels import ChannelSpec
from chatter.core.effects import (
    BroadcastPassed,
    BroadcastSettled,
    Connect,
    Deliver,
    Disconnect,
    Effect,
    FlushSoon,
    Gap,
    MulticastReady,
    NodeFigures,
    Outcome,
    PeerEvent,
    SessionReady,
    Settled,
    Trouble,
    UdpReady,
    Watching,
)
from chatter.core.gathering import MAX_GATHERED_BYTES
from chatter.core.handlers import (
    TABLE_BYTES,
    Message,
    SerializerDB,
    decode_message,
    encode_body,
    encode_message,
)
from chatter.core.node import Node
from chatter.core.session import Session
from chatter.errors import FrameError, MessageTooLarge, QueueFull
from chatter.ids import BroadcastID, NetID
from chatter.testing.clock import Clock, Timer
from chatter.testing.freezer import STOCK_BUFFER_BYTES
from chatter.testing.network import Membership, Network
from chatter.testing.streams import Stream
from chatter.testing.worker import Worker
from chatter.wire.gossip import NO_NETIDS, Gossip
from chatter.wire.seal import MAX_FRAME_BYTES

# What a broadcast takes of our queues besides its payload, a little over-counted. Of a payload that
# no frame holds it is all, as chunks are cut as there is room for them.
HEADER_BYTES = 4096

# While stopping: how often to look whether all is sent.
FLUSH_STEP_S = 0.005

# After our end of a connection: how long the other side may take to end it too.
CLOSE_GRACE_S = 2.0


class Delivery(NamedTuple):
    """One dispatch of a broadcast."""

    id: BroadcastID
    message: Message
    at: float
    """Virtual seconds."""


class Member:
    """One process with a node in it: started, stopped, killed and started again.

    Args:
        name: what the test calls it.
        channels: its multicast channels.
        host: the machine it runs on; unset, one of its own.
        seeds: the addresses it joins by.
        unix_ms: its wall clock when asked; each start reads it once.
    """

    def __init__(
        self,
        name: str,
        netid: NetID,
        config: Config,
        network: Network,
        *,
        segment: str,
        unix_ms: Callable[[], int],
        channels: Sequence[ChannelSpec] = (),
        host: str | None = None,
        seeds: Sequence[NetID] = (),
    ) -> None:
        self.name = name
        self.netid = netid
        self.config = config
        self.segment = segment
        self.channels = tuple(channels)
        self.seeds = list(seeds)
        self.running = False
        self.handlers = SerializerDB()
        self.inbox: list[Delivery] = []
        """What was dispatched, in all its lives, in order."""
        self.receipts: dict[BroadcastID, Outcome] = {}
        """What became of its confirmed broadcasts, once they were settled."""
        self.gaps: list[Gap] = []
        """What it was told it will not get, in all its lives, in order."""
        self.events: list[PeerEvent] = []
        """What its core told of its peers, in all its lives, in order."""
        self.watched: list[Watching] = []
        """What it was told while it watched the cluster, in order."""
        self.troubles: list[str] = []
        """What it would have warned its operator of."""
        self.send_misjudged = 1.0
        """It takes a send to cost so many times what it does. Zero, and its trees are stars;
        infinity, and it halves."""
        self.undispatched = 0
        """Broadcasts that nobody here has a handler for, or whose payload is damaged."""
        self._host = host
        self.network = network
        self._clock: Clock = network.clock
        self._rng: random.Random = network.rng
        self._unix_ms = unix_ms
        self._takes_s: dict[str, float] = {}
        self._workers: dict[str, Worker] = {}
        self._node: Node | None = None
        self._streams: dict[Session, Stream] = {}
        self._sessions: dict[Stream, Session] = {}
        self._closing: set[Session] = set()
        self._ready_channels: set[int] = set()
        self._ready_sessions: dict[Session, None] = {}
        self._udp_ready = False
        self._pumping = False
        self._timer: Timer | None = None
        self._wakes_at = float("inf")

    def __repr__(self) -> str:
        return self.name

    @property
    def node(self) -> Node:
        """The core of its present life, or of the last one."""
        assert self._node is not None, f"{self.name} was never started"
        return self._node

    @property
    def counts(self) -> dict[str, int]:
        """What its core counted in its present process."""
        return self.node.counts

    def live_peers(self) -> set[NetID]:
        """The peers it thinks are live."""
        return {peer.address for peer in self._summaries() if peer.state in ("alive", "suspect")}

    def listeners(self) -> set[NetID]:
        """The peers of whom it has fresh evidence that they hear its multicasts."""
        return {peer.address for peer in self._summaries() if peer.multicast}

    def state_of(self, netid: NetID) -> str | None:
        """What it thinks of a peer; None if it knows of none there."""
        return next((one.state for one in self._summaries() if one.address == netid), None)

    def chance(self) -> float:
        """A random number from 0 to 1, from the network's source of chance."""
        return self._rng.random()

    # Life cycle

    def set_clock(self, unix_ms: Callable[[], int]) -> None:
        """From now on its wall clock says something else, as after a battery died."""
        self._unix_ms = unix_ms

    def start(self) -> None:
        """Start a process with a fresh node at this address."""
        assert not self.running, f"{self.name} runs already"
        self._node = Node(
            self.config,
            self.netid,
            self.handlers,
            unix_ms=self._unix_ms(),
            random_bytes=self._rng.randbytes,
            rng=self._rng,
            channels=self.channels,
            buffer=STOCK_BUFFER_BYTES,
            queued=lambda: sum(map(len, self._workers.values())),
        )
        self.running = True
        self.network.attach(
            self.netid,
            self,
            segment=self.segment,
            host=self._host,
            memberships=[Membership(one.group, one.loopback) for one in self.channels],
            ttl=self.config.multicast_ttl,
        )
        self._node.start(self._clock.now)
        self._node.set_seeds(self.seeds, self._clock.now)
        self._carry_out()

    def stop(self) -> None:
        """Leave as a well-behaved process does: send what is queued, say so, and end.

        That takes a moment of virtual time, ``stop_timeout_s`` at most.
        """
        self._finish(self._clock.now + self.config.stop_timeout_s, told=False)

    def kill(self, *, silently: bool = False) -> None:
        """End the process without a word of its own.

        Args:
            silently: the whole host loses its power, so its system says nothing either.
        """
        if not self.running:
            return
        self.running = False
        self.network.detach(self.netid, silently=silently)
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes_at = None, float("inf")
        self._streams.clear()
        self._sessions.clear()
        self._closing.clear()
        self._ready_channels.clear()
        self._ready_sessions.clear()
        self._udp_ready = self._pumping = False
        for worker in self._workers.values():
            worker.clear()

    def freeze(self) -> None:
        """Stop the process, as SIGSTOP does: it takes nothing and sends nothing.

        Its sockets stay open: its system takes connections and what comes, as far as there is room.
        """
        assert self.running, f"{self.name} does not run"
        self.network.freezer.freeze(self.netid)

    def thaw(self) -> None:
        """Let a stopped process go on."""
        self.network.freezer.thaw(self.netid)

    @property
    def frozen(self) -> bool:
        """Whether its process is stopped."""
        return self.network.freezer.frozen(self.netid)

    def _keeps(self, call: Callable[[], Any]) -> bool:
        return self.network.freezer.keeps(self.netid, call)

    def _finish(self, deadline: float, *, told: bool) -> None:
        if not self.running or self._keeps(lambda: self._finish(deadline, told=told)):
            return
        if self.node.pending(self._clock.now) and self._clock.now < deadline:
            self._clock.after(FLUSH_STEP_S, lambda: self._finish(deadline, told=told))
        elif not told:
            # Only now: who reads it closes its connections with us.
            self.node.leave(self._clock.now)
            self._carry_out()
            self._finish(deadline, told=True)
        else:
            for stream in list(self._sessions):
                stream.close()
            self.kill()

    # Broadcasts

    def broadcast(
        self,
        tag: str,
        body: Any,
        to: Sequence[NetID] | None = None,
        *,
        codec: str | None = None,
        confirm_s: float | None = None,
    ) -> tuple[BroadcastID, int]:
        """Send; the broadcast's id, and how many peers it is meant for.

        Args:
            confirm_s: seconds for their answers; ``receipts`` then has what became of it.

        Raises:
            QueueFull: its queues are full, and nothing was sent. A program would wait for a moment.
        """
        handler = self.handlers.get(tag)
        name, table, data = encode_body(handler, tag, body, codec)
        payload = table + data
        if len(payload) > self.config.max_message_bytes + TABLE_BYTES:
            raise MessageTooLarge(f"{len(payload)} bytes encoded")
        needed = HEADER_BYTES + (len(payload) if len(payload) <= MAX_FRAME_BYTES else 0)
        room = self.node.room(self._clock.now)
        if room < needed:
            raise QueueFull("the network takes less than is broadcast")
        compress = handler is None or handler.compress
        now = self._clock.now
        gathered = to is None and confirm_s is None and table == NO_NETIDS
        if gathered and len(data) <= MAX_GATHERED_BYTES:
            sent, targets = self.node.gather(tag, name, data, now, room, compress=compress)
            self._carry_out()
            return sent, len(targets)
        sent, targets = self.node.broadcast(
            tag, name, payload, to, now, compress=compress, confirm_s=confirm_s
        )
        self._carry_out()
        return sent, len(targets)

    def watch(self) -> None:
        """For the next seconds have all nodes tell their figures; ``watched`` has what they say."""
        self.node.watch(self._clock.now)
        self._carry_out()

    def handler_takes(self, tag: str, seconds: float) -> None:
        """Let the handler of a tag take so long until it is done."""
        self._takes_s[tag] = seconds

    def handler_queue(self, tag: str, takes_s: float, full_at: int) -> Worker:
        """Give the handler of a tag a worker of its own: what is dispatched waits for its turn.

        It may not be one that transforms.

        Args:
            takes_s: seconds for each message.
            full_at: how many may wait before the node holds back those who send.
        """
        worker = Worker(self._clock, takes_s, full_at, self._keeps, self._note_handlers)
        self._workers[tag] = worker
        return worker

    def _note_handlers(self) -> None:
        full = any(worker.full for worker in self._workers.values())
        self.node.note_handlers(full, self._clock.now)
        self._carry_out()

    # What the network hands over

    def received_datagram(self, data: bytes, channel: int | None, from_loopback: bool) -> None:
        self.node.receive_datagram(data, channel, from_loopback, self._clock.now)
        self._carry_out()

    def accepted(self, stream: Stream, from_loopback: bool) -> None:
        self._open(stream, None)

    def received(self, stream: Stream, data: bytes) -> None:
        session = self._sessions.get(stream)
        if session is None:
            return
        from_loopback = stream.local.is_loopback
        alive = self.node.session_received(session, data, from_loopback, self._clock.now)
        self._carry_out()
        if not alive:
            self._close(session)

    def writable(self, stream: Stream) -> None:
        session = self._sessions.get(stream)
        if session is not None:
            self._ready_sessions[session] = None
            self._pump_soon()

    def ended(self, stream: Stream) -> None:
        session = self._sessions.get(stream)
        if session is not None:
            self._forget(session)
            self.node.session_closed(session, self._clock.now)
            self._carry_out()

    # Effects

    def _take_effects(self) -> None:
        for effect in self.node.take_effects():
            self._carry_out_one(effect)

    def _carry_out(self) -> None:
        self._take_effects()
        if self._ready_channels or self._ready_sessions or self._udp_ready:
            self._pump_soon()
        self._arm()

    def _carry_out_one(self, effect: Effect) -> None:
        match effect:
            case MulticastReady(channel):
                self._ready_channels.add(channel)
            case UdpReady():
                self._udp_ready = True
            case SessionReady(session):
                self._ready_sessions[session] = None
            case FlushSoon():
                self._pump_soon()
            case Connect(netid):
                self._connect(netid)
            case Disconnect(session):
                self._closing.add(session)
                self._ready_sessions[session] = None
            case Deliver(gossip):
                for one in gossip.gossips():
                    self._deliver(effect._replace(gossip=one), one)
            case PeerEvent():
                self.events.append(effect)
            case Settled(broadcast, outcome):
                self.receipts[broadcast] = outcome
            case Gap():
                self.gaps.append(effect)
            case NodeFigures() | BroadcastPassed() | BroadcastSettled():
                self.watched.append(effect)
            case Trouble(message):
                self.troubles.append(message)

    def _pump_soon(self) -> None:
        """Fetch frames once all that happens at this moment has: what waits by then shares them."""
        if not self._pumping:
            self._pumping = True
            self._clock.after(0.0, self._pump)

    def _pump(self) -> None:
        if self._keeps(self._pump):
            return
        self._pumping = False
        if not self.running:
            return
        node, network = self.node, self.network
        node.flush(self._clock.now)
        self._take_effects()
        while self._ready_channels:
            channel = self._ready_channels.pop()
            while (frame := node.multicast_frame(channel, self._clock.now)) is not None:
                network.send_multicast(self.netid, channel, frame)
        self._udp_ready = False
        while (datagram := node.udp_frame(self._clock.now)) is not None:
            network.send_datagram(self.netid, *datagram)
        while self._ready_sessions:
            session = next(iter(self._ready_sessions))  # as the real writers wake up
            del self._ready_sessions[session]
            self._write(session)
        self._carry_out()

    def _write(self, session: Session) -> None:
        stream = self._streams.get(session)
        if stream is None:
            return
        now = self._clock.now
        while stream.open and stream.room and (data := self.node.session_bytes(session, now)):
            stream.write(data)
            self._note_send()
        if session in self._closing and stream.room:
            stream.finish()
            self._clock.after(CLOSE_GRACE_S, lambda: self._close(session))

    def _note_send(self) -> None:
        if self.network.send_s is not None:
            self.node.note_send(self.network.send_s * self.send_misjudged)

    # Connections

    def _connect(self, netid: NetID) -> None:
        node = self.node

        def connected(stream: Stream) -> None:
            if self._node is node and self.running:
                self._open(stream, netid)

        def failed() -> None:
            if self._node is node and self.running:
                node.connect_failed(netid, self._clock.now)
                self._carry_out()

        self.network.streams.connect(
            self.netid, netid, self, self.config.connect_timeout_s, connected, failed
        )

    def _open(self, stream: Stream, expected: NetID | None) -> None:
        session = self.node.open_session(expected, self._clock.now)
        self._streams[session] = stream
        self._sessions[stream] = session
        self._carry_out()

        def check() -> None:
            if not self._keeps(check) and not session.proven:
                self._close(session)

        self._clock.after(self.config.connect_timeout_s, check)

    def _close(self, session: Session) -> None:
        if self._keeps(lambda: self._close(session)):
            return
        stream = self._streams.get(session)
        if stream is not None:
            self._forget(session)
            stream.close()
            self.node.session_closed(session, self._clock.now)
            self._carry_out()

    def _forget(self, session: Session) -> None:
        del self._sessions[self._streams.pop(session)]
        self._closing.discard(session)
        self._ready_sessions.pop(session, None)

    # Dispatch

    def _deliver(self, deliver: Deliver, gossip: Gossip) -> None:
        worker = self._workers.get(gossip.tag)
        if worker is None:
            self._dispatch(deliver, gossip)
        else:
            worker.put(lambda: self._dispatch(deliver, gossip))

    def _dispatch(self, deliver: Deliver, gossip: Gossip) -> None:
        handler = self.handlers.dispatcher(gossip.tag)
        if handler is None:
            self.undispatched += 1
            return
        try:
            body = decode_message(handler, gossip.codec, gossip.payload)
        except (FrameError, ValueError, RecursionError):  # the last two are JSON's
            self.undispatched += 1
            if deliver.held:
                self._transformed(gossip.id, None)
            return
        message = Message(
            gossip.tag,
            body,
            gossip.codec,
            gossip.id.origin,
            gossip.id.epoch,
            gossip.id.seqno,
            deliver.sender,
            deliver.via,
            gossip.hop,
        )
        self.inbox.append(Delivery(gossip.id, message, self._clock.now))
        answer = handler.dispatch(body, message) if handler.with_message else handler.dispatch(body)
        if not deliver.held:
            return
        payload = None if answer is None else encode_message(handler, gossip.tag, answer)[1]
        takes_s = self._takes_s.get(gossip.tag, 0.0)
        self._clock.after(takes_s, lambda: self._transformed(gossip.id, payload))

    def _transformed(self, broadcast: BroadcastID, payload: bytes | None) -> None:
        if self._keeps(lambda: self._transformed(broadcast, payload)):
            return
        if self.running:
            self.node.transformed(broadcast, payload, self._clock.now)
            self._carry_out()

    # Time

    def _arm(self) -> None:
        promised = self.node.due
        wakeup = self.node.next_wakeup()
        assert promised <= wakeup, f"{self} planned something and told nobody"
        if wakeup < self._wakes_at and self.running:
            if self._timer is not None:
                self._timer.cancel()
            self._wakes_at = wakeup
            self._timer = self._clock.at(wakeup, self._wake)

    def _wake(self) -> None:
        if self._keeps(self._wake):
            return
        self._timer, self._wakes_at = None, float("inf")
        if self.node.next_wakeup() <= self._clock.now:
            self.node.tick(self._clock.now)
        self._carry_out()

    def _summaries(self) -> list[Any]:
        return self.node.peers(self._clock.now)
