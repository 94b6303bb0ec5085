"""Serving: nodes start in a process that serves, and in no other.

Shells, migrations, reloaders and masters that only fork import an application too; none of them may
become a member of the cluster. So importing enlists what would start, and whoever knows that this
very process serves says so: the hooks for gunicorn, Flask's own server, or the program itself.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any, Protocol


class Startable(Protocol):
    """What a serving process starts once and stops at its end; both may be called again idly."""

    def start(self) -> Any:
        """Become a member of the cluster."""

    def stop(self) -> Any:
        """Leave it."""


# Weakly: an application that a test threw away must not start with the next one. In their order.
_enlisted: list[weakref.ref[Startable]] = []
_serving_pid = 0
_closers: list[Callable[[], None]] = []


def enlist(startable: Startable) -> None:
    """Have it started when this process, or one forked from it, begins to serve.

    At once, if this one serves already: whatever that raises is raised here, and it is not
    enlisted. Held by a weak reference.
    """
    if is_serving():
        startable.start()
    if startable not in _living():
        _enlisted.append(weakref.ref(startable, _enlisted.remove))


def withdraw(startable: Startable) -> None:
    """Forget it, started or not."""
    _enlisted[:] = [known for known in _enlisted if known() is not startable]


def is_serving() -> bool:
    """Whether this very process has begun to serve; one forked from it has not."""
    return _serving_pid == os.getpid()


def begin() -> None:
    """This process serves from now on: start all that is enlisted. Idle if it does already.

    Also what is enlisted while one of them starts, which may wait, as for peers.

    If one cannot start, those before it are stopped, the error is raised, and this process does not
    serve.
    """
    global _serving_pid
    if is_serving():
        return
    started: list[Startable] = []
    while rest := [known for known in _living() if known not in started]:
        try:
            rest[0].start()
        except BaseException:
            for earlier in reversed(started):
                earlier.stop()
            raise
        started.append(rest[0])
    _serving_pid = os.getpid()


def before_end(close: Callable[[], None]) -> Callable[[], None]:
    """Have ``close`` called when this process takes no further requests: for what holds one open
    for hours, and would be waited for. It must not raise or wait.

    Returns:
        The call that takes it back.
    """
    _closers.append(close)

    def forget() -> None:
        if close in _closers:
            _closers.remove(close)

    return forget


def wind_down() -> None:
    """This process takes no further requests: end what is held open. The nodes go on."""
    while _closers:
        _closers.pop()()


def end() -> None:
    """Stop all that is enlisted, the last one first. Idle unless this process serves."""
    global _serving_pid
    if not is_serving():
        return
    wind_down()
    _serving_pid = 0
    for startable in reversed(_living()):
        startable.stop()


def stop_limit_s() -> float:
    """How many seconds `end` takes at most: each node may wait for its ``stop_timeout_s``.

    The node of what is enlisted is itself, or its ``chatter``; one that two have stops once.
    """
    nodes = {id(node): node for node in (getattr(one, "chatter", one) for one in _living())}
    configs = [getattr(node, "config", None) for node in nodes.values()]
    return float(sum(config.stop_timeout_s for config in configs if config is not None))


def _living() -> list[Startable]:
    return [startable for known in _enlisted if (startable := known()) is not None]
