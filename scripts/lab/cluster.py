"""Node processes in segments: in namespaces, or on loopback with one multicast group a segment."""

import contextlib
import os
import random
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.lab.errors import LabError
from scripts.lab.ledger import Broadcast, Ledger
from scripts.lab.namespaces import Host, NamespaceLab
from scripts.lab.programs import SIDECAR, Program
from scripts.lab.sidecar import Sidecar, chatter_command, node_environment
from scripts.lab.signals import signals_held
from scripts.lab.tree import Place
from scripts.lab.views import Membership, Views, membership, segments_agreed

Progress = Callable[[str], None]

_PORT = 29999
_GROUP = "224.1.1.1:29999"
_LEAVE_S = 4.0  # a node's own stop takes at most 2 s; a busy machine may double that
_READY_S = 60.0  # twelve interpreters on a machine with one core
_POLL_S = 0.1


def silent(_: str) -> None:
    """Progress that nobody wants to see."""


class Cluster:
    """Nodes in segments, up between `start` and `close`; also a context manager.

    Args:
        segments: 1 or more; with namespaces as many as the lab has.
        hosts: nodes in each segment.
        lab: None puts the nodes on 127.0.0.1 and each segment on a multicast group of its own: the
            same behaviour, without a network in between.
        progress: told in a few words how far a start is.
        program: what each node runs.
        multicast: False leaves the nodes with the tree alone; only the sidecar takes that.
        dashboard: a listening socket on which the first node serves the dashboard. It stays in the
            namespace that made it, so a browser of this machine reaches a node in another one.
    """

    def __init__(
        self,
        segments: int,
        hosts: int,
        lab: NamespaceLab | None,
        progress: Progress = silent,
        program: Program = SIDECAR,
        multicast: bool = True,
        dashboard: socket.socket | None = None,
    ) -> None:
        self.places = [
            Place(segment, number)
            for segment in range(1, segments + 1)
            for number in range(1, hosts + 1)
        ]
        self._hosts: dict[Place, Host] = {}
        if lab is not None:
            self._hosts = {Place(host.segment, host.number): host for host in lab.hosts}
        self._progress = progress
        self._program = program
        self._multicast = multicast
        self._dashboard = dashboard
        self._key = ""
        # On loopback all clusters of a machine share one wire: a group and port drawn anew keep
        # them apart.
        self._loopback_group = (
            f"239.77.{{segment}}.{random.randrange(1, 255)}:{random.randrange(20000, 30000)}"
        )
        self._seed = ""
        self._started: list[Sidecar] = []
        self.news = threading.Condition()
        self.nodes: dict[Place, Sidecar] = {}

    def start(self) -> None:
        """Returns once every node is ready.

        Raises:
            LabError: a node ended or took too long; nothing is left running.
        """
        try:
            self._key = self._generate_key()
            # On loopback the seed's port isn't known before it is ready, so it goes first.
            first, *others = self.places
            if self._hosts:
                self._seed = f"{self._hosts[first].ip}:{_PORT}"
                self._start([first, *others])
            else:
                self._start([first])
                self._seed = self.nodes[first].address
                self._start(others)
        except BaseException:
            self.close()
            raise

    def start_node(self, place: Place) -> Sidecar:
        """A new process where the former one has ended, ready."""
        self._start([place])
        return self.nodes[place]

    def give_up(self, place: Place) -> Sidecar:
        """The node there, which from now on nobody asks: it was killed or frozen, and may be.

        It still ends with the cluster. Put back into `nodes` it is asked again.
        """
        return self.nodes.pop(place)

    def close(self) -> None:
        """Every node leaves; those that won't are killed. May be called again."""
        started, self._started = self._started, []
        for sidecar in started:
            sidecar.leave()
        deadline = time.monotonic() + _LEAVE_S
        for sidecar in started:
            if sidecar.wait(max(0.0, deadline - time.monotonic())) is None:
                sidecar.kill()
            sidecar.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def by_address(self) -> dict[str, Place]:
        """Where each node stands, by its address."""
        return {node.address: place for place, node in self.nodes.items()}

    def views(self) -> Views:
        """What each node says of its peers now."""
        places = self.by_address
        return {places[node.address]: answer["peers"] for node, answer in self._ask_all("peers")}

    def wait_for_membership(self, timeout_s: float = 60.0) -> None:
        """Returns once each node sees all others alive, and its segment hearing its multicasts.

        Raises:
            LabError: it took longer; says how far it came.
        """
        deadline = time.monotonic() + timeout_s
        while not (state := self._membership()).complete:
            self._progress(str(state))
            if time.monotonic() > deadline:
                raise LabError(f"the nodes did not find each other within {timeout_s:g} s: {state}")
            time.sleep(_POLL_S)

    def wait_for_segments(self, timeout_s: float) -> bool:
        """Waits until each node knows of each segment that it is one; whether it came to that.

        Nodes of a segment are believed when they say so, and it takes a while until all have heard
        it. Before that a broadcast reaches everybody too, but by a tree with more hops.
        """
        count = len({place.segment for place in self.places})
        deadline = time.monotonic() + timeout_s
        while (agreed := segments_agreed(self.views(), self.by_address)) < count:
            self._progress(f"segments known to all {agreed} of {count}")
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def broadcast(
        self, origin: Place, tag: str, body: Any, ledger: Ledger, to: list[Place] | None = None
    ) -> Broadcast:
        """The broadcast that `origin` has just sent, entered in `ledger`."""
        addresses = None if to is None else [self.nodes[place].address for place in to]
        node = self.nodes[origin]
        sent = node.request({"broadcast": {"tag": tag, "body": body, "to": addresses}}, "sent")
        return ledger.add_sent(node.address, sent, addresses)

    def collect(self, ledger: Ledger) -> bool:
        """Whether any node had dispatched anything since the last call; now it is in `ledger`.

        Raises:
            LabError: a node ended, or reported an error.
        """
        news = False
        if self._program.keeps_messages:
            for node, answer in self._ask_all("messages"):
                for message in answer["messages"]:
                    ledger.add_message(node.address, message)
                    news = True
        for node in self.nodes.values():
            for event in node.take():
                if event["event"] == "message":
                    ledger.add_message(node.address, event)
                    news = True
                elif event["event"] == "error":
                    raise LabError(f"node {node.name} reported: {event['message']}")
            node.raise_if_ended()
        return news

    def settle(
        self, ledger: Ledger, broadcasts: list[Broadcast], timeout_s: float, quiet_s: float
    ) -> None:
        """Collects until all `broadcasts` have arrived or the time is over, and `quiet_s` more.

        The time after is for what must not come: second dispatches and uninvited ones.
        """
        deadline = time.monotonic() + timeout_s
        while any(broadcast.missing() for broadcast in broadcasts) and time.monotonic() < deadline:
            if not self.collect(ledger):
                time.sleep(0.01)
        quiet_until = time.monotonic() + quiet_s
        while time.monotonic() < quiet_until:
            time.sleep(min(0.05, quiet_s))
            self.collect(ledger)

    def counters(self) -> dict[str, int]:
        """The sums of all nodes' counters."""
        sums: dict[str, int] = {}
        for _, answer in self._ask_all("stats"):
            for name, value in answer["counters"].items():
                sums[name] = sums.get(name, 0) + value
        return sums

    def cpu_ns(self) -> int:
        """The CPU time that all nodes together have used since they started."""
        return sum(node.cpu_ns() for node in self.nodes.values())

    def _membership(self) -> Membership:
        return membership(self.views(), self.by_address, self._multicast)

    def _start(self, places: list[Place]) -> None:
        with self._key_file() as key_file:
            for place in places:
                command = self._command(place, key_file)
                shown = self._descriptors(place)
                for number in shown:
                    command += ["--dashboard", f"fd://{number}", "--dashboard-send"]
                with signals_held():
                    sidecar = Sidecar(place.name, command, self.news, pass_fds=shown)
                    self._started.append(sidecar)
                self.nodes[place] = sidecar
            for count, place in enumerate(places, 1):
                self._progress(f"starting {len(places)} nodes, {count - 1} ready")
                self.nodes[place].wait_until_ready(_READY_S)

    def _descriptors(self, place: Place) -> list[int]:
        """Of the dashboard's socket, if it is this node that serves it."""
        if self._dashboard is None or place != self.places[0]:
            return []
        return [self._dashboard.fileno()]

    def _command(self, place: Place, key_file: Path) -> list[str]:
        host = self._hosts.get(place)
        if host is not None:
            prefix, address, group, interface = (
                host.command_prefix,
                f"{host.ip}:{_PORT}",
                _GROUP,
                host.ip,
            )
        else:
            group = self._loopback_group.format(segment=place.segment)
            prefix, address, interface = [], "127.0.0.1:0", "127.0.0.1"
        command = [
            *prefix,
            *self._program.command,
            *("--key-file", str(key_file), "--address", address),
            *(
                ("--multicast", group, "--interface", interface)
                if self._multicast
                else ("--no-multicast",)
            ),
        ]
        if self._seed and self._seed != address:
            command += ["--join", self._seed]
        return command

    def _generate_key(self) -> str:
        done = subprocess.run(
            chatter_command("keygen"), capture_output=True, env=node_environment(), check=False
        )
        if done.returncode != 0:
            raise LabError(f"chatter keygen failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode()

    @contextlib.contextmanager
    def _key_file(self) -> Iterator[Path]:
        # There only while nodes start, so that not even SIGKILL is likely to leave a key behind.
        descriptor, name = tempfile.mkstemp(prefix="chatter-lab-", suffix=".key")  # mode 600
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(self._key)
            yield Path(name)
        finally:
            Path(name).unlink()

    def _ask_all(self, what: str) -> list[tuple[Sidecar, dict[str, Any]]]:
        """Each node's answer; all are asked before the first is waited for."""
        refs = [(node, node.post({what: True})) for node in self.nodes.values()]
        return [(node, node.answer(ref, what)) for node, ref in refs]
