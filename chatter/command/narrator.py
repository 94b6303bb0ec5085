"""What a node lives through, told on stdout as JSON or for a person: peers, messages, gaps."""

import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import gevent
from gevent.event import Event

from chatter import Chatter, Gap, Message, NetID, PeerEvent
from chatter.command import events, readable
from chatter.command.outlet import Outlet

# Events kept whole while stdout isn't read: enough for a cluster of hundreds to come and go.
BACKLOG_EVENTS = 1024


@dataclass(frozen=True, slots=True)
class Style:
    """How each thing is written, as one line with its newline."""

    ready: Callable[[NetID, str | None], bytes]
    message: Callable[[Message, int], bytes]
    peer: Callable[[PeerEvent], bytes]
    gap: Callable[[Gap], bytes]

    def event(self, event: PeerEvent | Gap) -> bytes:
        """The line for what is no message."""
        return self.gap(event) if isinstance(event, Gap) else self.peer(event)


def _line(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _clock() -> str:
    return time.strftime("%H:%M:%S")


JSON_LINES = Style(
    ready=lambda address, dashboard: events.encode_event(events.ready(address, dashboard)),
    message=events.encode_message,
    peer=lambda event: events.encode_event(events.peer(event)),
    gap=lambda gap: events.encode_event(events.gap(gap)),
)
READABLE = Style(
    ready=lambda address, dashboard: _line(readable.ready_line(address, _clock(), dashboard)),
    message=lambda message, time_ns: _line(readable.message_line(message, _clock())),
    peer=lambda event: _line(readable.peer_line(event, _clock())),
    gap=lambda gap: _line(readable.gap_line(gap, _clock())),
)


class Backlog:
    """Events that stdout hasn't taken yet.

    Above `limit` a new one replaces the older ones about the same, so that it never holds more than
    `limit` and one for each peer and each life and handler with gaps. The last word about each peer
    is always told, and no gap is left out: the one that stays reaches over those it replaced.
    """

    def __init__(self, limit: int = BACKLOG_EVENTS) -> None:
        self._limit = limit
        self._events: deque[PeerEvent | Gap] = deque()

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: PeerEvent | Gap) -> None:
        if len(self._events) >= self._limit:
            subject = _subject(event)
            replaced = [old for old in self._events if _subject(old) == subject]
            if replaced:
                self._events = deque(old for old in self._events if _subject(old) != subject)
            if isinstance(event, Gap):
                gaps = [event, *(old for old in replaced if isinstance(old, Gap))]
                event = event._replace(
                    first=min(gap.first for gap in gaps), last=max(gap.last for gap in gaps)
                )
        self._events.append(event)

    def take(self) -> PeerEvent | Gap:
        """The oldest one. Raises IndexError if there is none."""
        return self._events.popleft()


def _subject(event: PeerEvent | Gap) -> Hashable:
    if isinstance(event, Gap):
        return event.origin, event.epoch, event.tag
    return event.address


class Narrator:
    """Registers itself with a node that hasn't started, and writes what it is told.

    Messages are written by the node's own handler greenlet: while stdout isn't read it waits there,
    as a slow handler, and the node does with the rest what it does for slow handlers. Peer events
    and gaps are kept aside and written by `run`, as whoever tells them must not wait for a reader.
    """

    def __init__(self, chatter: Chatter, outlet: Outlet, style: Style) -> None:
        self._outlet = outlet
        self._style = style
        self._ready = Event()
        self._backlog = Backlog()
        self._news = Event()
        chatter.on("*")(self._on_message)
        chatter.on_peer(self._keep)
        chatter.on_gap(self._keep)

    def tell_ready(self, address: NetID, dashboard: str | None = None) -> None:
        """Write the first line; all else has waited for it.

        Args:
            dashboard: where it is, if that shall be told.
        """
        self._outlet.write(self._style.ready(address, dashboard))
        self._ready.set()

    def run(self) -> None:
        """Write peer events and gaps until killed; give it a greenlet of its own."""
        self._ready.wait()
        while True:
            self._news.wait()
            self._news.clear()
            while self._backlog:
                self._outlet.write(self._style.event(self._backlog.take()))
                gevent.sleep(0)

    def _on_message(self, body: object, message: Message) -> None:
        time_ns = time.monotonic_ns()
        self._ready.wait()
        self._outlet.write(self._style.message(message, time_ns))

    def _keep(self, event: PeerEvent | Gap) -> None:
        self._backlog.add(event)
        self._news.set()
