"""One process of a run, given its task as JSON: a publisher or a subscriber of one system."""

import importlib
import sys

from scripts.fanout import publishing, subscribing  # noqa: F401  (they keep the real threads)
from scripts.fanout.task import Task


def main() -> None:
    """Never returns: whoever started us ends us, or closes our input."""
    task = Task.from_json(sys.argv[1])
    for package in task.spec.blocks:
        sys.modules[package] = None  # type: ignore[assignment]  # documented: its import fails
    if task.spec.green:
        from gevent import monkey

        monkey.patch_all()
    system = importlib.import_module(f"scripts.fanout.systems.{task.spec.module}")
    if task.publisher:
        system.publish(task)
    else:
        system.subscribe(task)


if __name__ == "__main__":
    main()
