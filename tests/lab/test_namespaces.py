"""The lab itself: what passes between its hosts, what doesn't, and that it disappears."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.lab.errors import LabError
from scripts.lab.iproute import namespace_names, run_batches
from scripts.lab.janitor import clean
from scripts.lab.loss import drop_udp, dropped_udp, why_no_loss
from scripts.lab.namespaces import Host, NamespaceLab

pytestmark = pytest.mark.namespaces

ROOT = Path(__file__).resolve().parents[2]
GROUP = "239.77.0.1"
WAIT_S = 30.0

# Prints "ready", then each datagram of the group or for its own address, until "end".
LISTENER = f"""
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 4000))
own = socket.inet_aton(sys.argv[1])
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("{GROUP}") + own)
print("ready", flush=True)
while True:
    text = s.recv(100).decode()
    print(text, flush=True)
    if text == "end":
        break
"""
SENDER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
for word in sys.argv[2:]:
    s.sendto(word.encode(), (sys.argv[1], 4000))
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[NamespaceLab]:
    with NamespaceLab(segments=2, hosts=2) as lab:
        yield lab


class Listener:
    """A process on `host` that hears the group and its own address; ended by the word "end"."""

    def __init__(self, host: Host) -> None:
        command = [*host.command_prefix, sys.executable, "-c", LISTENER, host.ip]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def heard(self) -> list[str]:
        """All it heard before "end"."""
        output, _ = self._process.communicate(timeout=WAIT_S)
        return [line.decode() for line in output.split()][:-1]


def send(host: Host, address: str, *words: str) -> None:
    subprocess.run(
        [*host.command_prefix, sys.executable, "-c", SENDER, address, *words], check=True
    )


def test_multicast_stays_in_its_segment_and_unicast_does_not(lab: NamespaceLab) -> None:
    a1, a2, b1, b2 = lab.hosts
    listeners = [Listener(host) for host in (a2, b1, b2)]
    send(a1, GROUP, "everyone")
    send(a1, b1.ip, "you")
    # The segment's own end: what came through the router before it, comes before it.
    send(a1, GROUP, "end")
    send(b2, GROUP, "end")
    assert [listener.heard() for listener in listeners] == [["everyone"], ["you"], []]


def test_a_segment_without_its_uplink_is_alone_and_whole(lab: NamespaceLab) -> None:
    a1, a2, b1, b2 = lab.hosts
    listeners = [Listener(host) for host in (a2, b1)]
    lab.set_uplink(2, up=False)
    # A datagram that finds no route is dropped at the router: its sender learns nothing here.
    send(a1, b1.ip, "lost")
    send(b1, a2.ip, "lost")
    send(a1, a2.ip, "ours")
    send(b2, b1.ip, "ours")
    lab.set_uplink(2, up=True)
    send(a1, b1.ip, "again", "end")
    send(b1, a2.ip, "again", "end")
    assert [listener.heard() for listener in listeners] == [["ours", "again"]] * 2


def test_traffic_is_what_a_host_put_on_its_cable(lab: NamespaceLab) -> None:
    a1, a2, *_ = lab.hosts
    listener = Listener(a2)
    before = lab.traffic()
    # A multicast asks nobody for a hardware address: these are the only packets.
    send(a1, GROUP, "x" * 50, "end")
    listener.heard()
    after = lab.traffic()
    sent = after[a1] - before[a1]
    headers = 14 + 20 + 8  # Ethernet, IPv4, UDP
    assert (sent.sent_packets, sent.sent_bytes) == (2, 2 * headers + 50 + len("end"))
    received = after[a2] - before[a2]
    assert (received.received_packets, received.received_bytes) == (2, sent.sent_bytes)


def test_a_host_loses_as_many_datagrams_as_it_was_told_to(lab: NamespaceLab) -> None:
    reason = why_no_loss()
    if reason is not None:
        pytest.skip(reason)
    a1, a2, *_ = lab.hosts
    listener = Listener(a2)
    drop_udp(a2, 1000)
    send(a1, GROUP, "lost")
    drop_udp(a2, 500)
    send(a1, GROUP, *["perhaps"] * 400)
    lost = dropped_udp(a2)
    drop_udp(a2, 0)
    assert dropped_udp(a2) == 0
    send(a1, GROUP, "heard", "end")
    words = listener.heard()
    assert "lost" not in words
    # 400 tosses of a coin leave this range once in 10^20 runs.
    assert 100 < words.count("perhaps") < 300
    assert lost == 400 - words.count("perhaps")
    assert words[-1] == "heard"


def test_a_loss_that_can_not_be_is_refused(lab: NamespaceLab) -> None:
    with pytest.raises(LabError, match="between 0 and 1,000"):
        drop_udp(lab.hosts[0], 1001)


def test_two_labs_do_not_meet(lab: NamespaceLab) -> None:
    with NamespaceLab(segments=1, hosts=2) as other:
        listener = Listener(other.hosts[0])
        send(lab.hosts[0], GROUP, "stranger")
        send(other.hosts[1], GROUP, "end")
        assert listener.heard() == []


def test_a_closed_lab_is_gone_and_so_is_what_ran_in_it() -> None:
    with NamespaceLab(segments=1, hosts=1) as lab:
        host = lab.hosts[0]
        assert host.namespace in namespace_names()
        left_running = subprocess.Popen([*host.command_prefix, "sleep", "600"])
        # Only once `ip` has become `sleep` is it in the namespace.
        wait_until(lambda: Path(f"/proc/{left_running.pid}/comm").read_text() == "sleep\n")
    assert left_running.wait(WAIT_S) == -signal.SIGKILL
    assert not any(name.startswith(lab.prefix) for name in namespace_names())
    lab.close()


def test_a_lab_that_could_not_be_built_leaves_nothing() -> None:
    lab = NamespaceLab(segments=1, hosts=2)
    run_batches([(None, [f"netns add {lab.hosts[1].namespace}"])])  # in its way
    with pytest.raises(LabError, match="ip refused"):
        lab.start()
    assert not any(name.startswith(lab.prefix) for name in namespace_names())


def test_a_killed_owner_leaves_nothing() -> None:
    program = (
        "import sys, time; from scripts.lab.namespaces import NamespaceLab;"
        "lab = NamespaceLab(2, 2); lab.start(); print(lab.prefix, flush=True); time.sleep(600)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None
    prefix = owner.stdout.readline().decode().strip()
    assert sum(name.startswith(prefix) for name in namespace_names()) == 5
    owner.kill()
    owner.communicate()
    wait_until(lambda: not any(name.startswith(prefix) for name in namespace_names()))


def test_clean_removes_what_a_dead_owner_left_and_nothing_in_use(lab: NamespaceLab) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    names = [f"chatter-lab-{ended.pid}-0000-router", f"chatter-lab-{ended.pid}-0000-s1h1"]
    run_batches([(None, [f"netns add {name}" for name in names])])
    assert set(names) <= set(clean())
    left = set(namespace_names())
    assert not left & set(names)
    assert {host.namespace for host in lab.hosts} <= left


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
