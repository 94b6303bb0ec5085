"""SIGTERM: a program that does not handle it would die in the middle of a word; nodes leave first.

Only where nobody else handles the signal. When the nodes have left, the signal is raised again with
its default action, so whoever sent it sees the process end by it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import weakref
from typing import Protocol

import gevent


class Stoppable(Protocol):
    """What has to be stopped before the process ends."""

    def stop(self) -> None:
        """Send what is queued, tell the others, end."""


# A signal belongs to the process, so those who wait for it are kept for the process.
_running: weakref.WeakSet[Stoppable] = weakref.WeakSet()


class _Watch:
    """The one watcher of the process, while any node runs."""

    handle: object | None = None
    pid = 0
    follows_forks = False


def leave_on_sigterm(node: Stoppable) -> None:
    """Stop this node on SIGTERM, if that is ours to handle."""
    _running.add(node)
    if _Watch.handle is not None and _Watch.pid == os.getpid():
        return
    # Asked of gevent: to a patched `threading` a plain greenlet is no main thread.
    if gevent.get_hub().main_hub and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        _Watch.handle = gevent.signal_handler(signal.SIGTERM, _leave_and_end)
        _Watch.pid = os.getpid()
        if not _Watch.follows_forks:
            _Watch.follows_forks = True
            os.register_at_fork(after_in_child=_unwatch)


def forget(node: Stoppable) -> None:
    """This node has stopped; without any left, SIGTERM is again what it was."""
    _running.discard(node)
    if not _running:
        _unwatch()


def _unwatch() -> None:
    """SIGTERM is again what it was. In a forked child at once: it has no node that could leave, and
    perhaps no event loop that would ever notice the signal."""
    if _Watch.handle is None:
        return
    _Watch.handle.cancel()  # type: ignore[attr-defined]
    _Watch.handle = None
    # The event loop leaves the default action behind. Who set a handler since wants that one.
    with contextlib.suppress(ValueError):  # not the main thread, where nobody may set one
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


def _leave_and_end() -> None:
    gevent.joinall([gevent.spawn(node.stop) for node in list(_running)])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
