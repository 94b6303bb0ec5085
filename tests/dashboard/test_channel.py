"""Frames of a WebSocket, over a pair of sockets: what is taken, refused and waited for."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as some

from chatter.dashboard import channel as module
from chatter.dashboard.channel import (
    BAD_TEXT,
    BROKEN_RULE,
    MAX_FRAMES_PER_SECOND,
    MAX_MESSAGE_BYTES,
    NO_BINARY,
    NOT_ALLOWED,
    TOO_BIG,
    Channel,
    Gone,
    Malformed,
    upgrade_headers,
    why_no_upgrade,
)
from tests.dashboard.browser import BINARY, CLOSE, PING, PONG, TEXT, frame
from tests.net.nodes import DEADLINE_S


class Ends:
    """A channel, and the browser's end of it."""

    def __init__(self) -> None:
        mine, self.browser = socket.socketpair()
        self.browser.settimeout(DEADLINE_S)
        self._mine = mine
        self._stream = mine.makefile("rb")
        self.channel = Channel(self._stream.read, mine)

    def close(self) -> None:
        self._stream.close()
        self._mine.close()
        self.browser.close()

    def browser_reads(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self.browser.recv(size - len(data))
        return data


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    with gevent.Timeout(DEADLINE_S, AssertionError("it hung")):
        yield made
    made.close()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, MAX_MESSAGE_BYTES])
def test_messages_of_every_size_both_ways(ends: Ends, size: int) -> None:
    text = "ü" * (size // 2) + "x" * (size % 2)
    writer = gevent.spawn(ends.browser.sendall, frame(TEXT, text.encode()))
    assert ends.channel.receive() == text
    writer.join()

    sender = gevent.spawn(ends.channel.send, text)
    expected = frame(TEXT, text.encode(), masked=False)
    assert ends.browser_reads(len(expected)) == expected
    sender.join()


def test_byte_by_byte(ends: Ends) -> None:
    def drip() -> None:
        for byte in frame(TEXT, b"drops"):
            ends.browser.sendall(bytes([byte]))
            gevent.sleep(0)

    writer = gevent.spawn(drip)
    assert ends.channel.receive() == "drops"
    writer.join()


def test_a_message_in_parts_with_pings_between(ends: Ends) -> None:
    euro = "€".encode()
    ends.browser.sendall(
        frame(TEXT, b"one " + euro[:1], last=False)
        + frame(PING, b"there?")
        + frame(0, euro[1:], last=False)
        + frame(PONG, b"")
        + frame(0, b"")
        + frame(TEXT, b"two")
    )
    assert ends.channel.receive() == "one €"
    assert ends.channel.receive() == "two"
    pong = frame(PONG, b"there?", masked=False)
    assert ends.browser_reads(len(pong)) == pong


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(BINARY, b"x"), NO_BINARY),
        (frame(TEXT, b"\xff"), BAD_TEXT),
        (frame(TEXT, b"\xed\xa0\x80"), BAD_TEXT),  # half of a surrogate pair
        (frame(TEXT, b"x", masked=False), BROKEN_RULE),
        (frame(0, b"x"), BROKEN_RULE),
        (frame(TEXT, b"x", last=False) + frame(TEXT, b"y"), BROKEN_RULE),
        (frame(3, b""), BROKEN_RULE),
        (frame(11, b""), BROKEN_RULE),
        (frame(TEXT | 0x40, b"x"), BROKEN_RULE),
        (frame(PING, b"x" * 126), BROKEN_RULE),
        (frame(PING, b"x", last=False), BROKEN_RULE),
        (frame(TEXT, b"x" * (MAX_MESSAGE_BYTES + 1)), TOO_BIG),
        (b"\x81\xff" + (1 << 62).to_bytes(8, "big"), TOO_BIG),
        (b"\x81\xff" + b"\xff" * 8, TOO_BIG),
    ],
)
def test_what_breaks_the_rules(ends: Ends, data: bytes, code: int) -> None:
    writer = gevent.spawn(ends.browser.sendall, data)
    with pytest.raises(Malformed) as caught:
        ends.channel.receive()
    assert caught.value.code == code
    writer.kill()


def test_parts_count_together(ends: Ends) -> None:
    part = frame(TEXT, b"x" * 40_000, last=False) + frame(0, b"x" * 40_000)
    writer = gevent.spawn(ends.browser.sendall, part)
    with pytest.raises(Malformed) as caught:
        ends.channel.receive()
    assert caught.value.code == TOO_BIG
    writer.kill()


def test_a_flood_of_small_frames_ends(ends: Ends) -> None:
    ends.browser.sendall(frame(PONG, b"") * (2 * MAX_FRAMES_PER_SECOND + 2))
    with pytest.raises(Malformed) as caught:
        ends.channel.receive()
    assert caught.value.code == NOT_ALLOWED


