"""Standby: several processes with one dashboard address; the first serves, the others wait for it.

Nothing is agreed between them. The system gives a port to one of them; when that one ends, the
others try again about once a second, and one of them gets it.
"""

from __future__ import annotations

import errno
import logging
import os
import random
import socket
from collections.abc import Callable

from gevent import Timeout, sleep

from chatter.config import dashboard_address, inherited_socket, is_loopback_host, needs_token
from chatter.dashboard.access import HEALTH_PATH
from chatter.dashboard.application import HEALTH_TEXT
from chatter.errors import ConfigError

# Between two attempts, with a quarter of it more or less, so that they do not come all at once.
RETRY_S = 1.0

# Who listens and does not answer within that is no dashboard, unless it has just been started, or
# its process is busy: so it is asked again before it is called one.
ANSWER_S = 2.0
SILENCES = 3

# Browsers that connect while the node is busy for a moment; the excess tries again by itself.
BACKLOG = 128

_BIND_ERRORS = {
    errno.EADDRNOTAVAIL: "{host} is no address of this machine: `ip address` lists those that are",
    errno.EACCES: "this process may not use port {port}: choose one from 1024 up",
    errno.EPERM: "a security policy forbids port {port} of {host}: allow it, or choose another",
    errno.EAFNOSUPPORT: "this machine has no support for addresses like {host}",
}


def open_listening(text: str, has_token: bool) -> socket.socket | None:
    """The socket that the setting ``dashboard`` means; None while somebody else has its port.

    Args:
        text: the setting, which `Config` has checked.
        has_token: whether a token keeps strangers out.

    Raises:
        ConfigError: it cannot be had here; names the setting and what to do.
    """
    number = inherited_socket(text)
    if number is not None:
        return _take_inherited(text, number, has_token)
    host, port = dashboard_address(text)
    family, address = _resolve(host, port)
    sock = None
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        # A successor takes the port although connections of the former one are in TIME_WAIT. Two
        # that bound the same port this way part at listen(), so that belongs to the attempt.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        if sock is not None:
            sock.close()
        if error.errno == errno.EADDRINUSE:
            return None
        meaning = _BIND_ERRORS.get(error.errno or 0, "{host}:{port} cannot be had: " + str(error))
        raise ConfigError("dashboard: " + meaning.format(host=host, port=port)) from error
    return sock


def wait_for_listening(
    text: str, url: str, has_token: bool, logger: logging.Logger
) -> socket.socket:
    """The socket that the setting means, once it can be had. Says in the log what it waits for."""
    watch = _Holder(text, url, logger)
    while True:
        watch.look()
        sleep(RETRY_S * random.uniform(0.75, 1.25))
        try:
            listening = open_listening(text, has_token)
        except ConfigError as error:
            # It could be had when somebody had it: an interface that is down, too many open files.
            logger.debug("%s", error)
            continue
        if listening is not None:
            return listening


class _Holder:
    """Finds out who has the port, and says so once."""

    def __init__(self, text: str, url: str, logger: logging.Logger) -> None:
        self._address = dashboard_address(text)
        self._url = url
        self._logger = logger
        self._silences = 0
        self._said: Callable[[], None] | None = None

    def look(self) -> None:
        """Ask who it is."""
        answer = ask_health(*self._address)
        if answer == HEALTH_TEXT.encode():
            self._say(self._say_standing_by)
        elif answer is not None:
            self._say(self._say_stranger)
        else:
            self._silences += 1
            if self._silences >= SILENCES:
                self._say(self._say_stranger)

    def _say(self, what: Callable[[], None]) -> None:
        self._silences = 0
        if self._said != what:
            self._said = what
            what()

    def _say_standing_by(self) -> None:
        self._logger.info(
            "= another process serves the dashboard at %s; this one takes over when it ends",
            self._url,
        )

    def _say_stranger(self) -> None:
        self._logger.warning(
            "dashboard: port %d of %s is taken, and not by a dashboard: stop what has it"
            " (`ss -lntp` names it), or choose another port. When it is free it is taken",
            self._address[1],
            self._address[0],
        )


def ask_health(host: str, port: int) -> bytes | None:
    """What an HTTP server there says at `HEALTH_PATH`; None if nothing that can be understood
    came in time, ``b""`` for what is not a success."""
    try:
        family, address = _resolve(reachable_host(host), port)
        with (
            Timeout(ANSWER_S, TimeoutError()),
            socket.socket(family, socket.SOCK_STREAM) as sock,
        ):
            sock.connect(address)
            # An IP, whatever the setting says: no dashboard refuses to be asked for by that.
            name = f"[{address[0]}]" if family == socket.AF_INET6 else address[0]
            sock.sendall(
                f"GET {HEALTH_PATH} HTTP/1.1\r\nHost: {name}:{port}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            answer = b""
            while len(answer) < 4096 and (more := sock.recv(4096)):
                answer += more
    except (OSError, ConfigError):
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head:
        return None
    return body if head.startswith(b"HTTP/1.1 200") else b""


def reachable_host(host: str) -> str:
    """An IP or name by which this machine itself reaches what is bound to ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    if host == "localhost":
        # Where it also means ::1, browsers try both.
        return socket.AF_INET, ("127.0.0.1", port)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"dashboard: {host!r} cannot be looked up: {error}") from None
    family, _, _, _, address = found[0]
    return family, (str(address[0]), port)


def _take_inherited(text: str, number: int, has_token: bool) -> socket.socket:
    try:
        # A copy: the descriptor stays with whoever gave it, for the next start in this process.
        sock = socket.socket(fileno=os.dup(number))
    except OSError as error:
        raise ConfigError(
            f"dashboard: {text}: descriptor {number} is no socket of this process ({error}): have"
            " whoever starts it pass one on"
        ) from None
    try:
        if sock.family not in (socket.AF_INET, socket.AF_INET6) or not sock.getsockopt(
            socket.SOL_SOCKET, socket.SO_ACCEPTCONN
        ):
            raise ConfigError(f"dashboard: {text} is not a TCP socket that listens")
        host = str(sock.getsockname()[0])
        if not has_token and not is_loopback_host(host):
            raise ConfigError(needs_token(host))
    except BaseException:
        sock.close()
        raise
    sock.setblocking(True)
    return sock
