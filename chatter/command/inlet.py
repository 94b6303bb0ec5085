"""Chunks from a file descriptor, while the other greenlets go on."""

import os
import stat
from collections.abc import Iterator

from gevent.os import tp_read
from gevent.socket import wait_read

CHUNK_BYTES = 65_536


def read_chunks(descriptor: int) -> Iterator[bytes]:
    """What can be read from `descriptor`, as it comes, until its end.

    Pipes, sockets and terminals are waited for in the hub. Regular files and devices like /dev/null
    can't be (epoll refuses them), so those are read in gevent's thread pool. The open file's flags
    stay as they are, since a terminal shares them with the shell.
    """
    waitable = _is_waitable(descriptor)
    while True:
        try:
            if waitable:
                wait_read(descriptor)
                chunk = os.read(descriptor, CHUNK_BYTES)
            else:
                chunk = tp_read(descriptor, CHUNK_BYTES)
        except BlockingIOError:
            continue  # another process that shares the pipe was faster
        except OSError:
            return  # a terminal that hung up, a connection that was reset: there is no more to come
        if not chunk:
            return
        yield chunk


def _is_waitable(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)
