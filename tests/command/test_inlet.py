"""Chunks from whatever stdin may be."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import gevent

from chatter.command.inlet import read_chunks
from tests.command.descriptors import DEADLINE_S, close


def read_all(descriptor: int) -> bytes:
    return b"".join(read_chunks(descriptor))


def test_a_pipe_is_waited_for_while_others_go_on() -> None:
    reader, writer = os.pipe()
    try:
        reading = gevent.spawn(read_all, reader)
        gevent.sleep(0.01)
        os.write(writer, b"one")
        gevent.sleep(0.01)
        os.write(writer, b"two")
        close(writer)
        assert reading.get(timeout=DEADLINE_S) == b"onetwo"
    finally:
        close(reader)


def test_a_socket() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(b"data")
        assert read_all(ours.fileno()) == b"data"


def test_a_regular_file_and_dev_null(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"x" * 200_000)
    for name, size in ((path, 200_000), (Path("/dev/null"), 0)):
        with name.open("rb") as file:
            assert len(read_all(file.fileno())) == size


def test_a_terminal_until_it_hangs_up() -> None:
    master, slave = os.openpty()
    reading = gevent.spawn(read_all, slave)
    gevent.sleep(0.01)
    os.write(master, b"line\n")
    gevent.sleep(0.01)
    close(master)
    assert reading.get(timeout=DEADLINE_S) == b"line\n"
    close(slave)
