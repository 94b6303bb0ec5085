"""What starting costs: `scripts/measure_start --help`."""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time

from chatter import generate_key
from scripts.measuring.arguments import number
from scripts.measuring.arguments import parser as make_parser
from scripts.measuring.child import Child, python
from scripts.measuring.errors import MeasureError
from scripts.measuring.meeting import own_group
from scripts.measuring.program import complain

ABOUT = """\
Starts Python again and again, in turn with nothing, with the packages that chatter requires, and
with chatter, which loads pycryptodome only where OpenSSL 3 is missing, so once as if it were; all
with compiled bytecode at hand as after an installation, and patched by gevent as programs that use
chatter are. Then starts sibling nodes on loopback: how long each takes from the first instruction
of its process until it is in the cluster, and which memory none of the others shares with it. They
start at once: on fewer cores they wait for each other. The extra `fast` counts as not installed."""

WITHOUT_FAST = "import sys; sys.modules['cryptography'] = None; "
PATCHED = WITHOUT_FAST + "from gevent import monkey; monkey.patch_all(); "
STANDARD = "dataclasses, heapq, ipaddress, json, logging, random, socket, struct"
LOADED = f"{PATCHED}import gevent.event, gevent.pool, gevent.socket, lz4.block, {STANDARD}"
REQUIRED = LOADED + ", Crypto.Cipher.AES"
CHATTER = PATCHED + "import chatter"
WITHOUT_OPENSSL = PATCHED + "sys.modules['chatter.wire.aead.by_libcrypto'] = None; import chatter"

# Above what a node itself waits for the others.
MET_WITHIN_S = 60.0

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
met_s = time.monotonic() - began
time.sleep(2)
import json
print(json.dumps({{"event": "met", "started_s": started, "met": met, "met_s": met_s, "bare": bare,
                  "private": private_kib()}}), flush=True)
sys.stdin.read()
"""


def main() -> int:
    """The exit status: 0 if every node met the others."""
    parser = make_parser("scripts/measure_start", ABOUT)
    for name, least, most, default, text in (
        ("--runs", 3, 1_000, 21, "of each import (default: 21)"),
        ("--nodes", 2, 200, 4, "sibling nodes (default: 4)"),
    ):
        parser.add_argument(name, type=number(least, most), default=default, help=text)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        measure_imports(options.runs, environment)
        try:
            return 0 if measure_nodes(options.nodes, environment) else 1
        except MeasureError as error:
            complain("measure_start", error)
            return 1


def measure_imports(runs: int, environment: dict[str, str]) -> None:
    """Show what importing takes, in turn."""

    def seconds(code: str) -> float:
        began = time.perf_counter()
        subprocess.run(python("-c", code), env=environment, check=True)
        return time.perf_counter() - began

    codes = ("pass", REQUIRED, LOADED, CHATTER, WITHOUT_OPENSSL)
    for code in codes:
        seconds(code)  # writes the bytecode
    taken = [[seconds(code) for code in codes] for _ in range(runs)]
    nothing, required, loaded, ours, without = (
        statistics.median(column) for column in zip(*taken, strict=True)
    )
    print(
        f"Python alone {nothing * 1000:.0f} ms,"
        f" with what chatter requires {required * 1000:.0f} ms,"
        f" without pycryptodome {loaded * 1000:.0f} ms,"
    )
    print(
        f"with chatter {ours * 1000:.0f} ms: {ours / required:.2f} and {ours / loaded:.2f} times;"
        f" without OpenSSL 3 {without * 1000:.0f} ms: {without / required:.2f} times"
        f" (medians of {runs})"
    )


def measure_nodes(count: int, environment: dict[str, str]) -> bool:
    """Show what sibling nodes take; whether they met."""
    code = NODE.format(bare=LOADED, group=own_group(), key=generate_key(), others=count - 1)
    with contextlib.ExitStack() as stack:
        nodes = [
            stack.enter_context(Child("node", python("-c", code), environment, shows_log=True))
            for _ in range(count)
        ]
        told = [node.hear("met", MET_WITHIN_S) for node in nodes]
    started = statistics.median(one["started_s"] for one in told)
    met = statistics.median(one["met_s"] for one in told)
    private = max(one["private"] for one in told) / 1024
    above = max(one["private"] - one["bare"] for one in told) / 1024
    print(
        f"{count} nodes at once: started {started:.2f} s after their first instruction, all others"
        f" met after {met:.2f} s (medians)"
    )
    print(f"private memory at most {private:.1f} MiB, {above:.1f} MiB above the bare imports")
    return all(one["met"] for one in told)


if __name__ == "__main__":
    sys.exit(main())
