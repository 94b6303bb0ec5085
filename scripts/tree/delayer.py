"""A router that takes its time: what passes between the segments of a lab arrives so much later.

Run as `python -m scripts.tree.delayer SECONDS` in the router's namespace, with a line "ip mac" for
each host as its input; prints "ready", and goes on until the input ends. Not every kernel has the
queueing discipline that would do this, so frames are taken from the links and put back later. Their
checksums have to be whole then: `--plain eth0` in a host's namespace has its system compute them.
"""

import array
import fcntl
import heapq
import itertools
import select
import socket
import struct
import sys
import time
from pathlib import Path

_ETH_P_IP = 0x0800
_PACKET_HOST = 0
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 16 << 20
_SIOCETHTOOL = 0x8946
# Checksums of what is sent, and pieces larger than a frame: linux/ethtool.h.
_OFFLOADS = (0x17, 0x1F, 0x24)


def make_plain(link: str) -> None:
    """From now on the frames on a link are as they would be on a cable."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for command in _OFFLOADS:
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", link.encode(), value.buffer_info()[0])
            fcntl.ioctl(sock, _SIOCETHTOOL, request)


def run(delay_s: float, hosts: dict[bytes, bytes]) -> None:
    """Carries frames until the input ends.

    Args:
        hosts: by IP address, the hardware address there.
    """
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
    links = {}
    for segment in {address[2] for address in hosts}:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_IP))
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        sock.bind((f"up{segment}", _ETH_P_IP))
        sock.setblocking(False)
        links[segment] = sock
    waiting: list[tuple[float, int, socket.socket, bytes]] = []
    order = itertools.count()
    print("ready", flush=True)
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, out, frame = heapq.heappop(waiting)
            out.send(frame)
        pause_s = waiting[0][0] - now if waiting else None
        ready, _, _ = select.select([sys.stdin, *links.values()], [], [], pause_s)
        arrives = time.monotonic() + delay_s
        if sys.stdin in ready:
            return
        for sock in (one for one in links.values() if one in ready):
            taken, where = sock.recvfrom(65536)
            target = taken[30:34]
            if where[2] == _PACKET_HOST and target in hosts:
                frame = hosts[target] + taken[:6] + taken[12:]
                heapq.heappush(waiting, (arrives, next(order), links[target[2]], frame))


def main() -> None:
    """What the command line asks for."""
    if sys.argv[1] == "--plain":
        make_plain(sys.argv[2])
        return
    hosts = {}
    for line in iter(sys.stdin.readline, "\n"):
        address, hardware = line.split()
        hosts[socket.inet_aton(address)] = bytes.fromhex(hardware.replace(":", ""))
    run(float(sys.argv[1]), hosts)


if __name__ == "__main__":
    main()
