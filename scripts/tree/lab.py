"""The same in namespaces, with real processes and sockets: `scripts/measure_tree --lab`."""

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from scripts.lab.cluster import Cluster
from scripts.lab.errors import LabError
from scripts.lab.iproute import run_in
from scripts.lab.ledger import Ledger
from scripts.lab.namespaces import NamespaceLab
from scripts.lab.programs import Program
from scripts.lab.sidecar import node_environment
from scripts.lab.tree import Place

# Nodes ask one peer a second how far it is, until they have three answers of each.
_ASKED_PER_NODE = 3
_PAUSE_S = 0.5


def last_one_ms(
    nodes: int, one_way_s: float, tree: str, count: int, progress: Callable[[str], None]
) -> float:
    """How late the last node has a broadcast, in the middle of so many.

    Args:
        tree: ``planned``, ``halving`` or ``star``.

    Raises:
        LabError: it can't be measured here, or somebody did not get it.
    """
    program = Program(
        tree, (sys.executable, "-P", "-m", "scripts.tree.node", tree), keeps_messages=True
    )
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(NamespaceLab(nodes, 1))
        stack.enter_context(_delayed(lab, one_way_s))
        cluster = stack.enter_context(Cluster(nodes, 1, lab, progress, program))
        cluster.wait_for_membership()
        origin = Place(1, 1)
        warm_up = Ledger(cluster.by_address, keep=1000)
        until = time.monotonic() + _ASKED_PER_NODE * nodes + 5
        while time.monotonic() < until:
            progress(f"{tree}: measures for another {until - time.monotonic():.0f} s")
            cluster.broadcast(origin, "warm", None, warm_up)
            time.sleep(_PAUSE_S)
        cluster.collect(warm_up)
        ledger = Ledger(cluster.by_address, keep=count)
        for number in range(count):
            progress(f"{tree}: {number} of {count}")
            cluster.broadcast(origin, "measured", None, ledger)
            time.sleep(_PAUSE_S)
        cluster.collect(ledger)
        progress("")
        if ledger.totals().missing:
            raise LabError(f"{ledger.totals().missing} deliveries are missing")
        return statistics.median(ledger.last_node_ms())


@contextlib.contextmanager
def _delayed(lab: NamespaceLab, one_way_s: float) -> Iterator[None]:
    python = [sys.executable, "-P", "-m", "scripts.tree.delayer"]
    lines = []
    for host in lab.hosts:
        run_in(host.namespace, [*python, "--plain", "eth0"])
        hardware = run_in(host.namespace, ["cat", "/sys/class/net/eth0/address"]).strip()
        lines.append(f"{host.ip} {hardware}\n")
    with subprocess.Popen(
        ["ip", "netns", "exec", lab.router, *python, str(one_way_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=node_environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(lines) + "\n")
        process.stdin.flush()
        if process.stdout.readline() != "ready\n":
            raise LabError("the router that delays did not start")
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(5)
