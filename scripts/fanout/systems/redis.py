"""redis-py's publish and subscribe under gevent."""

import redis

from scripts.fanout.payload import BytesPayload
from scripts.fanout.publishing import drive, steps
from scripts.fanout.subscribing import attended_tally
from scripts.fanout.task import Task
from scripts.measuring.telling import tell

_CHANNEL = "fanout"

# Commands in one pipeline: more makes it no faster.
_BATCH = 100


def publish(task: Task) -> None:
    """PUBLISH in pipelines, where what is to be there soon goes at once, or one by one."""
    tell("started", meeting={})
    tell("met")
    client = connect(task)
    todo = steps(BytesPayload(task.size).make)
    if not task.spec.options.get("pipeline"):
        drive(todo, lambda body: client.publish(_CHANNEL, body))
        return
    pipeline = client.pipeline(transaction=False)

    def send(body: bytes) -> None:
        pipeline.publish(_CHANNEL, body)
        if len(pipeline) >= _BATCH:
            pipeline.execute()

    drive(todo, send, pipeline.execute)


def subscribe(task: Task) -> None:
    """A pubsub."""
    tally = attended_tally()
    pubsub = connect(task).pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(_CHANNEL)
    tell("started")
    tell("met")
    for message in pubsub.listen():
        tally.take_bytes(message["data"])


def connect(task: Task) -> redis.Redis:
    """A client of the server."""
    host, port = task.server.split(":")
    return redis.Redis(host=host, port=int(port))
