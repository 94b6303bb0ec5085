"""Four workers, each a member of the cluster from before its first request until it ends."""

from __future__ import annotations

import importlib.util
import os

from chatter.integrations.gunicorn import on_starting, post_worker_init, worker_exit  # noqa: F401

bind = os.environ.get("CHAT_BIND", "127.0.0.1:8000")
workers = 4
# Where gevent-websocket can be imported python-engineio takes it, and it needs its own worker.
worker_class = (
    "gevent"
    if importlib.util.find_spec("geventwebsocket") is None
    else "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"
)
