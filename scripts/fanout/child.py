"""The process of a task, started."""

from collections.abc import Iterable

from scripts.fanout.task import Task
from scripts.measuring.child import Child, python


def start(task: Task, prefix: Iterable[str]) -> Child:
    """A publisher or subscriber, which ends with a `with` block.

    Args:
        prefix: what to put before the command, to run it on another host of the lab.
    """
    name = f"{task.system} {'publisher' if task.publisher else 'subscriber'}"
    return Child(name, [*prefix, *python("-m", "scripts.fanout.process", task.to_json())])
