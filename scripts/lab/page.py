"""The socket on which a browser of this machine finds the dashboard of a demo."""

import socket

from scripts.lab.errors import LabError

USUAL_PORT = 8480
_BACKLOG = 64


def open_page(port: int | None) -> socket.socket:
    """A listening socket on 127.0.0.1, in the network namespace that we are in.

    Args:
        port: None takes the usual one, or any other if that is taken.

    Raises:
        LabError: the port that was asked for is taken.
    """
    wanted = USUAL_PORT if port is None else port
    try:
        return _listen(wanted)
    except OSError as error:
        if port is not None:
            raise LabError(
                f"no dashboard at port {port}: {error.strerror}; name another --dashboard PORT"
            ) from error
        return _listen(0)


def url_of(page: socket.socket) -> str:
    """What to type into a browser."""
    host, port = page.getsockname()
    return f"http://{host}:{port}/"


def _listen(port: int) -> socket.socket:
    page = socket.socket()
    try:
        # A demo that was ended a moment ago must not keep the port.
        page.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        page.bind(("127.0.0.1", port))
        page.listen(_BACKLOG)
    except OSError:
        page.close()
        raise
    return page
