"""What a node lives through, told on stdout: ready, peers, messages; as JSON or for a person."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import gevent
from gevent.event import Event

from chatter import Chatter, Message, NetID, PeerEvent
from chatter.command import events, readable
from chatter.command.outlet import Outlet

# Peer events kept whole while stdout isn't read: enough for a cluster of hundreds to come and go.
BACKLOG_EVENTS = 1024


@dataclass(frozen=True, slots=True)
class Style:
    """How each thing is written, as one line with its newline."""

    ready: Callable[[NetID], bytes]
    message: Callable[[Message, int], bytes]
    peer: Callable[[PeerEvent], bytes]


def _line(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _clock() -> str:
    return time.strftime("%H:%M:%S")


JSON_LINES = Style(
    ready=lambda address: events.encode_event(events.ready(address)),
    message=events.encode_message,
    peer=lambda event: events.encode_event(events.peer(event)),
)
READABLE = Style(
    ready=lambda address: _line(readable.ready_line(address, _clock())),
    message=lambda message, time_ns: _line(readable.message_line(message, _clock())),
    peer=lambda event: _line(readable.peer_line(event, _clock())),
)


class PeerBacklog:
    """Peer events that stdout hasn't taken yet.

    Above `limit` a new event replaces the older ones of the same peer, so that it never holds more
    than `limit` and one for each peer there is, and the last word about each peer is always told.
    """

    def __init__(self, limit: int = BACKLOG_EVENTS) -> None:
        self._limit = limit
        self._events: deque[PeerEvent] = deque()

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: PeerEvent) -> None:
        if len(self._events) >= self._limit:
            self._events = deque(old for old in self._events if old.address != event.address)
        self._events.append(event)

    def take(self) -> PeerEvent:
        """The oldest one. Raises IndexError if there is none."""
        return self._events.popleft()


class Narrator:
    """Registers itself with a node that hasn't started, and writes what it is told.

    Messages are written by the node's own handler greenlet: while stdout isn't read it waits there,
    as a slow handler, and the node does with the rest what it does for slow handlers. Peer events
    are kept aside and written by `run`, because whoever tells them must not wait for a reader.
    """

    def __init__(self, chatter: Chatter, outlet: Outlet, style: Style) -> None:
        self._outlet = outlet
        self._style = style
        self._ready = Event()
        self._backlog = PeerBacklog()
        self._news = Event()
        chatter.on("*")(self._on_message)
        chatter.on_peer(self._on_peer)

    def tell_ready(self, address: NetID) -> None:
        """Write the first line; all else has waited for it."""
        self._outlet.write(self._style.ready(address))
        self._ready.set()

    def run(self) -> None:
        """Write peer events until killed; give it a greenlet of its own."""
        self._ready.wait()
        while True:
            self._news.wait()
            self._news.clear()
            while self._backlog:
                self._outlet.write(self._style.peer(self._backlog.take()))
                gevent.sleep(0)

    def _on_message(self, body: object, message: Message) -> None:
        time_ns = time.monotonic_ns()
        self._ready.wait()
        self._outlet.write(self._style.message(message, time_ns))

    def _on_peer(self, event: PeerEvent) -> None:
        self._backlog.add(event)
        self._news.set()
