"""python-socketio's RedisManager, by which servers tell each other what to emit.

No browser is connected: counted is at the call that would hand a message to those that are.
"""

import time
from typing import Any

import socketio
from socketio.manager import Manager

from scripts.fanout.payload import BytesPayload
from scripts.fanout.publishing import drive, steps
from scripts.fanout.subscribing import attended_tally
from scripts.fanout.task import Task
from scripts.measuring.telling import tell

_EVENT = "fanout"


def publish(task: Task) -> None:
    """Emit from outside of the servers, as a worker or a command does."""
    manager = socketio.RedisManager(_url(task), write_only=True)
    tell("started", meeting={})
    tell("met")
    drive(steps(BytesPayload(task.size).make), lambda body: manager.emit(_EVENT, body))


def subscribe(task: Task) -> None:
    """A server's part."""
    tally = attended_tally()

    # Its place in the order of classes is behind RedisManager, which calls it as it would Manager.
    class Hand(Manager):  # type: ignore[misc]
        def emit(self, event: str, data: bytes, *args: Any, **options: Any) -> None:
            tally.take_bytes(data)

    class CountingManager(socketio.RedisManager, Hand):  # type: ignore[misc]
        pass

    manager = CountingManager(_url(task))
    socketio.Server(client_manager=manager, async_mode="gevent")
    manager.initialize()  # a server does when its first client connects
    tell("started")
    tell("met")
    while True:
        time.sleep(60.0)


def _url(task: Task) -> str:
    return f"redis://{task.server}/0"
