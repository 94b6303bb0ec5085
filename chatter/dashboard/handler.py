"""One HTTP connection, by gevent.pywsgi, with the bounds that a port open to strangers needs.

The only module that needs the extra ``dashboard``, for the upgrade to a WebSocket.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

from gevent import Timeout
from gevent.pywsgi import WSGIHandler, WSGIServer
from geventwebsocket.handler import WebSocketHandler

from chatter.dashboard.access import SECURITY_HEADERS, Refusal
from chatter.dashboard.application import Application, refusal_body

# From the accept to the end of the headers. A browser opens connections ahead of need; those are
# closed without harm, and opened anew.
REQUEST_S = 5.0

# From there to the end of the answer, the second or two in it that a first snapshot takes.
ANSWER_S = 15.0

# All headers together. Cookies of other programs on this host come along, up to 4 KiB each.
MAX_HEADER_BYTES = 32 * 1024


class Server(WSGIServer):  # type: ignore[misc]  # gevent has no types
    """What pywsgi's handlers need of a server. Never started: a `Listener` accepts.

    Args:
        address: IP and port that it answers at.
        requested: called by the greenlet of a connection when its request has come whole.
    """

    def __init__(
        self,
        address: tuple[str, int],
        application: Application,
        logger: logging.Logger,
        requested: Callable[[], None],
    ) -> None:
        # Without SERVER_NAME it would ask the resolver for one, and wait for that.
        names = {"SERVER_NAME": address[0], "SERVER_PORT": str(address[1])}
        super().__init__(
            address, application, log=None, error_log=None, handler_class=Handler, environ=names
        )  # no logs: they would quote requests, token and all
        self.requested = requested
        self.journal = logger
        self.logger = _Silent()


class _Silent:
    """Takes what gevent-websocket logs: headers of strangers, at WARNING."""

    def debug(self, *args: Any) -> None:
        """Drop it."""

    info = warning = debug


class Handler(WebSocketHandler):  # type: ignore[misc]
    """Serves one request, or one WebSocket, and closes the connection.

    One request a connection: the page is a handful of small files and one WebSocket, and what is
    left unread of one request can never be taken for the next.
    """

    def __init__(self, sock: socket.socket, address: Any, server: Server) -> None:
        super().__init__(sock, address, server)
        self._limit = Timeout(REQUEST_S)

    def handle(self) -> None:
        """Serve the connection to its end. Raises nothing but what kills the greenlet."""
        self._limit.start()
        try:
            super().handle()
        except Timeout as late:
            if late is not self._limit:
                raise
        except OSError:
            pass  # the connection broke while we said why the request is refused
        except Exception:
            self.server.journal.exception("a bug in chatter's dashboard; please report it")
        finally:
            self._limit.close()

    def handle_one_request(self) -> Any:
        """As pywsgi does it; what it refuses by itself is refused in our words."""
        result = super().handle_one_request()
        if not isinstance(result, tuple):
            return result
        return result[0], _raw_refusal(result[0] == "414")

    def MessageClass(self, *args: Any) -> Any:
        """The headers, as long as they are bounded: pywsgi would take 6 MB of them."""
        return super().MessageClass(_Bounded(self.rfile), *args[1:])

    def read_request(self, raw_requestline: str) -> Any:
        """Read the headers; then the time to answer begins."""
        done = super().read_request(raw_requestline)
        # Nothing here takes a body. It stays unread, and goes with the connection.
        self.content_length = None
        del self.headers["transfer-encoding"]
        self._limit.close()
        self._limit = Timeout.start_new(ANSWER_S)
        self.server.requested()
        return done

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Say that this connection ends with the answer; also where pywsgi makes it, a 500."""
        if not status.startswith("101"):
            given = {name for name, _ in headers}
            ours = (*SECURITY_HEADERS, ("Connection", "close"))
            headers = [*headers, *(one for one in ours if one[0] not in given)]
        return super().start_response(status, headers, exc_info)

    def run_application(self) -> None:
        """Upgrade what may be upgraded, answer the rest."""
        if self.server.application.upgrades(self.environ):
            super().run_application()
        else:
            WSGIHandler.run_application(self)

    def run_websocket(self) -> None:
        """Hand an open WebSocket to the application, which keeps its times itself."""
        self._limit.close()
        super().run_websocket()

    # Logs. What strangers send is told at DEBUG, and never with the query: it may hold the token.

    def log_request(self) -> None:
        """One line for one answer."""
        path = (self.path or "").partition("?")[0]
        source = self.client_address[0] if self.client_address else "-"
        status = str(self._orig_status or self.status or "-")
        self.server.journal.debug("< %s: %.20r %.200r, %s", source, self.command, path, status)

    def _log_error(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        # Not for a connection that broke, nor for the end of the time or of the greenlet.
        if issubclass(kind, Exception) and not issubclass(kind, OSError):
            self.server.journal.error(
                "a bug in chatter's dashboard; please report it", exc_info=(kind, error, trace)
            )

    def _handle_client_error(self, ex: Exception) -> Any:
        return "400", b""  # the words are put in by handle_one_request


class _Bounded:
    """Lines of a stream, up to `MAX_HEADER_BYTES` in all."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = MAX_HEADER_BYTES

    def readline(self, limit: int = -1) -> bytes:
        """The next line. Raises ValueError above the bound."""
        line: bytes = self._stream.readline(min(limit, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise ValueError("the headers are too large")
        return line


_BAD_REQUEST = Refusal("400 Bad Request", "This is no request that can be read.")
_TOO_LONG = Refusal("414 URI Too Long", "The dashboard has no address as long as this.")


def _raw_refusal(too_long: bool) -> bytes:
    """A refusal as it goes over the wire, where there is no request to be answered."""
    refusal = _TOO_LONG if too_long else _BAD_REQUEST
    body, headers = refusal_body(refusal, as_page=False)
    lines = [f"HTTP/1.1 {refusal.status}"]
    lines += [f"{name}: {value}" for name, value in (*headers, *SECURITY_HEADERS)]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body
