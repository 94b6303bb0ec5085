"""Bare UDP multicast on gevent sockets: the least that can be done."""

import random
import socket
import struct

from scripts.fanout.payload import MAX_BYTES, BytesPayload
from scripts.fanout.publishing import drive, steps
from scripts.fanout.subscribing import attended_tally
from scripts.fanout.task import Task
from scripts.measuring.telling import tell

_GROUP = "239.255.77.78"

# Above those that are well known, below those that systems give out.
_PORTS = range(20_000, 30_000)


def publish(task: Task) -> None:
    """Send each to the group."""
    port = random.choice(_PORTS)
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(task.ip))
    out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0 if task.on_loopback else 1)
    tell("started", meeting={"group": _GROUP, "port": port})
    tell("met")
    drive(steps(BytesPayload(task.size).make), lambda body: out.sendto(body, (_GROUP, port)))


def subscribe(task: Task) -> None:
    """Take what comes to the group."""
    tally = attended_tally()
    group, port = task.meeting["group"], task.meeting["port"]
    inlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inlet.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    inlet.bind((group, port))
    membership = struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton(task.ip))
    inlet.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    tell("started")
    tell("met")
    while True:
        tally.take_bytes(inlet.recv(MAX_BYTES))
