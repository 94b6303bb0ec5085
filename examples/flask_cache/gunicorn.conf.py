"""Four workers, each with a cache of its own."""

import os
from pathlib import Path

from chatter import generate_key
from chatter.integrations.gunicorn import on_starting, post_worker_init, worker_exit

__all__ = ["on_starting", "post_worker_init", "worker_exit"]

wsgi_app = "app:app"
chdir = str(Path(__file__).parent)
bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = 4
worker_class = "gevent"

# The workers inherit it, and nobody else has it. In earnest it is the same on all machines.
os.environ.setdefault("CHATTER_KEY", generate_key())
