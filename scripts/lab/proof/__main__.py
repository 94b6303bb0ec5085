"""`scripts/prove_delivery`: whether everything arrives on real sockets, whatever goes wrong."""

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.lab.errors import Interrupted, LabError
from scripts.lab.loss import why_no_loss
from scripts.lab.proof.checks import Check, Checks, Verdict, table
from scripts.lab.proof.cut import prove_cut
from scripts.lab.proof.deaths import prove_deaths
from scripts.lab.proof.loss import prove_loss
from scripts.lab.proof.overlapping import prove_overlap
from scripts.lab.proof.sizes import prove_sizes
from scripts.lab.proof.unreachable import prove_unreachable
from scripts.lab.signals import raise_on_signals
from scripts.measuring.arguments import parser as make_parser
from scripts.measuring.status import say_now

_HELP = """\
Starts nodes in network namespaces, does damage to them, and checks what has arrived, how often, and
what receipts and gaps say about it. Each proof builds a network of its own and takes from ten
seconds to a minute. A line is printed for each check, and a table at the end."""


@dataclass(frozen=True)
class Proof:
    """One of those below: its name, what it does in a few words, and its function."""

    name: str
    what: str
    run: Callable[..., None]


PROOFS = {
    proof.name: proof
    for proof in (
        Proof(
            "loss-10",
            "10 % of UDP lost at each of 12 hosts",
            functools.partial(prove_loss, per_mille=100),
        ),
        Proof(
            "loss-30",
            "30 % of UDP lost at each of 12 hosts",
            functools.partial(prove_loss, per_mille=300),
        ),
        Proof("deaths", "of 12 nodes three are killed and one is frozen", prove_deaths),
        Proof(
            "cut-5",
            "one of three segments has no uplink for 5 s",
            functools.partial(prove_cut, cut_s=5.0),
        ),
        Proof(
            "cut-20",
            "the same for 20 s: longer than it takes to fail a peer",
            functools.partial(prove_cut, cut_s=20.0),
        ),
        Proof("sizes-multicast", "1 B to 16 MiB within one segment", prove_sizes),
        Proof(
            "sizes-tree",
            "the same by the tree, without multicast",
            functools.partial(prove_sizes, multicast=False),
        ),
        Proof(
            "sizes-segments",
            "the same to three segments of three",
            functools.partial(prove_sizes, segments=3, hosts=3),
        ),
        Proof("overlap", "a relay passes 16 MiB on before it has all of it", prove_overlap),
        Proof("unreachable", "an address of nobody's in the list", prove_unreachable),
    )
}


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 if a check failed or could not be made."""
    options = _parse(arguments)
    if options.list:
        for proof in PROOFS.values():
            print(f"{proof.name:<18}{proof.what}")
        return 0
    if (reason := why_no_loss()) is not None:
        print(f"prove_delivery: {reason}", file=sys.stderr)
        return 1
    raise_on_signals()
    try:
        verdicts = [_run(PROOFS[name]) for name in options.only]
    except Interrupted as interrupt:
        return 128 + interrupt.signal_number
    print(f"\n{table(verdicts)}")
    if options.json is not None:
        document = [asdict(verdict) | {"passed": verdict.passed} for verdict in verdicts]
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def _run(proof: Proof) -> Verdict:
    checks = Checks(proof.name, _tell)
    begun = time.monotonic()
    broke = None
    try:
        proof.run(checks, progress=say_now)
    except LabError as error:
        broke = str(error)
        print(f"FAILED {proof.name}: it broke off: {broke}", flush=True)
    say_now("")
    return Verdict(proof.name, tuple(checks.made), time.monotonic() - begun, broke)


def _tell(check: Check) -> None:
    say_now("")
    print(check, flush=True)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = make_parser(
        "scripts/prove_delivery",
        _HELP,
        "Needs root, iproute2 and nftables. Exit status: 1 if a check failed.",
    )
    parser.add_argument("--list", action="store_true", help="say what there is, and end")
    parser.add_argument(
        "--only",
        action="append",
        choices=list(PROOFS),
        metavar="NAME",
        help="do this one; may be given several times (default: all)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures there")
    options = parser.parse_args(arguments)
    options.only = options.only or list(PROOFS)
    return options


if __name__ == "__main__":
    sys.exit(main())
