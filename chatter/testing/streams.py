"""TCP as far as its users can tell: ordered bytes in pieces of any size, and the ways it ends.

A connection is opened in a round trip, refused where nobody listens, and never answered where
nothing is. What the network loses comes later and holds up what follows it. What stays lost for
long ends the connection; a process that dies ends its connections, a host that dies does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from chatter.ids import NetID
from chatter.testing.clock import Clock
from chatter.testing.faults import TCP, Path
from chatter.testing.freezer import Freezer

if TYPE_CHECKING:
    from chatter.testing.network import Network

# The pause before bytes or a SYN are sent again, doubled each time, and when TCP gives up. Linux
# tries for a quarter of an hour; a test of what happens then need not.
RETRY_AFTER_S = 0.2
GIVE_UP_AFTER_S = 12.0

# What the buffers of both sides hold before the sender has to wait.
WINDOW_BYTES = 256 * 1024

# A piece that is handed over is followed by the next one after this.
_PIECE_PAUSE_S = 0.00001

_IP_TCP_BYTES = 52
_SEGMENT_BYTES = 1448


class StreamUser(Protocol):
    """Who opens and takes connections."""

    def accepted(self, stream: Stream, from_loopback: bool) -> None:
        """Somebody connected."""

    def received(self, stream: Stream, data: bytes) -> None:
        """Bytes came."""

    def writable(self, stream: Stream) -> None:
        """There is room again after ``Stream.room`` was gone."""

    def ended(self, stream: Stream) -> None:
        """The other side closed the connection, or it broke."""


class Stream:
    """One end of a connection."""

    def __init__(self, streams: Streams, local: NetID, remote: NetID, user: StreamUser) -> None:
        self.local = local
        self.remote = remote
        self.open = True
        self._streams = streams
        self._user: StreamUser | None = user
        self._other: Stream | None = None
        self._outgoing: deque[bytes | None] = deque()
        self._unread = bytearray()
        self._unread_there = 0
        self._finished = False
        self._ending = False
        self._stuck_since: float | None = None
        self._pause = RETRY_AFTER_S
        self._last_arrival = 0.0
        self._handing_over = False

    def pair(self, other: Stream) -> None:
        """These two are the ends of one connection."""
        self._other, other._other = other, self

    @property
    def room(self) -> int:
        """Bytes that ``write`` takes before the other side has to read."""
        return max(0, WINDOW_BYTES - self._unread_there)

    @property
    def waiting(self) -> bool:
        """Whether something written has not even left yet."""
        return bool(self._outgoing)

    def write(self, data: bytes) -> None:
        """Send bytes; nothing happens on a connection that is over."""
        if self.open and not self._finished and data:
            self._unread_there += len(data)
            self._outgoing.append(data)
            self._transmit()

    def finish(self) -> None:
        """Send what was written, then say that nothing more comes. What the other side still sends
        is handed over, until it finishes too."""
        if self.open and not self._finished:
            self._finished = True
            self._outgoing.append(None)
            self._transmit()

    def close(self) -> None:
        """The same, and what the other side still sends is thrown away."""
        self.finish()
        self.open = False
        self._user = None

    def abandon(self) -> None:
        """The process at this end is gone: the system it ran on tells the other side."""
        self.open = False
        self._user = None
        if self._finished:
            return  # what was written before the end is the system's, which goes on sending it
        self._outgoing.clear()
        other = self._other
        if other is not None:
            self._streams.carry(self.local, self.remote, other.break_off)

    def break_off(self) -> None:
        """The connection is over, and its user is told."""
        if self._streams.freezer.keeps(self.local, self.break_off):
            return
        if self.open:
            self.open = False
            user, self._user = self._user, None
            if user is not None:
                user.ended(self)

    # Sending

    def _transmit(self) -> None:
        while self._outgoing and self._stuck_since is None:
            self._try_head()

    def _try_head(self) -> None:
        if not self._outgoing:  # the process has died meanwhile
            self._stuck_since = None
            return
        streams = self._streams
        now = streams.clock.now
        data = self._outgoing[0]
        delay = streams.fate(self.local, self.remote)
        if delay is None:
            if self._stuck_since is None:
                self._stuck_since = now
            elif now - self._stuck_since > GIVE_UP_AFTER_S:
                self._outgoing.clear()
                self.break_off()
                return
            streams.clock.after(self._pause, self._try_head)
            self._pause = min(self._pause * 2, GIVE_UP_AFTER_S / 4)
            return
        self._outgoing.popleft()
        was_stuck = self._stuck_since is not None
        self._stuck_since, self._pause = None, RETRY_AFTER_S
        leaving_s = streams.leaving_s(self.local, self.remote, len(data or b""))
        self._last_arrival = max(self._last_arrival, now + leaving_s + delay)
        streams.send(Path(TCP, self.local, self.remote), self._last_arrival, data, self._arrive)
        if was_stuck:
            self._transmit()

    def _arrive(self, data: bytes | None) -> None:
        other = self._other
        assert other is not None
        if other._user is None:
            if data is not None:
                # Nobody reads there any more: the system there says so.
                self._streams.carry(self.remote, self.local, self.break_off)
            return
        if data is None:
            other._ending = True
        else:
            other._unread += data
        other._hand_over_soon()

    def _was_read(self, size: int) -> None:
        was_full = self.room == 0
        self._unread_there -= size
        if was_full and self.room:
            self._say_writable()

    def _say_writable(self) -> None:
        if not self._streams.freezer.keeps(self.local, self._say_writable) and self._user:
            self._user.writable(self)

    # Receiving

    def _hand_over_soon(self, pause_s: float = 0.0) -> None:
        if not self._handing_over:
            self._handing_over = True
            self._streams.clock.after(pause_s, self._hand_over)

    def _hand_over(self) -> None:
        if self._streams.freezer.keeps(self.local, self._hand_over):
            return
        self._handing_over = False
        user = self._user
        if user is None:
            return
        if self._unread:
            size = self._streams.piece(len(self._unread))
            data = bytes(self._unread[:size])
            del self._unread[:size]
            user.received(self, data)
            assert self._other is not None
            self._other._was_read(size)
        if self._unread:
            self._hand_over_soon(_PIECE_PAUSE_S)
        elif self._ending:
            # No user of ours goes on sending to who has finished: both ends close.
            self.finish()
            self.break_off()


class Streams:
    """All connections of a network."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._streams: dict[NetID, list[Stream]] = {}

    @property
    def clock(self) -> Clock:
        """The network's clock."""
        return self._network.clock

    @property
    def freezer(self) -> Freezer:
        """The processes that are stopped."""
        return self._network.freezer

    def connect(
        self,
        source: NetID,
        target: NetID,
        user: StreamUser,
        timeout_s: float,
        connected: Callable[[Stream], None],
        failed: Callable[[], None],
    ) -> None:
        """Open a connection, or learn that nobody answers."""
        deadline = self.clock.now + timeout_s

        def fail() -> None:
            if not self.freezer.keeps(source, fail):
                failed()

        self._knock(source, target, user, deadline, 1.0, connected, fail)

    def orphan(self, netid: NetID) -> None:
        """The process that owned these streams is gone."""
        for stream in self._streams.pop(netid, ()):
            stream.abandon()

    def waiting(self) -> bool:
        """Whether bytes wait to be sent again, because the network lost them."""
        return any(stream.waiting for kept in self._streams.values() for stream in kept)

    def fate(self, source: NetID, target: NetID) -> float | None:
        """How long the next bytes take; None if they are lost and have to be sent again."""
        delays = self._network.fate(Path(TCP, source, target))
        return min(delays, default=None)

    def leaving_s(self, source: NetID, target: NetID, size: int) -> float:
        """How long until the last bit of so many bytes has left the source's host."""
        local = self._network.same_host(source, target)
        size += packets_of(size) * _IP_TCP_BYTES
        return self._network.leaving_s(source, size, within_host=local)

    def piece(self, available: int) -> int:
        """How much of what is there the next read yields."""
        rng = self._network.rng
        return available if rng.random() < 0.5 else rng.randint(1, available)

    def send(
        self,
        path: Path,
        arrival: float,
        data: bytes | None,
        arrive: Callable[[bytes | None], None],
    ) -> None:
        """Count bytes and have them arrive."""
        network = self._network
        for tap in network.taps:
            tap(path, data or b"")
        size = len(data or b"")
        packets = packets_of(size)
        network.counts["tcp_sent"] += packets
        network.counts["tcp_bytes"] += size + packets * _IP_TCP_BYTES
        network.in_flight += 1

        def arrived() -> None:
            network.in_flight -= 1
            arrive(data)

        network.clock.at(arrival, arrived)

    def carry(self, source: NetID, target: NetID, call: Callable[[], None]) -> None:
        """Have something done at the other side, if a packet reaches it."""
        delay = self.fate(source, target)
        if delay is not None:
            self.clock.after(delay, call)

    def _knock(
        self,
        source: NetID,
        target: NetID,
        user: StreamUser,
        deadline: float,
        pause_s: float,
        connected: Callable[[Stream], None],
        failed: Callable[[], None],
    ) -> None:
        clock = self.clock
        there = self.fate(source, target)
        back = self.fate(target, source) if there is not None else None
        if there is None or back is None:
            if clock.now + pause_s >= deadline:
                clock.at(deadline, failed)
            else:
                clock.after(
                    pause_s,
                    lambda: self._knock(
                        source, target, user, deadline, pause_s * 2, connected, failed
                    ),
                )
            return
        round_trip_s = there + back

        def answer() -> None:
            place = self._network.attachment(target)
            caller = self._network.attachment(source)
            if place is None:
                clock.after(round_trip_s - there, failed)  # nobody listens: refused
                return
            if caller is None or caller.endpoint is not user:
                return  # it has died meanwhile
            near = Stream(self, source, target, user)
            far = Stream(self, target, source, place.endpoint)
            near.pair(far)
            self._keep(near)
            self._keep(far)

            def open_near() -> None:
                if self.freezer.keeps(source, open_near):
                    return
                if near.open:
                    connected(near)
                else:
                    failed()

            def accept() -> None:
                # Of one that is stopped the system takes the connection, and the bytes too.
                if not self.freezer.keeps(target, accept) and far.open:
                    place.endpoint.accepted(far, target.is_loopback)

            clock.after(round_trip_s - there, open_near)
            accept()

        clock.after(there, answer)

    def _keep(self, stream: Stream) -> None:
        kept = self._streams.setdefault(stream.local, [])
        kept[:] = [one for one in kept if one.open]
        kept.append(stream)


def packets_of(size: int) -> int:
    """How many packets carry so many bytes of a stream."""
    return max(1, -(-size // _SEGMENT_BYTES))
