"""Settings of gunicorn: LAB_PORT, LAB_WORKERS, LAB_CLASS, and LAB_PRELOAD if not empty."""

# ruff: noqa: E402  (with --preload the application is loaded before gunicorn patches)
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import os
from typing import Any

from chatter.integrations import gunicorn as nodes

bind = f"127.0.0.1:{os.environ['LAB_PORT']}"
workers = int(os.environ["LAB_WORKERS"])
worker_class = os.environ["LAB_CLASS"]
preload_app = bool(os.environ.get("LAB_PRELOAD"))
graceful_timeout = 2
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None

worker_exit = nodes.worker_exit


def post_worker_init(worker: Any) -> None:
    nodes.post_worker_init(worker)
    # Waited for by whoever started us. In one write: the lines of workers must not mix.
    os.write(1, f"ready {os.getpid()}\n".encode())
