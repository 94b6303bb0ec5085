"""Four workers, each a member of the cluster from before its first request until it ends."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from chatter.integrations import serving

bind = os.environ.get("CHAT_BIND", "127.0.0.1:8000")
workers = 4
# Where gevent-websocket can be imported python-engineio takes it, and it needs its own worker.
worker_class = (
    "gevent"
    if importlib.util.find_spec("geventwebsocket") is None
    else "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"
)
# Connections stay open, so who stops it does not wait for them.
graceful_timeout = 1


def post_worker_init(worker: Any) -> None:
    serving.begin()


def worker_exit(server: Any, worker: Any) -> None:
    serving.end()
