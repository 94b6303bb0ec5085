"""chatter as its users have it, by its public API: sealing, repair and flow control are on."""

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any

from chatter import Chatter, QueueFull, generate_key
from chatter.wire.aead import best as best_aead
from scripts.fanout.payload import BytesPayload, JsonPayload
from scripts.fanout.publishing import drive, steps
from scripts.fanout.subscribing import attended_tally
from scripts.fanout.task import Task
from scripts.measuring.meeting import own_group, wait_until_met
from scripts.measuring.telling import tell

_TAG = "fanout"


def publish(task: Task) -> None:
    """`broadcast` in a loop, and again when it raises QueueFull."""
    groups = [own_group()] if task.spec.options["multicast"] else []
    shared: dict[str, Any] = {"key": generate_key(), "multicast": groups}
    node = Chatter(**_settings(task), **shared)

    def send(body: Any) -> None:
        while True:
            try:
                node.broadcast(_TAG, body, codec=task.codec)
                return
            except QueueFull:  # it has waited already
                continue

    with _met(node, task, shared):
        payload = JsonPayload if task.codec == "json" else BytesPayload
        drive(steps(payload(task.size).make), send)


def subscribe(task: Task) -> None:
    """A handler."""
    tally = attended_tally()
    node = Chatter(**_settings(task), **task.meeting)

    def take_json(body: dict[str, Any]) -> None:
        tally.take(body["number"], body["sent"])

    node.on(_TAG, codec=task.codec)(take_json if task.codec == "json" else tally.take_bytes)
    with _met(node, task, {}):
        while True:
            time.sleep(60.0)


def _settings(task: Task) -> dict[str, Any]:
    return {"address": f"{task.ip}:0", "interface": task.ip}


@contextlib.contextmanager
def _met(node: Chatter, task: Task, shared: dict[str, Any]) -> Iterator[None]:
    """The node, running, when all others are known to it."""
    logging.basicConfig(level=logging.WARNING)
    if not best_aead.__name__.startswith(task.spec.options["aead"]):
        raise SystemExit(f"{task.system} is not to be sealed by {best_aead.__name__}")
    with node:
        tell("started", meeting={**shared, "join": [str(node.local_netid)]})
        wait_until_met(node, task.nodes)
        tell("met")
        yield
