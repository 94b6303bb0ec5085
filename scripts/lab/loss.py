"""A host that loses UDP datagrams at random, by nftables."""

import functools
import json
import shutil

from scripts.lab.errors import LabError
from scripts.lab.iproute import run_in
from scripts.lab.namespaces import Host, why_not

_TABLE = "inet chatter_lab"
_RULES = """
table inet chatter_lab {
    chain receive {
        type filter hook input priority filter
        iifname eth0 meta l4proto udp numgen random mod 1000 <= HIGHEST counter drop
    }
}
"""


@functools.cache
def why_no_loss() -> str | None:
    """None where hosts can be made to lose datagrams, else the reason why not."""
    reason = why_not()
    if reason is not None:
        return reason
    return None if shutil.which("nft") else "needs nftables"


def drop_udp(host: Host, per_mille: int) -> None:
    """From now on `host` loses so many of 1,000 UDP datagrams that reach it; no TCP.

    Args:
        per_mille: 0 (lose none, again) to 1,000 (lose all). Replaces what was set before.
    """
    if not 0 <= per_mille <= 1000:
        raise LabError("per_mille must be between 0 and 1,000")
    # Declaring the table before deleting it makes the deletion right whether it was there or not.
    script = f"table {_TABLE}\ndelete table {_TABLE}\n"
    if per_mille:
        script += _RULES.replace("HIGHEST", str(per_mille - 1))
    run_in(host.namespace, ["nft", "-f", "-"], script)


def dropped_udp(host: Host) -> int:
    """How many datagrams `host` has lost since `drop_udp` last said how many it should."""
    # Not the table by its name: where nothing is to be lost there is none, and nft refuses.
    text = run_in(host.namespace, ["nft", "-j", "list", "ruleset"])
    return sum(
        int(part["counter"]["packets"])
        for entry in json.loads(text)["nftables"]
        for part in entry.get("rule", {}).get("expr", ())
        if "counter" in part
    )
