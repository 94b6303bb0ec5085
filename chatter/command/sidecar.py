"""Answers the requests of `chatter node --json`, in the order they came.

A confirmed broadcast is answered twice: by `sent` in that order, and by `receipt` when it is
settled. So a receipt may come after the answers to later requests, and before that of an earlier
broadcast; its `ref` and `seqno` say whose it is.
"""

import logging
import time
from collections.abc import Iterable

import gevent
from gevent.event import Event
from gevent.pool import Group

from chatter import Chatter, ChatterError, Receipt
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

# Each receipt that isn't settled has a greenlet that waits for it, of some kilobytes. A client that
# has so many open, with a timeout of its own choice, is told to wait rather than kept in memory.
MAX_OPEN_RECEIPTS = 4096

# After the node has stopped, for those who read slowly; who doesn't read must not keep us.
FINISH_S = 1.0


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
        self._open_receipts = Group()

    def serve(self, chunks: Iterable[bytes], leaving: Event) -> None:
        """Answer until the input ends or asks to leave, or stdout closes; then set `leaving`.

        After the end of the input the receipts that are still open are waited for: somebody may
        have piped one confirmed broadcast into us, to see who gets it.

        Answers wait for whoever reads stdout, and the next request waits for the answer: so a
        client that only writes is stopped by its own pipe, and costs no memory here.
        """
        try:
            for chunk in chunks:
                self._serve_lines(self._reader.feed(chunk))
                if self._left:
                    return
            self._serve_lines(self._reader.finish())
            if not self._left:
                self._open_receipts.join()
        finally:
            leaving.set()

    def finish(self) -> None:
        """Write the receipts that the end of the node has settled. For after its stop."""
        self._open_receipts.join(timeout=FINISH_S)
        self._open_receipts.kill()

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
            self._carry_out(request)
        except ChatterError as reason:
            self._refuse(str(reason), request.echo)
        except Exception as reason:
            # Ours, not the client's. One request failed; the node and the next request live on.
            log.exception("a request failed")
            self._refuse(f"an internal error, see the log: {reason!r}", request.echo)

    def _carry_out(self, request: Request) -> None:
        match request:
            case BroadcastRequest():
                self._broadcast(request)
            case PeersRequest():
                self._answer(events.peers(self._chatter.peers()), request.echo)
            case StatsRequest():
                self._answer(events.stats(self._chatter.stats()), request.echo)
            case LeaveRequest():
                self._left = True

    def _broadcast(self, request: BroadcastRequest) -> None:
        if request.confirm and len(self._open_receipts) >= MAX_OPEN_RECEIPTS:
            self._refuse(f"{MAX_OPEN_RECEIPTS} receipts are open; wait for some", request.echo)
            return
        time_ns = time.monotonic_ns()
        receipt = self._chatter.broadcast(
            request.tag,
            request.body,
            to=None if request.to is None else list(request.to),
            confirm=request.confirm,
            timeout=request.timeout_s if request.confirm else None,
            codec="bytes" if isinstance(request.body, bytes) else "json",
        )
        self._answer(events.sent(receipt.id.seqno, time_ns), request.echo)
        if request.confirm:
            self._open_receipts.spawn(self._tell_receipt, receipt, request.echo)

    def _tell_receipt(self, receipt: Receipt, echo: Echo) -> None:
        receipt.wait()
        self._answer(events.receipt(receipt), echo)

    def _refuse(self, reason: str, echo: Echo) -> None:
        self._answer(events.error(f"input line {self._lines_read}: {reason}"), echo)

    def _answer(self, event: events.Event, echo: Echo) -> None:
        if not self._outlet.write(events.encode_event(event, echo)):
            self._left = True
