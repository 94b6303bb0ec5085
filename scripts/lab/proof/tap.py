"""Who sent whom how much by TCP, in the order in which the router's links saw it.

Run as `python -m scripts.lab.proof.tap` in the router's namespace: it prints "ready", and at the
end of its input all it saw, as JSON. Frames are sealed, so it tells amounts and order, no contents.
"""

import contextlib
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from scripts.lab.errors import LabError
from scripts.lab.namespaces import Host, NamespaceLab

# Numbers of Linux that the module `socket` doesn't name: linux/if_ether.h, if_packet.h, socket.h.
_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_RCVBUFFORCE = 33

_BUFFER_BYTES = 64 << 20  # a payload crosses several links, and no packet may be lost to us
_SNAP_BYTES = 14 + 60 + 60  # Ethernet, and the longest headers of IPv4 and TCP
_HOST_LINK = re.compile(r"s\d+h\d+")
_WAIT_S = 30.0
_CHECKOUT = Path(__file__).resolve().parents[3]


class Segment(NamedTuple):
    """One TCP segment with data, on the cable of one host."""

    link: str
    to_host: bool
    source: str
    destination: str
    data_bytes: int


class Overlap(NamedTuple):
    """What a relay had received when it had sent on so much."""

    received: int
    received_in_all: int
    sent: int
    sent_in_all: int

    @property
    def overlaps(self) -> bool:
        """Whether it had sent all of `sent` before the last of it came."""
        return self.sent_in_all >= self.sent and self.received < self.received_in_all


def overlap(segments: list[Segment], relay: Host, origin: str, next_one: str, sent: int) -> Overlap:
    """What `relay` had received from `origin` when the first `sent` bytes for `next_one` were out.

    Args:
        segments: in the order of time.
        origin, next_one: IP addresses.
    """
    received = received_then = sent_on = 0
    for segment in segments:
        if segment.link != relay.link:
            continue
        if segment.to_host and segment.source == origin:
            received += segment.data_bytes
        elif not segment.to_host and segment.destination == next_one:
            if sent_on < sent <= sent_on + segment.data_bytes:
                received_then = received
            sent_on += segment.data_bytes
    return Overlap(received_then, received, sent, sent_on)


class Tap:
    """Sees all TCP on the cables of a lab's hosts while it is open; a context manager."""

    def __init__(self, lab: NamespaceLab) -> None:
        command = ["ip", "netns", "exec", lab.router, sys.executable, "-P", "-m", __name__]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Under pytest this module is found by other means, which a child doesn't inherit.
            env={**os.environ, "PYTHONPATH": str(_CHECKOUT)},
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            self._process.kill()
            raise LabError("the tap in the router's namespace did not start")
        return self

    def finish(self) -> list[Segment]:
        """All it saw.

        Raises:
            LabError: it lost some; then nothing can be said of what came first.
        """
        output, _ = self._process.communicate(timeout=_WAIT_S)
        seen = json.loads(output)
        if seen["lost"]:
            raise LabError(f"the tap lost {seen['lost']} packets")
        return [Segment(*entry) for entry in seen["segments"]]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def read_segment(link: str, to_host: bool, packet: bytes) -> Segment | None:
    """What an Ethernet packet says, of which the headers suffice; None if no TCP data is in it."""
    if (
        len(packet) < 14 + 20
        or packet[12:14] != b"\x08\x00"
        or packet[14 + 9] != socket.IPPROTO_TCP
    ):
        return None
    ip = packet[14:]
    header_bytes = (ip[0] & 15) * 4
    (total_bytes,) = struct.unpack_from("!H", ip, 2)
    data_bytes = total_bytes - header_bytes - (ip[header_bytes + 12] >> 4) * 4
    if data_bytes <= 0:
        return None
    source, destination = socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20])
    return Segment(link, to_host, source, destination, data_bytes)


def main() -> None:
    """Listens until the input ends."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    tap.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    tap.setblocking(False)
    packets: list[tuple[bytes, tuple[str, int, int]]] = []
    print("ready", flush=True)
    ended = False
    while not ended:
        ready, _, _ = select.select([tap, sys.stdin], [], [])
        ended = tap not in ready  # what waits is read first
        # Only read, and understood at the end: on a busy machine the kernel would lose some.
        with contextlib.suppress(BlockingIOError):
            while True:
                packets.append(tap.recvfrom(_SNAP_BYTES))
    segments = [
        read_segment(link, kind == socket.PACKET_OUTGOING, packet)
        for packet, (link, _, kind, *_) in packets
        if _HOST_LINK.fullmatch(link)
    ]
    _, lost = struct.unpack("II", tap.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
    print(json.dumps({"segments": [one for one in segments if one], "lost": lost}))


if __name__ == "__main__":
    main()
