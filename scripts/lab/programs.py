"""The programs that can be a node of the lab: they take the same options and speak alike."""

import sys
from dataclasses import dataclass

from scripts.lab.sidecar import chatter_command


@dataclass(frozen=True)
class Program:
    """What to run as a node.

    Args:
        name: what to call it.
        command: what comes before the options of a node.
        keeps_messages: it tells of messages when asked by `{"messages":true}`, not at once.
    """

    name: str
    command: tuple[str, ...]
    keeps_messages: bool = False


SIDECAR = Program("sidecar", tuple(chatter_command("node", "--json")))
"""What users get."""

RECORDER = Program(
    "recorder", (sys.executable, "-P", "-m", "scripts.lab.recorder"), keeps_messages=True
)
"""For measurements: nothing wakes the client while a broadcast is on its way. The checkout has to
be on PYTHONPATH."""
