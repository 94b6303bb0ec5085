"""A feed that tells what the test says, in place of the one that watches a cluster."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from gevent.queue import Queue

from chatter.errors import Closed


class FakeFeed:
    """Tells its snapshot, then what the test puts into `changes`; `stop` ends it."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.changes: Queue[dict[str, Any]] = Queue()
        self.followers = 0
        self.stopped = False
        self.told: dict[str, Any] = {"type": "snapshot", "board": 1}

    def start(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        self.stopped = True
        for _ in range(self.followers):
            self.changes.put({})

    def snapshot(self) -> dict[str, Any]:
        if self.stopped:
            raise Closed("stopped")
        return self.told

    def follow(self) -> FakeFeed:
        return self

    def __enter__(self) -> Self:
        self.followers += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.followers -= 1

    def first(self) -> dict[str, Any]:
        return self.snapshot()

    def next(self) -> dict[str, Any]:
        changes: dict[str, Any] = self.changes.get()
        if self.stopped:
            raise Closed("stopped")
        return changes


class FloodingFeed(FakeFeed):
    """Tells large changes as fast as they are taken."""

    def next(self) -> dict[str, Any]:
        return {"type": "changes", "board": 2, "filling": "x" * 100_000}
