"""nats-py under asyncio."""

import asyncio

import nats

from scripts.fanout.payload import BytesPayload
from scripts.fanout.publishing import steps
from scripts.fanout.subscribing import attended_tally
from scripts.fanout.task import Task
from scripts.measuring.telling import tell

_SUBJECT = "fanout"


def publish(task: Task) -> None:
    """`await publish` in a loop, and a flush in the end."""
    asyncio.run(_publish(task))


async def _publish(task: Task) -> None:
    client = await nats.connect(f"nats://{task.server}")
    tell("started", meeting={})
    tell("met")
    for step in steps(BytesPayload(task.size).make):
        if isinstance(step, float):
            await asyncio.sleep(step)
        elif step is None:
            await client.flush()
        else:
            await client.publish(_SUBJECT, step)


def subscribe(task: Task) -> None:
    """A callback."""
    asyncio.run(_subscribe(task))


async def _subscribe(task: Task) -> None:
    tally = attended_tally()

    async def take(message: nats.aio.msg.Msg) -> None:
        tally.take_bytes(message.data)

    client = await nats.connect(f"nats://{task.server}")
    await client.subscribe(_SUBJECT, cb=take)
    await client.flush()
    tell("started")
    tell("met")
    await asyncio.Event().wait()
