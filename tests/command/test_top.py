"""`chatter top` as a process, beside a node that stays."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys

import gevent
from gevent.os import tp_read

from tests.command.descriptors import DEADLINE_S
from tests.command.process import ROOT, Cluster


def test_json_is_the_snapshot_of_the_cluster(cluster: Cluster) -> None:
    node = cluster.sidecar()
    node.broadcast(tag="hello", body=1)
    node.event("sent")
    top = cluster.start("top", "--json")
    assert top.ended() == 0, top.errors
    (line,) = top.lines
    snapshot = json.loads(line)

    assert snapshot["nodes"][node.address]["broadcasts"] == 1
    assert snapshot["nodes"][node.address]["state"] == "alive"
    assert len(snapshot["nodes"]) == 2
    assert node.event("peer")["state"] == "alive"
    assert node.event("peer")["state"] == "left"


def test_where_stdout_is_no_terminal_the_table_is_printed_once(cluster: Cluster) -> None:
    node = cluster.sidecar()
    top = cluster.start("top")
    assert top.ended() == 0, top.errors
    text = b"".join(top.lines).decode()

    assert "2 nodes: 2 alive" in text
    assert f" {node.address}" in text
    assert "\x1b" not in text


def test_on_a_terminal_it_draws_until_it_is_interrupted(cluster: Cluster) -> None:
    node = cluster.sidecar()
    ours, theirs = pty.openpty()
    top = subprocess.Popen(
        [sys.executable, "-m", "chatter", "top", *cluster.options],
        cwd=ROOT,
        env={**cluster.environment, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        seen = ""
        with gevent.Timeout(DEADLINE_S):
            while "2 nodes:" not in seen or node.address not in seen:
                seen += tp_read(ours, 65536).decode(errors="replace")
            top.send_signal(signal.SIGINT)
            assert top.wait() == 0
    finally:
        top.kill()
        top.wait()
        os.close(ours)
    assert "\x1b[?1049h" in seen, "a screen of its own: what stood there before comes back"


def test_without_rich_it_says_what_to_install(cluster: Cluster) -> None:
    program = (
        "import sys; sys.modules['rich.console'] = None; import chatter.__main__ as m; m.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "top", *cluster.options],
        cwd=ROOT,
        env=cluster.environment,
        capture_output=True,
        timeout=60,
    )

    assert done.returncode == 1
    assert b"pip install '.[top]'" in done.stderr
    assert b"Traceback" not in done.stderr
