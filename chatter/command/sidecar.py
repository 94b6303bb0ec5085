"""Answers the requests of `chatter node --json`, in the order they came."""

import logging
import time
from collections.abc import Iterable

import gevent
from gevent.event import Event

from chatter import Chatter, ChatterError
from chatter.command import events
from chatter.command.lines import LineReader, TooLong
from chatter.command.outlet import Outlet
from chatter.command.requests import (
    BadRequest,
    BroadcastRequest,
    Echo,
    LeaveRequest,
    PeersRequest,
    Request,
    StatsRequest,
    parse_request,
)

log = logging.getLogger("chatter.sidecar")

# A client that writes without pause must not keep the hub from the sockets.
REQUESTS_PER_TURN = 32

NO_RECEIPTS = (
    '"confirm": receipts are not available in this version; nothing was sent. '
    "Send it without confirm"
)


class Sidecar:
    """Reads requests, has the node carry them out, writes the answers.

    Args:
        chatter: a node that runs.
        outlet: where answers go, between the lines of others.
        longest_line_bytes: a line above is refused without being kept.
    """

    def __init__(self, chatter: Chatter, outlet: Outlet, longest_line_bytes: int) -> None:
        self._chatter = chatter
        self._outlet = outlet
        self._reader = LineReader(longest_line_bytes)
        self._lines_read = 0
        self._left = False

    def serve(self, chunks: Iterable[bytes], leaving: Event) -> None:
        """Answer until the input ends or asks to leave, or stdout closes; then set `leaving`.

        Answers wait for whoever reads stdout, and the next request waits for the answer: so a
        client that only writes is stopped by its own pipe, and costs no memory here.
        """
        try:
            for chunk in chunks:
                self._serve_lines(self._reader.feed(chunk))
                if self._left:
                    return
            self._serve_lines(self._reader.finish())
        finally:
            leaving.set()

    def _serve_lines(self, lines: list[bytes | TooLong]) -> None:
        for line in lines:
            self._lines_read += 1
            self._serve_line(line)
            if self._left:
                return
            if self._lines_read % REQUESTS_PER_TURN == 0:
                gevent.sleep(0)

    def _serve_line(self, line: bytes | TooLong) -> None:
        if isinstance(line, TooLong):
            self._refuse(f"longer than {line.limit_bytes} bytes, skipped", {})
            return
        try:
            request = parse_request(line)
        except BadRequest as reason:
            self._refuse(str(reason), reason.echo)
            return
        try:
            answer = self._carry_out(request)
        except ChatterError as reason:
            self._refuse(str(reason), request.echo)
        except Exception as reason:
            # Ours, not the client's. One request failed; the node and the next request live on.
            log.exception("a request failed")
            self._refuse(f"an internal error, see the log: {reason!r}", request.echo)
        else:
            if answer is not None:
                self._answer(answer, request.echo)

    def _carry_out(self, request: Request) -> events.Event | None:
        match request:
            case BroadcastRequest(confirm=True):
                return self._error(NO_RECEIPTS)
            case BroadcastRequest():
                return self._broadcast(request)
            case PeersRequest():
                return events.peers(self._chatter.peers())
            case StatsRequest():
                return events.stats(self._chatter.stats())
            case LeaveRequest():
                self._left = True
                return None

    def _broadcast(self, request: BroadcastRequest) -> events.Event:
        codec = "bytes" if isinstance(request.body, bytes) else "json"
        to = None if request.to is None else list(request.to)
        time_ns = time.monotonic_ns()
        receipt = self._chatter.broadcast(request.tag, request.body, to=to, codec=codec)
        return events.sent(receipt.id.seqno, time_ns)

    def _refuse(self, reason: str, echo: Echo) -> None:
        self._answer(self._error(reason), echo)

    def _error(self, reason: str) -> events.Event:
        return events.error(f"input line {self._lines_read}: {reason}")

    def _answer(self, event: events.Event, echo: Echo) -> None:
        if not self._outlet.write(events.encode_event(event, echo)):
            self._left = True
