"""Logs go to stderr, and never hold up the node.

A parent that starts a sidecar and doesn't read its stderr would, with the ordinary handler, stop
the node at the first line above what the pipe holds. This one drops lines then, and says how many.
"""

import logging

from chatter.command.outlet import CHUNK_BYTES, Outlet

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
CUT = b" ...\n"


class StderrHandler(logging.Handler):
    """Writes each record as one write, or drops it where stderr takes no more."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self._outlet = outlet
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        except Exception:
            self.handleError(record)
            return
        if self._dropped:
            notice = f"({self._dropped} log lines dropped: stderr was not read)\n".encode()
            if not self._outlet.write_now(notice):
                self._dropped += 1
                return
            self._dropped = 0
        if len(line) > CHUNK_BYTES:
            line = line[: CHUNK_BYTES - len(CUT)] + CUT
        if not self._outlet.write_now(line):
            self._dropped += 1


def log_to_stderr(level: int) -> None:
    """Send what all loggers say at `level` and above to stderr."""
    handler = StderrHandler(Outlet(2))
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.root.addHandler(handler)
    logging.root.setLevel(level)
