"""gunicorn: each worker is a member of the cluster from before its first request until it ends.

In gunicorn.conf.py::

    from chatter.integrations.gunicorn import on_starting, post_worker_init, worker_exit

Whoever has hooks of these names already calls these from them, `post_worker_init` last and
`worker_exit` first. Started with ``-k gevent``; what cannot work ends gunicorn with one sentence.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import sys
import time
from typing import Any

from gevent import Greenlet, sleep, spawn
from gunicorn.arbiter import Arbiter
from gunicorn.workers.ggevent import GeventWorker

from chatter.errors import ChatterError, ConfigError
from chatter.integrations import serving
from chatter.net import patching

__all__ = ["on_starting", "post_worker_init", "worker_exit"]

# A worker itself looks once a second whether it shall go on.
LOOK_S = 0.5

# What is left for a worker to notice that it shall end (LOOK_S), and to leave on a slow machine.
MARGIN_S = 1.5

# How often to try a port that the worker before still holds.
RETRY_S = 0.2

_PATCH_FIRST = (
    "put `from gevent import monkey; monkey.patch_all()` first in gunicorn.conf.py, or start"
    " gunicorn without --preload"
)


def on_starting(server: Any) -> None:
    """The master has its settings and no worker yet: refuse a worker class that cannot work, once
    rather than in each worker. It is no condition for the others."""
    try:
        check_class(server.cfg)
    except ConfigError as error:
        server.log.critical("chatter: %s", error)
        sys.exit(Arbiter.WORKER_BOOT_ERROR)


def post_worker_init(worker: Any) -> None:
    """The worker has its application and does not accept yet: start what is enlisted.

    What cannot work is said in one sentence, and gunicorn ends, as for an application that cannot
    be loaded: a worker that serves and hears nothing would be worse.
    """
    try:
        check(worker)
        _begin(worker)
    except ChatterError as error:
        worker.log.critical("chatter: %s", error)
        sys.exit(Arbiter.WORKER_BOOT_ERROR)
    spawn(_wind_down_with, worker)


def worker_exit(server: Any, worker: Any) -> None:
    """The worker has answered its last request, or was told not to: leave the cluster."""
    # A second signal, as of Ctrl-C to the whole group and then by the master, raises SystemExit in
    # the greenlet that runs here. The others are told that we leave all the same.
    leaving = _leave()
    while not leaving.dead:
        try:
            leaving.join()
        except SystemExit:
            continue


def _begin(worker: Any) -> None:
    """Start what is enlisted; at a reload, when the worker before has left the port to us.

    With one worker the settings may name a port. gunicorn boots the next one first and then ends
    that before it, which answers its requests to the end; those that come wait in the backlog.
    """
    settings = worker.cfg
    # The first ones have none before them, and of several one port can't be for each.
    may_wait = settings.workers == 1 and worker.age > 1
    until = time.monotonic() + settings.graceful_timeout + serving.stop_limit_s() + MARGIN_S
    said = False
    while True:
        try:
            return serving.begin()
        except ConfigError as error:
            if not (may_wait and _is_taken(error) and time.monotonic() < until):
                raise
        if not worker.alive:
            sys.exit(0)  # told to end before it could begin
        if not said:
            worker.log.info("chatter: waiting for the port until the worker before has left it")
            said = True
        worker.notify()
        sleep(RETRY_S)


def _is_taken(error: ConfigError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE


_leaving: tuple[int, Greenlet] | None = None


def _leave() -> Greenlet:
    """Leave the cluster, once in each process, whoever comes first; to be joined."""
    global _leaving
    # The master may call worker_exit too, and what it has is what the next workers start with.
    if _leaving is None or _leaving[0] != os.getpid():
        _leaving = os.getpid(), spawn(serving.end)
    return _leaving[1]


def _wind_down_with(worker: Any) -> None:
    """gunicorn has no hook for the moment in which a worker begins to wait for its last requests:
    without this, a browser that looks at the dashboard holds up each restart by the whole of
    ``graceful_timeout``.

    Nor has it one before the end of that wait. A master that stops kills its workers
    ``graceful_timeout`` after it told them to end; they notice later and wait as long, so one with
    an open connection never gets to `worker_exit`. It leaves the cluster in time instead, also
    where the master would not kill it: a worker cannot tell the two apart.
    """
    while worker.alive:
        sleep(LOOK_S)
    serving.wind_down()
    sleep(max(0.0, worker.cfg.graceful_timeout - serving.stop_limit_s() - MARGIN_S))
    _leave()


def check(worker: Any) -> None:
    """Whether nodes can live in this worker, and what else it serves.

    Raises:
        ConfigError: they cannot; says what to do.
    """
    check_class(worker.cfg)
    too_late = patching.why_too_late(_PATCH_FIRST)
    if too_late is not None:
        raise ConfigError(too_late)
    if _needs_upgrades() and not _makes_upgrades(worker):
        raise ConfigError(
            "gevent-websocket is installed, so Socket.IO leaves WebSockets to it, and gunicorn's"
            f" worker class {worker.cfg.worker_class_str} would answer 500: start gunicorn with `-k"
            " geventwebsocket.gunicorn.workers.GeventWebSocketWorker`, or uninstall it"
        )


def check_class(settings: Any) -> None:
    """Whether the worker class of these settings waits by gevent.

    Raises:
        ConfigError: it does not; says what to do.
    """
    if not issubclass(settings.worker_class, GeventWorker):
        raise ConfigError(
            f"gunicorn's worker class {settings.worker_class_str} does not wait by gevent, as nodes"
            " do: start gunicorn with `-k gevent`"
        )


def _needs_upgrades() -> bool:
    """Whether a Socket.IO server of this process waits for gevent-websocket's upgrades.

    python-engineio decides when its first server for gevent is made: by what can be imported.
    """
    driver = sys.modules.get("engineio.async_drivers.gevent")
    return driver is not None and getattr(driver, "SimpleWebSocketWSGI", None) is None


def _makes_upgrades(worker: Any) -> bool:
    if importlib.util.find_spec("geventwebsocket") is None:
        return False
    from geventwebsocket.handler import WebSocketHandler

    handler = worker.wsgi_handler
    return isinstance(handler, type) and issubclass(handler, WebSocketHandler)
