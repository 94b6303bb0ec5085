r"""Channel: text messages over a WebSocket that is open already, with bounds on everything.

gevent-websocket makes the upgrade, or whoever has the socket, by `upgrade_headers`. The reading of
the former takes any length that a frame claims, and unmasks and checks octet by octet in Python:
25 ms for 64 KiB, in which the node stands still. So frames are read and written here.

| bits  | field                                                         |
| ----- | ------------------------------------------------------------- |
| 1     | last frame of its message                                     |
| 3     | 0                                                             |
| 4     | opcode                                                        |
| 1     | masked: always from a browser, never from us                  |
| 7     | length; 126: 16 bits of length follow, 127: 64 bits of length |
| 32    | the mask, if masked                                           |

Source: RFC 6455, sections 4.2.1, 5 and 7.4.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

from gevent import Timeout, sleep
from gevent.lock import Semaphore

from chatter.dashboard.allowance import Allowance

# A test broadcast of this size needs no dashboard; beyond it a frame is refused by its header.
MAX_MESSAGE_BYTES = 64 * 1024

# A browser sends a pong to each of our pings and at most ten broadcasts a second. Who sends more
# frames is no browser, and each costs a wake-up of the node.
MAX_FRAMES_PER_SECOND = 64

# Of what is sent the other side has to take so much, each time within so many seconds: 13 KB/s, so
# a slow line gets even a large snapshot, and a browser that sleeps is found out.
SLICE_BYTES = 64 * 1024
SEND_S = 5.0

# A tab that is alive answers each ping. Two are missed before it is given up.
PING_S = 15.0
SILENCE_S = 2.5 * PING_S

# From the first byte of a frame to its last.
FRAME_S = 5.0

# For the last word, to somebody who may not listen any more.
FAREWELL_S = 0.5

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_CONTROL = (_CLOSE, _PING, _PONG)

# By it a server shows that it knows WebSockets. Source: RFC 6455, section 1.3.
_ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# Close codes.
GOING_AWAY, BROKEN_RULE, NO_BINARY, BAD_TEXT, NOT_ALLOWED, TOO_BIG, TRY_LATER = (
    *(1001, 1002, 1003, 1007, 1008, 1009, 1013),
)


class Gone(Exception):
    """The other side has ended the connection, or does not answer or take anything any more."""


class Malformed(Exception):
    """Theirs: what came is not what was agreed, and the connection ends.

    Attributes:
        code: the close code that says so.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def why_no_upgrade(environ: Mapping[str, Any]) -> str | None:
    """Why a request does not open a WebSocket; None if it does."""
    if environ.get("HTTP_UPGRADE", "").lower() != "websocket":
        return "a WebSocket is spoken here, and nothing else"
    tokens = environ.get("HTTP_CONNECTION", "").lower().split(",")
    if "upgrade" not in (token.strip() for token in tokens):
        return "the header Connection does not say Upgrade"
    if environ.get("REQUEST_METHOD") != "GET" or environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
        return "a WebSocket begins with a GET of HTTP/1.1"
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        return "version 13 is spoken here"
    try:
        key = base64.b64decode(environ.get("HTTP_SEC_WEBSOCKET_KEY", ""), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    return None if len(key) == 16 else "Sec-WebSocket-Key is not 16 bytes in base64"


def upgrade_headers(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a server answers with ``101 Switching Protocols`` to a request that opens a WebSocket.

    Source: RFC 6455, section 4.2.2, 5.
    """
    key = environ["HTTP_SEC_WEBSOCKET_KEY"].strip() + _ACCEPT_GUID
    accepted = base64.b64encode(hashlib.sha1(key.encode("latin-1")).digest()).decode()
    return [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accepted),
    ]


class Channel:
    """One open WebSocket. One greenlet may receive, any may send.

    Args:
        read: gives so many bytes, or fewer at the end of the stream.
        sock: the connected socket, to send by.
    """

    def __init__(self, read: Callable[[int], bytes], sock: socket.socket) -> None:
        self._read_bytes = read
        self._socket = sock
        self._turn = Semaphore()
        self._gone = False
        self._frames = Allowance(MAX_FRAMES_PER_SECOND)

    def receive(self) -> str:
        """The next text message; pings are answered meanwhile.

        Raises:
            Gone: there is none, and will be none.
            Malformed: it is no text, too large, or breaks the rules of WebSockets.
        """
        message = bytearray()
        begun = False
        while True:
            last, opcode, payload = self._read_frame(MAX_MESSAGE_BYTES - len(message))
            if opcode == _CLOSE:
                raise Gone("closed by the other side")
            if opcode == _PING:
                self._send(_PONG, payload)
            elif opcode == _PONG:
                pass
            elif opcode == _BINARY:
                raise Malformed(NO_BINARY, "a binary message")
            elif opcode != (_CONTINUATION if begun else _TEXT):
                raise Malformed(BROKEN_RULE, f"opcode {opcode} where it cannot be")
            else:
                begun = True
                message += payload
                if last:
                    return _decode(message)
            sleep(0)  # all of these may be in our buffer already: the node must get its turn

    def send(self, text: str) -> None:
        """Send a text message; waits while others send, and for the other side to take it.

        Raises:
            Gone: it does not, or the connection has ended.
        """
        self._send(_TEXT, text.encode())

    def ping(self) -> None:
        """Have the other side show that it is alive. Raises as `send`."""
        self._send(_PING, b"")

    def close(self, code: int) -> None:
        """Say why we end; nothing can be sent afterwards. The socket stays open."""
        # Who sends right now keeps its turn: our word would land inside of its frame.
        if not self._gone and not self._turn.locked():
            try:
                with Timeout(FAREWELL_S, Gone()):
                    self._socket.sendall(_header(_CLOSE, 2) + code.to_bytes(2, "big"))
            except (Gone, OSError):
                pass
        self._gone = True

    def _send(self, opcode: int, payload: bytes) -> None:
        with self._turn:
            if self._gone:
                raise Gone("the connection has ended")
            # Until all of it is out: after a part of a frame nothing can be sent any more.
            self._gone = True
            rest = memoryview(_header(opcode, len(payload)) + payload)
            try:
                while rest:
                    with Timeout(SEND_S, Gone("does not take what is sent")):
                        self._socket.sendall(rest[:SLICE_BYTES])
                    rest = rest[SLICE_BYTES:]
            except OSError as error:
                raise Gone(str(error)) from None
            self._gone = False

    def _read_frame(self, most: int) -> tuple[bool, int, bytes]:
        """Whether it is the last of its message, the opcode, the payload."""
        with Timeout(SILENCE_S, Gone("not heard for too long")):
            first, second = self._read(2)
        if not self._frames.take(time.monotonic()):
            raise Malformed(NOT_ALLOWED, "too many frames in a second")
        last, opcode, length = bool(first & 0x80), first & 0x0F, second & 0x7F
        if first & 0x70:
            raise Malformed(BROKEN_RULE, "an extension that was not agreed")
        if not second & 0x80:
            raise Malformed(BROKEN_RULE, "a frame that is not masked")
        if opcode in _CONTROL and (not last or length > 125):
            raise Malformed(BROKEN_RULE, "a control frame that is long or in parts")
        with Timeout(FRAME_S, Gone("a frame that does not end")):
            if length == 126:
                (length,) = struct.unpack("!H", self._read(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self._read(8))
            if length > most and opcode not in _CONTROL:
                raise Malformed(TOO_BIG, f"more than {MAX_MESSAGE_BYTES} bytes")
            mask = self._read(4)
            return last, opcode, _unmask(self._read(length), mask)

    def _read(self, size: int) -> bytes:
        try:
            data = self._read_bytes(size) if size else b""
        except (OSError, ValueError) as error:  # ValueError: the stream was closed under us
            raise Gone(str(error)) from None
        if len(data) < size:
            raise Gone("the stream has ended")
        return data


def _header(opcode: int, length: int) -> bytes:
    if length < 126:
        return struct.pack("!BB", 0x80 | opcode, length)
    if length < 1 << 16:
        return struct.pack("!BBH", 0x80 | opcode, 126, length)
    return struct.pack("!BBQ", 0x80 | opcode, 127, length)


def _unmask(payload: bytes, mask: bytes) -> bytes:
    # As one large number: Python has no faster exclusive or.
    size = len(payload)
    stream = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


def _decode(message: bytearray) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise Malformed(BAD_TEXT, "a text that is not UTF-8") from None
