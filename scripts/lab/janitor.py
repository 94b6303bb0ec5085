"""Who removes the namespaces, even when we are killed: a shell that waits for the end of its input.

A `finally` doesn't run after SIGKILL and can be interrupted half way. So a child of its own session
holds the reading end of a pipe: when we say we are done, or are gone in any way at all, it kills
what still runs in our namespaces and deletes them. Normal tear-down takes the same path, so the
path is exercised every time.
"""

import os
import re
import secrets
import subprocess
from collections.abc import Iterable

from scripts.lab.iproute import namespace_names

_OURS = re.compile(r"chatter-lab-(?P<owner>\d+)-[0-9a-f]{4}-")

# After "done" nothing of ours is being created any more: one look is enough. After a sudden end an
# `ip` of ours may still be at work, so the janitor looks again for about a second.
_SCRIPT = r"""
trap "" INT TERM HUP
if read -r word; then looks=1; else looks=5; fi
while [ "$looks" -gt 0 ]; do
    for name in $(ip netns list | cut -d" " -f1 | grep "^$1"); do
        for pid in $(ip netns pids "$name"); do kill -9 "$pid"; done
        ip netns delete "$name"
    done
    looks=$((looks - 1))
    [ "$looks" -eq 0 ] || sleep 0.25
done 2>/dev/null
"""


def new_prefix() -> str:
    """What the names of one lab's namespaces begin with: our pid and four random digits."""
    return f"chatter-lab-{os.getpid()}-{secrets.token_hex(2)}-"


def abandoned(names: Iterable[str], live_pids: Iterable[int]) -> dict[str, list[str]]:
    """The names that labs left behind, by prefix: of our naming, and their owner is gone."""
    live = set(live_pids)
    found: dict[str, list[str]] = {}
    for name in names:
        match = _OURS.match(name)
        if match and int(match["owner"]) not in live:
            found.setdefault(match[0], []).append(name)
    return found


def clean() -> list[str]:
    """The namespaces removed: all that labs left behind whose owner is gone. Labs in use stay."""
    live_pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    found = abandoned(namespace_names(), live_pids)
    for prefix in found:
        Janitor(prefix).finish()
    return [name for names in found.values() for name in names]


class Janitor:
    """A process that deletes the namespaces beginning with `prefix` once we finish or die.

    It starts at once, before the first namespace exists.
    """

    def __init__(self, prefix: str) -> None:
        # A session of its own: Ctrl-C in our terminal must not reach it.
        self._process = subprocess.Popen(
            ["sh", "-c", _SCRIPT, "janitor", prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def finish(self, thoroughly: bool = False) -> None:
        """Returns when the namespaces are gone. May be called again.

        Args:
            thoroughly: for a second look again, as after a sudden end: some may yet appear.
        """
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.communicate(b"" if thoroughly else b"done\n")