@pytest.mark.parametrize("data", [b"", b"\x81", frame(TEXT, b"hello")[:-1], frame(CLOSE, b"")])
def test_the_end(ends: Ends, data: bytes) -> None:
    ends.browser.sendall(data)
    ends.browser.shutdown(socket.SHUT_WR)
    with pytest.raises(Gone):
        ends.channel.receive()


def test_who_is_silent_is_given_up(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.01)
    with pytest.raises(Gone, match="not heard"):
        ends.channel.receive()


def test_who_does_not_end_a_frame_is_given_up(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRAME_S", 0.01)
    ends.browser.sendall(frame(TEXT, b"hello")[:-1])
    with pytest.raises(Gone, match="does not end"):
        ends.channel.receive()


def test_who_takes_nothing_is_given_up(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEND_S", 0.01)
    with pytest.raises(Gone, match="does not take"):
        ends.channel.send("x" * 10_000_000)
    # After a part of a frame nothing more can be said.
    with pytest.raises(Gone, match="has ended"):
        ends.channel.ping()
    # Nor is a farewell put into the middle of it.
    ends.browser.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while ends.browser.recv(1 << 20):
            pass
    ends.channel.close(1001)
    with pytest.raises(BlockingIOError):
        ends.browser.recv(1)


def test_a_slow_line_gets_all_of_it(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is for each slice: only who takes nothing at all is given up."""
    taken = 0
    asked: list[int] = []
    real = ends.channel._socket

    class Slow:
        def sendall(self, data: Any) -> None:
            asked.append(len(data))
            real.sendall(data)

    def read() -> None:
        nonlocal taken
        while taken < 1_000_010:
            taken += len(ends.browser.recv(65536))

    monkeypatch.setattr(ends.channel, "_socket", Slow())
    reader = gevent.spawn(read)
    ends.channel.send("x" * 1_000_000)
    reader.join()
    assert max(asked) == module.SLICE_BYTES


def test_messages_of_several_senders_stay_whole(ends: Ends) -> None:
    senders = [gevent.spawn(ends.channel.send, letter * 200_000) for letter in "abc"]
    for _ in senders:
        head = ends.browser_reads(10)
        size = int.from_bytes(head[2:], "big")
        assert len(set(ends.browser_reads(size))) == 1
    gevent.joinall(senders)


def test_the_farewell(ends: Ends) -> None:
    ends.channel.close(1001)
    assert ends.browser_reads(4) == b"\x88\x02\x03\xe9"
    with pytest.raises(Gone):
        ends.channel.send("more")


@given(some.binary(max_size=300))
def test_any_bytes_are_a_text_or_an_error_of_theirs(data: bytes) -> None:
    rest = data

    def read(size: int) -> bytes:
        nonlocal rest
        taken, rest = rest[:size], rest[size:]
        return taken

    with socket.socket() as unconnected:
        try:
            while True:
                Channel(read, unconnected).receive()
        except (Gone, Malformed):
            pass


# The handshake

HANDSHAKE = {
    "REQUEST_METHOD": "GET",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_UPGRADE": "WebSocket",
    "HTTP_CONNECTION": "keep-alive, Upgrade",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",  # that of RFC 6455, section 1.3
}


def test_a_handshake() -> None:
    assert why_no_upgrade(HANDSHAKE) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REQUEST_METHOD", "HEAD"),
        ("SERVER_PROTOCOL", "HTTP/1.0"),
        ("HTTP_UPGRADE", "h2c"),
        ("HTTP_CONNECTION", "keep-alive"),
        ("HTTP_CONNECTION", "notupgrade"),
        ("HTTP_SEC_WEBSOCKET_VERSION", "8"),
        ("HTTP_SEC_WEBSOCKET_KEY", ""),
        ("HTTP_SEC_WEBSOCKET_KEY", "dGhlIHNhbXBsZQ=="),
        ("HTTP_SEC_WEBSOCKET_KEY", "!" * 24),
        ("HTTP_SEC_WEBSOCKET_KEY", "ü" * 24),
        ("HTTP_SEC_WEBSOCKET_KEY", "a"),
    ],
)
def test_what_is_none(name: str, value: str) -> None:
    assert why_no_upgrade(HANDSHAKE | {name: value}) is not None
    assert why_no_upgrade({one: HANDSHAKE[one] for one in HANDSHAKE if one != name}) is not None


def test_an_upgrade_is_answered_with_the_digest_of_its_key() -> None:
    """Source: the example of RFC 6455, section 1.3."""
    headers = upgrade_headers({"HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert headers == [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ]
