"""Log lines that nobody reads are dropped and counted; the node goes on."""

from __future__ import annotations

import logging
import os

from chatter.command.logs import StderrHandler
from chatter.command.outlet import CHUNK_BYTES, Outlet
from tests.command.descriptors import close


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("chatter", logging.INFO, __file__, 1, text, (), None)


def test_an_unread_stderr_drops_lines_and_says_so_later() -> None:
    reader, writer = os.pipe()
    try:
        handler = StderrHandler(Outlet(writer))
        handler.emit(record("first"))
        for _ in range(100):
            handler.emit(record("x" * 10_000))  # cut, and still more than the pipe holds
        assert os.read(reader, 6) == b"first\n"
        os.set_blocking(reader, False)
        while True:
            try:
                os.read(reader, CHUNK_BYTES)
            except BlockingIOError:
                break
        handler.emit(record("again"))
        notice, again = os.read(reader, CHUNK_BYTES).splitlines()
        assert notice.endswith(b"log lines dropped: stderr was not read)")
        assert again == b"again"
    finally:
        close(reader)
        close(writer)


def test_a_long_line_is_cut() -> None:
    reader, writer = os.pipe()
    try:
        StderrHandler(Outlet(writer)).emit(record("x" * 100_000))
        line = os.read(reader, 1_000_000)
        assert len(line) == CHUNK_BYTES
        assert line.endswith(b" ...\n")
    finally:
        close(reader)
        close(writer)
