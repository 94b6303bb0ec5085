"""Lines to pipes, sockets and files: whole, in turn, and never at the cost of other greenlets."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from chatter.command.outlet import CHUNK_BYTES, Outlet
from tests.command.descriptors import DEADLINE_S, close, read_exactly, read_some


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for descriptor in ends:
        try:
            close(descriptor)
        except OSError:
            continue  # the test closed it


def test_a_line_arrives_at_once(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    assert Outlet(writer).write(b"line\n")
    assert read_exactly(reader, 5) == b"line\n"


def test_a_full_pipe_stops_the_writer_alone(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    line = b"x" * 300_000 + b"\n"  # above what a pipe holds
    writing = gevent.spawn(Outlet(writer).write, line)
    # If the write blocked the thread, this would never come back.
    gevent.sleep(0.05)
    assert not writing.ready()
    assert read_exactly(reader, len(line)) == line
    assert writing.get(timeout=DEADLINE_S) is True


def test_waiting_lines_stay_whole_and_in_order(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer)
    lines = [bytes([65 + number]) * 50_000 + b"\n" for number in range(5)]
    writers = [gevent.spawn(outlet.write, line) for line in lines]
    gevent.sleep(0)
    killed = gevent.spawn(outlet.write, b"never\n")
    gevent.sleep(0)
    killed.kill()
    writers.append(gevent.spawn(outlet.write, b"last\n"))
    wanted = b"".join(lines) + b"last\n"
    assert read_exactly(reader, len(wanted)) == wanted
    gevent.joinall(writers, timeout=DEADLINE_S, raise_error=True)


def test_one_who_waits_is_not_overtaken(pipe: tuple[int, int]) -> None:
    """Otherwise a flood of messages would keep an answer out for as long as it lasts."""
    reader, writer = pipe
    outlet = Outlet(writer)

    def flood() -> None:
        while outlet.write(b"m" * 9_999 + b"\n"):
            pass

    flooding = gevent.spawn(flood)
    gevent.sleep(0.01)  # the pipe is full now
    answering = gevent.spawn(outlet.write, b"a" * 9_999 + b"\n")
    gevent.sleep(0)
    data = b""
    while b"a\n" not in data:
        data += read_some(reader)
        assert len(data) < 500_000
    answering.join(DEADLINE_S)
    flooding.kill()
    assert {bytes(line) for line in data.split(b"\n")[:-1]} == {b"m" * 9_999, b"a" * 9_999}


def test_a_reader_that_left_is_noticed_without_writing(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer)
    assert not outlet.is_closed()
    close(reader)
    assert outlet.is_closed()
    assert not outlet.write(b"line\n")


def test_a_reader_that_leaves_frees_the_writer(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    writing = gevent.spawn(Outlet(writer).write, b"x" * 300_000)
    gevent.sleep(0.01)
    close(reader)
    assert writing.get(timeout=DEADLINE_S) is False


def test_the_flags_of_the_open_file_stay_as_they_are(pipe: tuple[int, int]) -> None:
    _, writer = pipe
    before = fcntl.fcntl(writer, fcntl.F_GETFL)
    Outlet(writer).write(b"line\n")
    assert fcntl.fcntl(writer, fcntl.F_GETFL) == before


def test_a_pipe_that_somebody_made_non_blocking(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    line = b"x" * 200_000
    writing = gevent.spawn(Outlet(writer).write, line)
    data = b""
    while len(data) < len(line):
        data += read_some(reader, 1000)  # never as much room as the writer tries for
    assert writing.get(timeout=DEADLINE_S) is True
    assert data == line


def test_sockets() -> None:
    ours, theirs = socket.socketpair()
    with theirs, ours:
        outlet = Outlet(ours.fileno())
        line = b"x" * 1_000_000 + b"\n"
        writing = gevent.spawn(outlet.write, line)
        data = b""
        while len(data) < len(line):
            data += theirs.recv(CHUNK_BYTES)
        assert data == line
        assert writing.get(timeout=DEADLINE_S) is True
        assert not outlet.is_closed()
        theirs.close()
        assert outlet.is_closed()


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("wb") as file:
        outlet = Outlet(file.fileno())
        assert outlet.write(b"x" * 100_000)
        assert not outlet.is_closed()
    assert path.stat().st_size == 100_000


def test_write_now_takes_what_fits_and_refuses_the_rest(pipe: tuple[int, int]) -> None:
    _, writer = pipe
    outlet = Outlet(writer)
    assert not outlet.write_now(b"x" * (CHUNK_BYTES + 1))
    written = 0
    while outlet.write_now(b"x" * CHUNK_BYTES):
        written += CHUNK_BYTES
    assert written >= CHUNK_BYTES
