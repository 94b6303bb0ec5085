"""What a new node should have found by now and has not: said once, with what to do about it."""

from __future__ import annotations

import time

from gevent import sleep

from chatter.net.shell import Shell

# Beacons and the first tries of every seed are long over by then.
LOOK_AFTER_S = 10.0
# From then on, in case somebody with another key comes later.
LOOK_EVERY_S = 10.0


def run_advice(shell: Shell) -> None:
    """Look at what was counted, and tell the operator what it means."""
    sleep(LOOK_AFTER_S)
    if not another_key(shell):  # that explains the rest
        for warning in missing_peers(shell):
            shell.logger.warning("%s", warning)
    while not another_key(shell):
        sleep(LOOK_EVERY_S)
    shell.logger.warning(
        "frames come that are sealed with another key or label: are CHATTER_KEY and label the same"
        " on every node? They are dropped and counted"
    )


def missing_peers(shell: Shell) -> list[str]:
    """A sentence for each way of finding others that has found nobody."""
    node, config = shell.node, shell.config
    warnings = [
        f"join: nobody answers as a node of this cluster at {address}: is one up there, with the"
        " same key and label, and is TCP let through? Trying on"
        for address in node.unanswered_seeds()
    ]
    # Whoever was met and has left, or failed, was heard.
    if not node.peers(time.monotonic()) and config.groups and not config.join:
        groups = " and ".join(str(group) for group in config.groups)
        warnings.append(
            f"no other node is heard on {groups}: is one up, with the same key, label and group?"
            " Where the network passes no multicast, name one with join"
        )
    return warnings


def another_key(shell: Shell) -> bool:
    """Whether somebody speaks to us whose key or label is not ours."""
    counts = shell.node.counts
    # A seal that does not open is usual when somebody restarts; with nobody else there it is not.
    strange = counts.get("dropped_bad_seal", 0) if not shell.node.live_count() else 0
    return bool(counts.get("dropped_unknown_key_hint", 0) + strange)
