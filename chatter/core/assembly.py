"""Large payloads under way: what came of each, what is still missing, and whom to ask for it.

As long as pieces come, nobody is asked: what a multicast lost is asked for when the multicast is
through. One that stalls is asked for, first at its source, then elsewhere.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from io import BytesIO
from itertools import chain

from chatter.core.spans import Spans, most_ranges
from chatter.errors import FrameError
from chatter.ids import BroadcastID, NetID
from chatter.wire.gossip import Gossip
from chatter.wire.records import WantChunks

# All that is under way together: two of the largest payloads, or four of the largest by default.
# More wait for their turn, and take nothing meanwhile: to refuse them would lose those that no
# number tells of.
MAX_BYTES = 64 * 1024 * 1024

# Payloads under way at a time. One takes 1.5 KB besides its bytes, so headers that promise a byte
# each take 6 MB; a flood of payloads just above a datagram has some hundreds that wait for repair.
MAX_OPEN = 4096

# Who waits for a turn has so many times the patience of those whose turn it is; by then whoever
# sent it has most likely given up too.
WAITING_TIMEOUTS = 6

# What one request asks for: more than a fast network has under way, and not so much that another
# source sends for long what the first one sends after all.
REQUEST_BYTES = 1024 * 1024

# Holes that one request names: at 20 bytes, a sixth of what a frame takes.
REQUEST_RANGES = 512

# A pause that says nothing: shorter ones come from greenlets and queues.
QUIET_S = 0.05

# Before its first piece there is no usual pause: as long as a relay has to say that it took a part.
FIRST_PAUSE_S = 0.075

# Once the last byte came, what is missing was lost or overtaken, and that takes no longer.
REORDER_S = 0.01

# The longest wait for an answer; an asker that is never answered costs a record a second.
LONGEST_WAIT_S = 1.0

# Nodes that a request is offered to in one turn; more are full only when we are drowning in links.
_OFFERS = 8


class Assembly:
    """One large payload under way. Made by ``Assemblies.open``.

    The buffer grows with what comes, so a header alone takes no memory, and becomes the payload
    without being copied.
    """

    __slots__ = (
        "_asked",
        "_asked_to",
        "_buffer",
        "_most_arrivals",
        "_pause_s",
        "_payload",
        "_server",
        "_sooner",
        "_spans",
        "_tries",
        "arrivals",
        "due_at",
        "edition",
        "header",
        "moved_at",
        "queued_at",
        "size",
        "source",
        "source_gone",
        "started_at",
        "waits",
    )

    def __init__(
        self, header: Gossip, source: NetID, now: float, sooner: Callable[[Assembly], None]
    ) -> None:
        self.header = header
        self.size = header.size
        self.source = source
        """Who sends it to us, or offered it."""
        self.source_gone = False
        self.started_at = now
        self.moved_at = now
        """When the last new byte came."""
        self.arrivals: list[tuple[int, int]] = []
        """The ranges that came, in their order; see ``transfer.Body``."""
        self.edition = 0
        self._buffer = BytesIO()
        self._payload: bytes | None = None
        self._spans = Spans(most_ranges(header.size))
        # Twice as many as there can be ranges: writing them anew is rare, and always shortens them.
        self._most_arrivals = 2 * most_ranges(header.size)
        self._pause_s = FIRST_PAUSE_S
        self._tries = 0  # requests since the last new byte
        self._asked: NetID | None = None
        self._asked_to = 0  # where the last request ends; 0 if more than that comes
        self._server: NetID | None = None  # who was asked and answered
        self._sooner = sooner
        self.waits = False
        """Whether there is no room for it yet: what comes of it counts as lost."""
        self.queued_at = float("inf")
        """When ``Assemblies`` will look at it."""
        self.due_at = now if header.pull else now + self._patience_s()
        """When somebody is to be asked for what is missing, if nothing comes until then."""

    def put(self, offset: int, data: bytes, now: float) -> int:
        """Take a piece.

        What is there already stays as it is. A piece that would scatter the payload over more
        ranges than are kept apart counts as lost.

        Returns:
            How many of its bytes are new.

        Raises:
            FrameError: it reaches beyond the payload; nothing changed.
        """
        stop = offset + len(data)
        if stop > self.size:
            raise FrameError("a chunk beyond the end of its payload")
        new = self._spans.add(offset, stop) if data and not self.waits else ()
        if not new:
            return 0
        taken = 0
        buffer, arrivals = self._buffer, self.arrivals
        for start, end in new:
            buffer.seek(start)
            buffer.write(data[start - offset : end - offset])
            taken += end - start
            if arrivals and arrivals[-1][1] == start:
                arrivals[-1] = (arrivals[-1][0], end)
            else:
                arrivals.append((start, end))
        if self._spans.total == self.size or len(arrivals) > self._most_arrivals:
            self.arrivals = list(self._spans)
            self.edition += 1
        if now > self.moved_at:  # pieces of one moment came in one frame
            self._pause_s += (now - self.moved_at - self._pause_s) / 8
            self.moved_at = now
        if self._tries:
            self._tries, self._server = 0, self._asked
        self._schedule(stop)
        return taken

    def wait(self) -> None:
        """There is no room for it yet."""
        self.waits = True
        self.due_at = float("inf")

    def begin(self, now: float) -> None:
        """Its turn has come: what went by meanwhile is asked for at once."""
        self.waits = False
        self.moved_at = self.due_at = now
        self._sooner(self)

    def _schedule(self, stop: int) -> None:
        spans = self._spans
        if spans.total == self.size:
            self.due_at = float("inf")
            return
        if stop > self._asked_to:  # it comes by itself
            self._asked_to = 0
            wait_s = REORDER_S if spans.top == self.size else self._patience_s()
        else:
            wait_s = 0.0 if spans.prefix >= self._asked_to else self._patience_s()
        self.due_at = due_at = self.moved_at + wait_s
        if due_at < self.queued_at:
            self._sooner(self)

    def _patience_s(self) -> float:
        pause_s = 2 * self._pause_s
        return QUIET_S if pause_s < QUIET_S else min(pause_s, LONGEST_WAIT_S)

    @property
    def complete(self) -> bool:
        """Whether every byte is here."""
        return self._spans.total == self.size

    def payload(self) -> bytes:
        """All of it, once it is complete; from then on pieces are read from the same bytes."""
        assert self.complete
        if self._payload is None:
            self._payload = self._buffer.getvalue()
            self._buffer = BytesIO()
        return self._payload

    def missing(self, limit: int) -> tuple[tuple[int, int], ...]:
        """The lowest ranges that are missing, (first, last) as on the wire.

        Args:
            limit: bytes that they name together, at most; nor are there more than REQUEST_RANGES.
        """
        ranges: list[tuple[int, int]] = []
        for start, stop in self._spans.missing(self.size):
            if limit <= 0 or len(ranges) == REQUEST_RANGES:
                break
            stop = min(stop, start + limit)
            limit -= stop - start
            ranges.append((start, stop - 1))
        return tuple(ranges)

    @property
    def top(self) -> int:
        """Nothing has come of what lies here or behind."""
        return self._spans.top

    def available(self, start: int, stop: int) -> int:
        """How many bytes from ``start`` on are here without a hole, at most to ``stop``."""
        run = self._spans.first(start, stop)
        return min(run[1], stop) - start if run is not None and run[0] == start else 0

    def read(self, start: int, stop: int) -> bytes:
        """These bytes, which must be available. A copy: of a piece it costs what a view costs."""
        if self._payload is not None:
            return self._payload[start:stop]
        self._buffer.seek(start)
        return self._buffer.read(stop - start)

    def lost(self, netid: NetID, now: float) -> None:
        """This node is gone: if nothing else is coming, ask elsewhere at once."""
        if netid not in (self.source, self._asked):
            return
        if netid == self.source:
            self.source_gone = True
        if netid == self._server:
            self._server = None
        if self.waits:
            return
        if self._asked_to and self._asked != netid:
            return  # another one was asked, and has its time to answer
        self._tries = 0
        self.due_at = now
        self._sooner(self)

    def ask(
        self, now: float, ask: Callable[[NetID, WantChunks], bool], others: Sequence[NetID]
    ) -> None:
        """Ask the next one for what is missing, and wait longer each time nothing comes of it."""
        want = WantChunks(self.header.id, self.missing(REQUEST_BYTES))
        first = (self._server, None if self.source_gone else self.source)
        known = list(dict.fromkeys(one for one in chain(first, others) if one is not None))
        for turn in range(min(_OFFERS, len(known))):
            netid = known[(self._tries + turn) % len(known)]
            if ask(netid, want):
                self._asked, self._asked_to = netid, want.ranges[-1][1] + 1
                break
        self._tries += 1
        self.due_at = now + min(LONGEST_WAIT_S, self._patience_s() * 2 ** min(self._tries, 10))


class Assemblies:
    """All large payloads under way.

    Args:
        timeout_s: without a new byte for so long, one is given up.
        max_bytes: what they may hold together.
        wake: told when ``tick`` has something to do.
    """

    def __init__(
        self,
        timeout_s: float,
        max_bytes: int = MAX_BYTES,
        *,
        wake: Callable[[float], None] = lambda at: None,
    ) -> None:
        self._timeout_s = timeout_s
        self._wake = wake
        self._max_bytes = max_bytes
        self._open: dict[BroadcastID, Assembly] = {}
        # When to look at which: an assembly's own time counts, other entries for it are leftovers.
        # By id, so that a leftover keeps no payload alive.
        self._queue: list[tuple[float, BroadcastID]] = []
        self._waiting: deque[BroadcastID] = deque()
        self.bytes = 0
        """What those whose turn it is take when they are complete."""

    def open(self, header: Gossip, source: NetID, now: float) -> Assembly | None:
        """The assembly for this header; None if there are too many. It may have to wait.

        One that is under way is handed back as it is, with this source if its own is gone.
        """
        assembly = self._open.get(header.id)
        if assembly is not None:
            if assembly.source_gone:
                assembly.source, assembly.source_gone = source, False
            return assembly
        if header.size > self._max_bytes or len(self._open) >= MAX_OPEN:
            return None
        assembly = self._open[header.id] = Assembly(header, source, now, self._look)
        if self._waiting or self.bytes + header.size > self._max_bytes:
            assembly.wait()
            self._waiting.append(header.id)
        else:
            self.bytes += header.size
        self._look(assembly)
        return assembly

    def get(self, broadcast: BroadcastID) -> Assembly | None:
        """The assembly of this broadcast, if it is under way."""
        return self._open.get(broadcast)

    def close(self, broadcast: BroadcastID, now: float) -> None:
        """It is complete, or nobody's business any more. Who reads from it may go on doing so."""
        assembly = self._open.pop(broadcast, None)
        if assembly is not None:
            assembly.queued_at = float("-inf")  # a late piece wakes nobody
            self.bytes -= 0 if assembly.waits else assembly.size
            self._begin_next(now)

    def source_gone(self, netid: NetID, now: float) -> None:
        """This node is gone: what it sent, or was asked for, is asked for elsewhere at once."""
        for assembly in self._open.values():
            assembly.lost(netid, now)

    def tick(
        self,
        now: float,
        ask: Callable[[NetID, WantChunks], bool],
        others: Callable[[BroadcastID], Sequence[NetID]],
    ) -> list[Gossip]:
        """Ask for what stalled, and give up what nothing more came of.

        Args:
            ask: sends a request; False if there is no room for it, then the next one is asked.
            others: who may have a broadcast besides its source, best first.

        Returns:
            The headers of those that were given up; they are closed.
        """
        given_up = []
        while self._queue and self._queue[0][0] <= now:
            looked_at, broadcast = heapq.heappop(self._queue)
            assembly = self._open.get(broadcast)
            if assembly is None or assembly.queued_at != looked_at or assembly.complete:
                continue
            if now >= self._ends_at(assembly):
                self.close(broadcast, now)
                given_up.append(assembly.header)
                continue
            if now >= assembly.due_at:
                assembly.ask(now, ask, others(broadcast))
            self._look(assembly)
        return given_up

    def next_wakeup(self) -> float:
        """When ``tick`` may have something to do."""
        return self._queue[0][0] if self._queue else float("inf")

    def _begin_next(self, now: float) -> None:
        while self._waiting:
            assembly = self._open.get(self._waiting[0])
            if assembly is not None and assembly.waits:
                if self.bytes + assembly.size > self._max_bytes:
                    return
                self.bytes += assembly.size
                assembly.begin(now)
            self._waiting.popleft()

    def _ends_at(self, assembly: Assembly) -> float:
        times = WAITING_TIMEOUTS if assembly.waits else 1
        return assembly.moved_at + times * self._timeout_s

    def _look(self, assembly: Assembly) -> None:
        assembly.queued_at = min(assembly.due_at, self._ends_at(assembly))
        self._wake(assembly.queued_at)
        heapq.heappush(self._queue, (assembly.queued_at, assembly.header.id))

    def __len__(self) -> int:
        return len(self._open)
