"""What those share that read sockets in callbacks of gevent's hub."""

from __future__ import annotations

# Of libev's and libuv's events.
READABLE, WRITABLE = 1, 2

# More than this at once is mostly a burst, of which looking for a lone message would read half for
# nothing.
LONE_BYTES = 8192

# What follows the last within so long is one of many: it is read without waiting for each.
STREAM_S = 0.0002
