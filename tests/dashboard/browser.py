"""What a browser does, by hand and on real sockets: with a deadline, and able to misbehave."""

from __future__ import annotations

import base64
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import gevent

from chatter import Chatter, generate_key
from tests.net.nodes import DEADLINE_S

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Response(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def parse(cls, data: bytes) -> Response:
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return cls(int(first.split()[1]), headers, body)


@contextmanager
def shown(**fields: Any) -> Iterator[Chatter]:
    """A node of loopback, without multicast, with a dashboard."""
    settings: dict[str, Any] = {
        "address": "127.0.0.1:0",
        "multicast": [],
        "key": generate_key(),
        "beacon_interval_s": 0.1,
        "failure_timeout_s": 2.0,
        "dashboard": "127.0.0.1:0",
    }
    with Chatter(**{**settings, **fields}) as chatter:
        yield chatter


def port_of(chatter: Chatter) -> int:
    """Where its dashboard is."""
    assert chatter.dashboard_url is not None
    port = urlsplit(chatter.dashboard_url).port
    assert port
    return port


def connect(port: int) -> socket.socket:
    """A connection to a dashboard; each operation on it has a deadline."""
    return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)


def read_all(sock: socket.socket) -> bytes:
    """Everything until the other side ends; a reset is an end too."""
    data = b""
    try:
        while more := sock.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


def exchange(port: int, request: bytes) -> bytes:
    """What the dashboard says to these bytes until it closes."""
    with connect(port) as sock:
        sock.sendall(request)
        return read_all(sock)


def request_bytes(method: str, path: str, headers: dict[str, str]) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def ask(port: int, path: str = "/", *, method: str = "GET", **headers: str) -> Response:
    """One request and its answer. Headers as keywords: ``User_Agent="x"``."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    whole = {"Host": f"127.0.0.1:{port}", **given}
    return Response.parse(exchange(port, request_bytes(method, path, whole)))


def frame(opcode: int, payload: bytes, *, last: bool = True, masked: bool = True) -> bytes:
    """A frame as a browser sends it."""
    mask = os.urandom(4) if masked else b""
    head = bytes([opcode | (0x80 if last else 0)])
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + len(payload).to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + len(payload).to_bytes(8, "big")
    if masked:
        payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return head + mask + payload


class WebSocket:
    """An open WebSocket, or the response that there is instead (`refused`)."""

    def __init__(self, port: int, path: str = "/ws", **headers: str) -> None:
        self.sock = connect(port)
        self._stream = self.sock.makefile("rb")
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        handshake = {
            "Host": f"127.0.0.1:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            **given,
        }
        self.sock.sendall(request_bytes("GET", path, handshake))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._stream.readline()
            assert line, f"the connection ended after {head!r}"
            head += line
        self.refused: Response | None = None
        if not head.startswith(b"HTTP/1.1 101 "):
            self.refused = Response.parse(head + self._stream.read())

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self.sock.close()

    def send(self, **fields: Any) -> None:
        """A JSON object as a text message."""
        self.sock.sendall(frame(TEXT, json.dumps(fields).encode()))

    def receive(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload; (0, b"") at the end."""
        try:
            head = self._stream.read(2)
            if len(head) < 2:
                return 0, b""
            size = head[1]
            if size == 126:
                size = int.from_bytes(self._stream.read(2), "big")
            elif size == 127:
                size = int.from_bytes(self._stream.read(8), "big")
            return head[0] & 0x0F, self._stream.read(size)
        except ConnectionResetError:
            return 0, b""

    def next(self, kind: str) -> dict[str, Any]:
        """The next object of that type; others before it are passed over."""
        with gevent.Timeout(DEADLINE_S, AssertionError(f"no {kind}")):
            while True:
                opcode, payload = self.receive()
                assert opcode in (TEXT, PING), (opcode, payload)
                told: dict[str, Any] = json.loads(payload) if opcode == TEXT else {}
                if told.get("type") == kind:
                    return told

    def closed_with(self) -> int | None:
        """The code of the close frame that is next but for texts; None for an end without one."""
        with gevent.Timeout(DEADLINE_S, AssertionError("it was not closed")):
            while True:
                opcode, payload = self.receive()
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big")
                if opcode == 0:
                    return None


class Log(logging.Handler):
    """A logger of its own, whose records are kept."""

    def __init__(self, level: int = logging.INFO) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.logger = logging.Logger("test", level)
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def at(self, level: int) -> list[str]:
        """What was said at that level."""
        return [one.getMessage() for one in self.records if one.levelno == level]

    @property
    def text(self) -> str:
        """All of it, tracebacks too."""
        return "\n".join(
            logging.Formatter("%(levelname)s %(message)s").format(one) for one in self.records
        )
