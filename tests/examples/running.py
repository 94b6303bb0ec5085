"""The examples as a user starts them: with their one command, from the top of the checkout.

On loopback, with a group and a key that no other test uses; each a process group of its own, of
which nothing is left at the end.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent

import chatter
from chatter import generate_key
from tests.net.nodes import random_group

ROOT = Path(chatter.__file__).parent.parent
EXAMPLES = ROOT / "examples"
ROWS = dict(
    re.findall(
        r"^\| \[(\w+)\]\(\w+/\) \| [^|]+ \| `([^`]+)` \|$",
        (EXAMPLES / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
)
"""The command of each example, by its folder."""

# For a start of several processes on a machine that does other things as well.
DEADLINE_S = 60.0


def environment(**more: str) -> dict[str, str]:
    """That of a user, but for what would have it meet others."""
    group, port = random_group().split(":")
    return {
        name: value for name, value in os.environ.items() if not name.startswith("CHATTER_")
    } | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        # It has one place for all servers of a user.
        "GUNICORN_CMD_ARGS": "--no-control-socket",
        "CHATTER_KEY": generate_key(),
        "CHATTER_MULTICAST_ADDRESS": group,
        "CHATTER_MULTICAST_PORT": port,
        **more,
    }


@contextmanager
def started(name: str, folder: Path, **more: str) -> Iterator[subprocess.Popen[str]]:
    """An example; what it says is in two files of the folder, ``out`` and ``log``."""
    with open(folder / "out", "w") as out, open(folder / "log", "w") as log:
        process = subprocess.Popen(
            shlex.split(ROWS[name]),
            cwd=ROOT,
            env=environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if is_anybody_left(process):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ended(process: subprocess.Popen[str], folder: Path) -> str:
    """What it said until it ended by itself, with status 0, and its children with it."""
    deadline = time.monotonic() + DEADLINE_S
    while process.poll() is None or is_anybody_left(process):
        assert time.monotonic() < deadline, said(folder)
        gevent.sleep(0.02)
    assert process.returncode == 0, said(folder)
    return (folder / "out").read_text()


def said(folder: Path) -> str:
    """All that it said."""
    return (folder / "out").read_text() + (folder / "log").read_text()


def is_anybody_left(process: subprocess.Popen[str]) -> bool:
    """Whether a process of its group lives."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
