"""One connection: the first exchange on it, its keys, and frames both ways.

The client sends a hello with 16 random bytes; the server answers with 16 of its own and an echo of
the client's, which proves the server; both derive a key for each direction from the two, and the
client's first frame under its key proves the client::

    client                               server
      hello(challenge c)         ->
                                 <-      hello(challenge s, echo c)
      first frame, key(c, s)     ->
                                 <-      first frame, key(c, s)

Frames under these keys count up by exactly one, so nothing can be left out, repeated or moved.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from chatter.core.exchange import Exchange
from chatter.errors import BadSeal, FrameError, Replayed
from chatter.ids import NetID
from chatter.wire.frame import (
    Body,
    FrameReader,
    Sender,
    Start,
    body_of_one,
    decode_body,
    encode_body,
    frame_on_stream,
)
from chatter.wire.records import Hello, Record
from chatter.wire.seal import (
    COUNTER_BYTES,
    HEADER_BYTES,
    MAX_FRAME_BYTES,
    Channel,
    KeyRing,
    Nonce,
    Opener,
    Sealer,
    open_frame,
    read_header,
    tcp_context,
)

if TYPE_CHECKING:
    from chatter.core.lone_sessions import Lane

# Longer tables are hardly those of the next frame too, and take their memory on each connection.
_MOST_KNOWN = 256

_COUNTER = slice(HEADER_BYTES - COUNTER_BYTES, HEADER_BYTES)


class State(Enum):
    """How far the first exchange has come."""

    EXPECT_HELLO = "expect hello"
    EXPECT_FIRST = "expect first frame"
    PROVEN = "proven"
    CLOSED = "closed"


class Session:
    """One side of a connection. Fed with bytes, asked for bytes.

    Args:
        hello: what to say of ourselves; its challenge is this side's 16 random bytes.
        client: whether we opened the connection.
        hello_sealer: seals on the channel of hellos under our life.
        known_epoch: the newest epoch we know of an address, to tell whoever calls us from there.
        since: our number when we admitted the node at an address, to tell it likewise.
        expected: whom we called, if we did. Another NetID may answer there: that of the node
            behind a forwarded port or a name.
    """

    def __init__(
        self,
        ring: KeyRing,
        local: NetID,
        life: bytes,
        hello: Hello,
        hello_sealer: Sealer,
        *,
        client: bool,
        known_epoch: Callable[[NetID], int],
        since: Callable[[NetID, bytes], int] = lambda netid, life: 0,
        expected: NetID | None = None,
    ) -> None:
        self.client = client
        self.expected = expected
        self.state = State.EXPECT_HELLO
        self.netid: NetID | None = None
        """Who the other side says it is; to be believed once the session is proven."""
        self.life = b""
        """The other side's life."""
        self.hello: Hello | None = None
        """What the other side said of itself."""
        self.used_at = 0.0
        self.asked_at = 0.0
        """When our hello was there to be sent."""
        self.spoke = False
        """Whether our first frame is out: the one by which a client proves itself."""
        self.failure: FrameError | None = None
        """What was wrong behind the frames that ``receive`` returned last, if anything was."""
        self.exchange = Exchange()
        """What was handed over in either direction, and how much more may be."""
        self._known_epoch = known_epoch
        self._since = since
        self._ring = ring
        self._local = local
        self._our_life = life
        self._our_hello = hello
        self._hello_sealer = hello_sealer
        self._reader = FrameReader()
        self._pending = bytearray()
        self._start: Start | None = None
        """How the last frame that named anybody began."""
        self._looked: tuple[bytes, bytes] | None = None
        """The frame that ``look`` opened last, and its body."""
        self.lane: Lane | None = None
        """What the last lone message on it looked like; see ``LoneSessions``."""
        self.more = True
        """Whether there may be more to send than was fetched last."""
        self._sealer: Sealer | None = None
        self._receiving_context = b""
        self._opener: Opener | None = None
        self._expected_counter = 1
        if client:
            self._say_hello(hello)

    @property
    def proven(self) -> bool:
        """Whether the other side has shown that it is who it says, now."""
        return self.state is State.PROVEN

    def receive(self, data: bytes) -> list[Body]:
        """Take bytes of the stream; the bodies that they complete.

        If what follows a whole frame is not what this connection allows, ``failure`` says so: the
        good frames count however the stream was cut, and then the connection is of no use.
        """
        bodies: list[Body] = []
        if self.state is State.CLOSED:
            return bodies
        try:
            if self.state is State.PROVEN:
                only = self._reader.only_frame(data)
                if only is not None:
                    bodies.append(self._receive_frame(only))
                    return bodies
            self._reader.feed(data)
            while (frame := self._reader.next_frame()) is not None:
                if self.state is State.EXPECT_HELLO:
                    self._receive_hello(frame)
                else:
                    bodies.append(self._receive_frame(frame))
        except FrameError as error:
            self.failure = error
        return bodies

    def look(self, data: bytes) -> bytes | None:
        """The body in these bytes, if they are the next frame and nothing else.

        Nothing is taken by it: that does ``receive``, which has to be given the same bytes, or
        ``took``.
        """
        frame, opener = self._reader.only_frame(data), self._opener
        if (
            frame is None
            or opener is None
            or self.state is not State.PROVEN
            or int.from_bytes(frame[_COUNTER], "big") != self._expected_counter
        ):
            return None
        try:
            body = opener.open(frame)
        except BadSeal:
            return None
        self._looked = frame, body
        return body

    def took(self) -> None:
        """The frame that ``look`` opened is taken."""
        self._looked = None
        self._expected_counter += 1

    def seal(self, records: list[Record]) -> bytes:
        """The bytes that carry these records."""
        if self._sealer is None:
            raise ValueError("no keys yet")
        body = body_of_one(records[0]) if len(records) == 1 else encode_body(records)
        return frame_on_stream(self._sealer.seal(body))

    def handshake_bytes(self) -> bytes:
        """What the first exchange has to send, taken out."""
        data = bytes(self._pending)
        self._pending.clear()
        return data

    @property
    def has_handshake_bytes(self) -> bool:
        """Whether the first exchange has something to send."""
        return bool(self._pending)

    def close(self) -> None:
        """Nothing more is sent or taken."""
        self.state = State.CLOSED

    def _say_hello(self, hello: Hello) -> None:
        body = encode_body([hello], Sender(self._local, 0))
        self._pending += frame_on_stream(self._hello_sealer.seal(body))

    def _receive_hello(self, frame: bytes) -> None:
        header = read_header(frame)
        if header.life == self._our_life:
            raise BadSeal("a connection with ourselves")
        opened, _ = open_frame(self._ring, Channel.TCP_HELLO, header.life, header.hint, frame)
        body = decode_body(opened)
        hello = next((one for one in body.records if isinstance(one, Hello)), None)
        if body.sender is None or hello is None or hello.challenge is None:
            raise FrameError("a connection that does not begin with a hello")
        if self.client and hello.echo != self._our_hello.challenge:
            raise Replayed("an answer to somebody else's hello")
        self.netid, self.life, self.hello = body.sender.netid, header.life, hello
        self._derive_keys(hello.challenge)
        if self.client:
            self.state = State.PROVEN  # the echo proved the server
            self._reader.limit = MAX_FRAME_BYTES
        else:
            known, since = self._known_epoch(self.netid), self._since(self.netid, self.life)
            self._say_hello(
                self._our_hello._replace(echo=hello.challenge, known_epoch=known, since=since)
            )
            self.state = State.EXPECT_FIRST

    def _derive_keys(self, theirs: bytes) -> None:
        ours = self._our_hello.challenge or b""
        randoms = ours + theirs if self.client else theirs + ours
        sending = tcp_context(self._our_life, self.life, randoms)
        receiving = tcp_context(self.life, self._our_life, randoms)
        self._sealer = Sealer(self._ring, Channel.TCP, sending, self._our_life, Nonce())
        self._receiving_context = receiving

    def _receive_frame(self, frame: bytes) -> Body:
        header = read_header(frame)
        if header.life != self.life:
            raise BadSeal("a frame of another life on this connection")
        if header.counter != self._expected_counter:
            raise Replayed(f"counter {header.counter} where {self._expected_counter} has to follow")
        looked, self._looked = self._looked, None
        if looked is not None and looked[0] == frame:
            opened = looked[1]
        elif self._opener is not None:
            opened = self._opener.open(frame)
        else:
            opened, self._opener = open_frame(
                self._ring, Channel.TCP, self._receiving_context, header.hint, frame
            )
        self._expected_counter += 1
        body = decode_body(opened, self._start)
        start = body.start
        if start is not None and 0 < len(start.table) <= _MOST_KNOWN:  # answers alone name nobody
            self._start = start
        self.state = State.PROVEN
        self._reader.limit = MAX_FRAME_BYTES
        return body
