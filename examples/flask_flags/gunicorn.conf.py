from chatter.integrations.gunicorn import on_starting, post_worker_init, worker_exit  # noqa: F401

worker_class = "gevent"
workers = 4
bind = "127.0.0.1:8000"
