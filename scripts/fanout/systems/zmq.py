"""pyzmq's PUB and SUB over TCP: plain, encrypted by CURVE, or green under gevent.

The publisher is an XPUB with NODROP: at the high-water mark of any subscriber it waits, as chatter
does, where a PUB would silently drop.
"""

import time
from typing import Any

from scripts.fanout.payload import BytesPayload
from scripts.fanout.publishing import drive, steps
from scripts.fanout.subscribing import attended_tally
from scripts.fanout.task import Task
from scripts.measuring.telling import tell

# In a green socket nothing tells when there is room again.
_AGAIN_S = 0.001


def publish(task: Task) -> None:
    """Send each."""
    zmq = _module(task)
    out = zmq.Context().socket(zmq.XPUB)
    out.setsockopt(zmq.XPUB_NODROP, 1)
    meeting: dict[str, str] = {}
    if task.spec.options.get("curve"):
        public, out.curve_secretkey = zmq.curve_keypair()
        out.curve_server = True
        meeting["key"] = public.decode()
    port = out.bind_to_random_port(f"tcp://{task.ip}")
    tell("started", meeting={**meeting, "address": f"tcp://{task.ip}:{port}"})
    tell("met")

    def send_green(body: bytes) -> None:
        while True:
            try:
                out.send(body, zmq.NOBLOCK)
                return
            except zmq.Again:
                time.sleep(_AGAIN_S)

    green = task.spec.options.get("green")
    drive(steps(BytesPayload(task.size).make), send_green if green else out.send)


def subscribe(task: Task) -> None:
    """Take each."""
    zmq = _module(task)
    tally = attended_tally()
    inlet = zmq.Context().socket(zmq.SUB)
    if "key" in task.meeting:
        inlet.curve_publickey, inlet.curve_secretkey = zmq.curve_keypair()
        inlet.curve_serverkey = task.meeting["key"].encode()
    inlet.connect(task.meeting["address"])
    inlet.subscribe(b"")
    tell("started")
    tell("met")
    while True:
        tally.take_bytes(inlet.recv())


def _module(task: Task) -> Any:
    if task.spec.options.get("green"):
        import zmq.green

        return zmq.green
    import zmq

    return zmq
