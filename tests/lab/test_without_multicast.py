"""An interface that carries no multicast, as those of most tunnels and clouds: said once, and done
without."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatter import generate_key
from scripts.lab.iproute import run_in
from scripts.lab.namespaces import Host, NamespaceLab
from scripts.lab.sidecar import Sidecar
from tests.integrations.servers import BIN, HOOKS, ROOT, SITE

pytestmark = pytest.mark.namespaces

WAIT_S = 60.0
GROUP = "239.77.0.9:29999"
SAID = (
    f"multicast group {GROUP.replace(':', ' port ')} cannot be used on eth0 ({{ip}}): the interface"
    " says that it carries no multicast; set `interface` to the address of one that does, or, if"
    " its driver is wrong, `ip link set eth0 multicast on`"
)


@pytest.fixture
def hosts() -> Iterator[tuple[Host, ...]]:
    with NamespaceLab(segments=1, hosts=2) as lab:
        for host in lab.hosts:
            run_in(host.namespace, ["ip", "link", "set", "eth0", "multicast", "off"])
        yield lab.hosts


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def test_nodes_say_so_in_one_sentence_and_meet_by_tcp(
    hosts: tuple[Host, ...], tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text(generate_key())
    here, there = hosts
    changed = threading.Condition()
    sidecars = []
    logs = []
    try:
        for host, other in ((here, there), (there, here)):
            logs.append(tmp_path / host.ip)
            command = [sys.executable, "-m", "chatter", "node", "--json"]
            command += ["--address", f"{host.ip}:29999", "--multicast", GROUP]
            command += ["--join", f"{other.ip}:29999", "--key-file", str(key)]
            shell = ["sh", "-c", 'log=$1; shift; exec "$@" 2>"$log"', "sh", str(logs[-1]), *command]
            sidecars.append(Sidecar(host.ip, [*host.command_prefix, *shell], changed))
        for sidecar in sidecars:
            sidecar.wait_until_ready(WAIT_S)
        first, second = sidecars
        until(lambda: first.request({"peers": True}, "peers", WAIT_S)["peers"], "the other node")
        first.request({"broadcast": {"tag": "t", "body": "hello", "to": None}}, "sent", WAIT_S)
        messages: list[dict[str, object]] = []

        def arrived() -> bool:
            messages.extend(one for one in second.take() if one["event"] == "message")
            return bool(messages)

        until(arrived, "the message")
        assert [(one["body"], one["via"]) for one in messages] == [("hello", "tcp")]
        for host, log in zip(hosts, logs, strict=True):
            assert log.read_text().count(SAID.format(ip=host.ip)) == 1
    finally:
        for sidecar in sidecars:
            sidecar.leave()
            sidecar.kill()
            sidecar.close()


def test_a_worker_of_gunicorn_says_so_and_serves(hosts: tuple[Host, ...], tmp_path: Path) -> None:
    host = hosts[0]
    (tmp_path / "site_app.py").write_text(SITE)
    (tmp_path / "gunicorn.conf.py").write_text(HOOKS)
    (tmp_path / "records").mkdir()
    log = tmp_path / "log"
    environment = os.environ | {
        "CHATTER_KEY": generate_key(),
        "FLASK_CHATTER_ADDRESS": f"{host.ip}:0",
        "FLASK_CHATTER_MULTICAST": f'["{GROUP}"]',
        "RECORDS": str(tmp_path / "records"),
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
    }
    command = [str(BIN / "gunicorn"), "-b", "127.0.0.1:8000", "--no-control-socket"]
    command += ["-k", "gevent", "site_app:app"]
    with open(log, "wb") as output:
        server = subprocess.Popen(
            [*host.command_prefix, *command],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        ask = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/who').read())"

        def answer() -> str:
            asked = [*host.command_prefix, sys.executable, "-c", ask]
            return subprocess.run(asked, capture_output=True, text=True, check=False).stdout

        until(lambda: host.ip in answer(), f"an answer; {log.read_text()}")
        assert log.read_text().count(SAID.format(ip=host.ip)) == 1
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(WAIT_S) == 0
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
