"""Reads what nodes say, from the bytes on the fake network and the cluster's key alone.

The size of a frame is thus that of the frame that was sent, and what it carries is what a receiver
finds in it: nothing is taken from the nodes, which could be wrong about either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from chatter.errors import BadSeal
from chatter.ids import NetID
from chatter.keys import parse_key
from chatter.testing import Cluster
from chatter.testing.faults import MULTICAST, TCP, Path
from chatter.wire.burst import Broadcasts, Burst
from chatter.wire.frame import LENGTH_BYTES, Body, decode_body, encode_body
from chatter.wire.gossip import Gossip, split_payload
from chatter.wire.records import Hello
from chatter.wire.seal import (
    Channel,
    KeyRing,
    Opener,
    multicast_context,
    open_frame,
    read_header,
    tcp_context,
)


class Carried(NamedTuple):
    """A frame that held broadcasts."""

    path: Path
    gossip: Broadcasts
    wire_bytes: int
    """Of the frame, on TCP with the length in front of it; without what IP adds."""
    body_bytes: int
    """Of these, the bodies of broadcasts, each once: a frame may hold one several times, with
    different lists."""
    list_bytes: int
    """By how much the frame would be shorter without distribution lists."""
    other_bytes: int
    """By how much it would be shorter without what it carries besides broadcasts."""
    listed: int
    """How many NetIDs its lists name."""

    @property
    def header_bytes(self) -> int:
        """All of it but the bodies."""
        return self.wire_bytes - self.body_bytes


class Wiretap:
    """Listens to a cluster's network from the moment it is made, before any connection is.

    Args:
        heard: told of each frame that carries broadcasts.
    """

    def __init__(self, cluster: Cluster, heard: Callable[[Carried], object]) -> None:
        self._heard = heard
        self._ring = KeyRing([parse_key(cluster.key)])
        self._multicasts: dict[tuple[bytes, NetID], Opener] = {}
        self._connections: dict[tuple[NetID, NetID], list[_Direction]] = defaultdict(list)
        self._lives_by_challenge: dict[bytes, bytes] = {}
        cluster.network.taps.append(self._tap)

    def _tap(self, path: Path, data: bytes) -> None:
        if path.kind == MULTICAST:
            self._look(path, self._multicast(path, data), len(data))
        elif path.kind == TCP:
            for frame in _frames(data):
                self._look(path, self._stream(path, frame), LENGTH_BYTES + len(frame))
        # By unicast UDP no broadcast is taken.

    def _look(self, path: Path, body: Body, wire_bytes: int) -> None:
        for record in body.records:
            if isinstance(record, Gossip | Burst):
                self._heard(_carried(path, record, body, wire_bytes))
                return

    def _multicast(self, path: Path, frame: bytes) -> Body:
        header = read_header(frame)
        opener = self._multicasts.get((header.life, path.target))
        if opener is not None:
            return decode_body(opener.open(frame))
        context = multicast_context(header.life, path.target)
        opened, opener = open_frame(self._ring, Channel.MULTICAST, context, header.hint, frame)
        self._multicasts[header.life, path.target] = opener
        return decode_body(opened)

    def _stream(self, path: Path, frame: bytes) -> Body:
        # Two may have called each other at once: the newest connection is the likeliest.
        for direction in reversed(self._connections[path.source, path.target]):
            try:
                return decode_body(direction.open(self._ring, frame))
            except BadSeal:
                continue
        header = read_header(frame)
        opened, _ = open_frame(self._ring, Channel.TCP_HELLO, header.life, header.hint, frame)
        body = decode_body(opened)
        for hello in body.records:
            if isinstance(hello, Hello) and hello.challenge is not None:
                self._lives_by_challenge[hello.challenge] = header.life
                if hello.echo is not None:
                    self._connected(path, hello.echo, hello.challenge)
        return body

    def _connected(self, path: Path, client: bytes, server: bytes) -> None:
        """The server answered: both have their keys. The path is the server's."""
        lives = self._lives_by_challenge
        here, there = lives.pop(server), lives.pop(client)
        for way, sender, receiver in (
            ((path.source, path.target), here, there),
            ((path.target, path.source), there, here),
        ):
            self._connections[way].append(
                _Direction(tcp_context(sender, receiver, client + server))
            )


class _Direction:
    """One direction of a connection."""

    __slots__ = ("_context", "_opener")

    def __init__(self, context: bytes) -> None:
        self._context = context
        self._opener: Opener | None = None

    def open(self, ring: KeyRing, frame: bytes) -> bytes:
        """The body of a frame.

        Raises:
            BadSeal: it is not of this one.
        """
        if self._opener is None:
            hint = read_header(frame).hint
            body, self._opener = open_frame(ring, Channel.TCP, self._context, hint, frame)
            return body
        return self._opener.open(frame)


def _frames(data: bytes) -> Iterator[bytes]:
    """The frames in what a node wrote to a stream, which it does by whole ones."""
    while data:
        stop = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "big")
        yield data[LENGTH_BYTES:stop]
        data = data[stop:]


def _carried(path: Path, first: Broadcasts, body: Body, wire_bytes: int) -> Carried:
    carriers = [one for one in body.records if isinstance(one, Gossip | Burst)]
    bodies = {gossip.id: gossip.payload for one in carriers for gossip in one.gossips()}
    size = len(encode_body(body.records, body.sender))
    without = [
        one._replace(distribution=()) if isinstance(one, Gossip | Burst) else one
        for one in body.records
    ]
    return Carried(
        path,
        first,
        wire_bytes,
        sum(len(split_payload(payload)[1]) for payload in bodies.values()),
        size - len(encode_body(without, body.sender)),
        size - len(encode_body(carriers, body.sender)),
        sum(len(one.distribution) for one in carriers),
    )
