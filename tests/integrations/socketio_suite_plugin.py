"""A plugin of pytest: python-socketio's tests of `PubSubManager`, applied to `ChatterManager`.

For a process of its own, which test_socketio_suite starts: it patches, and puts a `ChatterManager`
where the tests ask the module for a `PubSubManager`.
"""

# ruff: noqa: E402  (the patch comes before whatever might keep an unpatched socket)
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

from collections.abc import Iterator
from typing import Any

import pytest
from socketio import pubsub_manager

from chatter import generate_key
from chatter.integrations.socketio import ChatterManager

_KEY = generate_key()
_made: list[ChatterManager] = []
_count = 0


class AppliedManager(ChatterManager):
    """With a node of its own, as they construct it without settings."""

    def __init__(self, *args: Any, **options: Any) -> None:
        global _count
        super().__init__(
            *args, address="127.0.0.1:0", key=_KEY, multicast=[], meet_timeout=0, **options
        )
        _count += 1
        _made.append(self)


pubsub_manager.PubSubManager = AppliedManager


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    yield
    while _made:
        _made.pop().stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"ChatterManagers made: {_count}")
