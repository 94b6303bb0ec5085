"""How nodes of a measurement find each other and nobody else, and when that is done."""

import random
import time

from chatter import Chatter

_GROUP = "239.255.77.77"
_PORTS = range(20_000, 30_000)  # above those that are well known, below those systems give out

MET_WITHIN_S = 60.0

# After meeting: so long until each knows whom it hears, or the first messages would go by TCP.
SETTLE_S = 2.5


def own_group() -> str:
    """A multicast group that hardly anybody else has at the same time."""
    return f"{_GROUP}:{random.choice(_PORTS)}"


def wait_until_met(node: Chatter, others: int) -> None:
    """Returns when so many others are known and it has shown who hears whom.

    Raises:
        SystemExit: they were not met in time.
    """
    if not node.wait_for_peers(others, timeout=MET_WITHIN_S):
        raise SystemExit(f"not all others were met within {MET_WITHIN_S:.0f} s")
    time.sleep(SETTLE_S)
