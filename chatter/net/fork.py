"""After a fork the child must not speak in its parent's name: what it inherited is taken away.

Two processes with one life would use a nonce twice, and read from the same sockets. So in the child
the descriptors are closed, the greenlets ended without a switch, and using the object raises.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Abandonable(Protocol):
    """What can be given up in a forked child."""

    def abandon(self) -> None:
        """Close descriptors and end greenlets, without switching and without a word to anybody."""


# os.register_at_fork cannot be undone, so it is done once, for whatever is alive at the fork.
_alive: weakref.WeakSet[Abandonable] = weakref.WeakSet()
_registered = False


def watch(runtime: Abandonable) -> None:
    """Have this runtime abandoned in children that are forked from now on."""
    global _registered
    if not _registered:
        os.register_at_fork(after_in_child=_abandon_all)
        _registered = True
    _alive.add(runtime)


def _abandon_all() -> None:
    for runtime in list(_alive):
        runtime.abandon()
    _alive.clear()
