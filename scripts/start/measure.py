"""What starting costs: `scripts/measure_start --help`."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from chatter import generate_key

ABOUT = """\
Starts Python again and again, in turn with nothing, with the packages that chatter stands on, and
with chatter, all with compiled bytecode at hand as after an installation, and patched by gevent as
programs that use chatter are. Then starts sibling nodes on loopback: how long each takes from the
first instruction of its process until it is in the cluster, and which memory none of the others
shares with it."""

PATCHED = "from gevent import monkey; monkey.patch_all(); "
BARE = (
    PATCHED + "import gevent.event, gevent.pool, gevent.socket, Crypto.Cipher.AES, lz4.block,"
    " dataclasses, heapq, ipaddress, json, logging, random, socket, struct"
)
CHATTER = BARE + "; import chatter"

# A node as a process of its own: says when it met the others, and what memory it has by then.
NODE = """
import time
began = time.monotonic()
{bare}
def private_kib():
    with open("/proc/self/smaps_rollup", encoding="ascii") as rollup:
        return sum(int(line.split()[1]) for line in rollup if line.startswith("Private_"))
import sys
bare = private_kib()
import chatter
node = chatter.Chatter(address="127.0.0.1:0", multicast=[{group!r}], interface="127.0.0.1",
                       key={key!r})
node.start()
started = time.monotonic() - began
met = node.wait_for_peers({others}, timeout=20)
time.sleep(2)
import json
print(json.dumps({{"started_s": started, "met": met, "bare": bare, "private": private_kib()}}),
      flush=True)
sys.stdin.read()
"""


def main() -> int:
    """The exit status: 0 if every node met the others."""
    parser = argparse.ArgumentParser(
        prog="scripts/measure_start",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=21, help="of each import (default: 21)")
    parser.add_argument("--nodes", type=int, default=4, help="sibling nodes (default: 4)")
    options = parser.parse_args()
    if options.runs < 3 or options.nodes < 2:
        parser.error("--runs is at least 3 and --nodes at least 2")
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        measure_imports(options.runs, environment)
        return 0 if measure_nodes(options.nodes, environment) else 1


def measure_imports(runs: int, environment: dict[str, str]) -> None:
    """Show what importing takes, in turn."""

    def seconds(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-P", "-c", code], env=environment, check=True)
        return time.perf_counter() - began

    seconds(CHATTER)  # writes the bytecode
    taken = [(seconds("pass"), seconds(BARE), seconds(CHATTER)) for _ in range(runs)]
    nothing, bare, ours = (statistics.median(column) for column in zip(*taken, strict=True))
    print(
        f"Python alone {nothing * 1000:.0f} ms, with what chatter stands on {bare * 1000:.0f} ms,"
    )
    print(f"with chatter {ours * 1000:.0f} ms: {ours / bare:.2f} times (medians of {runs})")


def measure_nodes(count: int, environment: dict[str, str]) -> bool:
    """Show what sibling nodes take; whether they met."""
    group = f"239.255.77.78:{20_000 + os.getpid() % 10_000}"
    code = NODE.format(bare=BARE, group=group, key=generate_key(), others=count - 1)
    with running(count, code, environment) as nodes:
        told = [json.loads(node.stdout.readline()) for node in nodes if node.stdout is not None]
    started = statistics.median(one["started_s"] for one in told)
    private = max(one["private"] for one in told) / 1024
    above = max(one["private"] - one["bare"] for one in told) / 1024
    print(f"{count} nodes: started {started:.2f} s after their first instruction (median)")
    print(f"private memory at most {private:.1f} MiB, {above:.1f} MiB above the bare imports")
    return all(one["met"] for one in told)


@contextmanager
def running(
    count: int, code: str, environment: dict[str, str]
) -> Iterator[list[subprocess.Popen[str]]]:
    """So many processes, ended at the end."""
    nodes = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    try:
        yield nodes
    finally:
        for node in nodes:
            node.kill()
            node.wait()


if __name__ == "__main__":
    sys.exit(main())
