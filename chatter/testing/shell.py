"""The shell around a core on the fake network: it carries frames, and wakes the core in time.

It does what the real shell does with sockets and greenlets, in as few words: after each call into
the core it carries out the effects in order, fetches the frames of whoever has some, and sets the
clock for the next wakeup. One is made for each start of a process, and ends with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chatter.config import Config
from chatter.core.effects import (
    Connect,
    Disconnect,
    Effect,
    FlushSoon,
    MulticastReady,
    SessionReady,
    UdpReady,
)
from chatter.core.node import Node
from chatter.core.session import Session
from chatter.core.straight import Straight
from chatter.ids import NetID
from chatter.testing.clock import Clock, Timer
from chatter.testing.network import Network
from chatter.testing.streams import Stream

# After our end of a connection: how long the other side may take to end it too.
CLOSE_GRACE_S = 2.0


class Shell:
    """What is around one core, from the start of its process to its end.

    Args:
        tell: given each effect that is no matter of frames and connections.
        note_send: told how long a send took.
    """

    def __init__(
        self,
        node: Node,
        netid: NetID,
        config: Config,
        network: Network,
        tell: Callable[[Effect], None],
        note_send: Callable[[float], None],
    ) -> None:
        self.node = node
        self.netid = netid
        self.config = config
        self.running = True
        self._network = network
        self._clock: Clock = network.clock
        self._tell = tell
        self._tell_send = note_send
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
        return f"the shell of {self.netid}"

    def close_streams(self) -> None:
        """Close all connections, as a process does that ends by itself."""
        for stream in list(self._sessions):
            stream.close()

    def end(self) -> None:
        """The process is no more."""
        self.running = False
        if self._timer is not None:
            self._timer.cancel()
        self._streams.clear()
        self._sessions.clear()
        self._closing.clear()
        self._ready_channels.clear()
        self._ready_sessions.clear()

    def _keeps(self, call: Callable[[], Any]) -> bool:
        return self._network.freezer.keeps(self.netid, call)

    # What the network hands over

    def received_datagram(self, data: bytes, channel: int | None, from_loopback: bool) -> None:
        node, now = self.node, self._clock.now
        lone = None if channel is None else node.lone.take(data, channel, now)
        if lone is None:
            node.receive_datagram(data, channel, from_loopback, now)
        else:
            self._tell(lone)
            if node.lone.enough:
                node.settle(now)
        self.carry_out()

    def send_straight(self, straight: Straight) -> None:
        """Send a broadcast that is sealed already, and see to what the core wants then."""
        self._network.send_multicast(self.netid, straight.channel, straight.frame)
        self.node.settle(self._clock.now)
        self.carry_out()

    def accepted(self, stream: Stream, from_loopback: bool) -> None:
        self._open(stream, None)

    def received(self, stream: Stream, data: bytes) -> None:
        session = self._sessions.get(stream)
        if session is None:
            return
        from_loopback = stream.local.is_loopback
        alive = self.node.session_received(session, data, from_loopback, self._clock.now)
        self.carry_out()
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
            self.carry_out()

    # Effects

    def _take_effects(self) -> None:
        for effect in self.node.take_effects():
            self._carry_out_one(effect)

    def carry_out(self) -> None:
        """Do what the core asks for, now and at the end of this moment."""
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
            case _:
                self._tell(effect)

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
        node = self.node
        node.flush(self._clock.now)
        self._take_effects()
        while self._ready_channels:
            channel = self._ready_channels.pop()
            while (frame := node.multicast_frame(channel, self._clock.now)) is not None:
                self._network.send_multicast(self.netid, channel, frame)
        self._udp_ready = False
        while (datagram := node.udp_frame(self._clock.now)) is not None:
            self._network.send_datagram(self.netid, *datagram)
        while self._ready_sessions:
            session = next(iter(self._ready_sessions))  # as the real writers wake up
            del self._ready_sessions[session]
            self._write(session)
        self.carry_out()

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
        if self._network.send_s is not None:
            self._tell_send(self._network.send_s)

    # Connections

    def _connect(self, netid: NetID) -> None:
        def connected(stream: Stream) -> None:
            if self.running:
                self._open(stream, netid)

        def failed() -> None:
            if self.running:
                self.node.connect_failed(netid, self._clock.now)
                self.carry_out()

        self._network.streams.connect(
            self.netid, netid, self, self.config.connect_timeout_s, connected, failed
        )

    def _open(self, stream: Stream, expected: NetID | None) -> None:
        session = self.node.open_session(expected, self._clock.now)
        self._streams[session] = stream
        self._sessions[stream] = session
        self.carry_out()

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
            self.carry_out()

    def _forget(self, session: Session) -> None:
        del self._sessions[self._streams.pop(session)]
        self._closing.discard(session)
        self._ready_sessions.pop(session, None)

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
        if self._keeps(self._wake) or not self.running:
            return
        self._timer, self._wakes_at = None, float("inf")
        if self.node.next_wakeup() <= self._clock.now:
            self.node.tick(self._clock.now)
        self.carry_out()
