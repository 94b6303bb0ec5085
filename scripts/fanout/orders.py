"""How a process of a run hears what to do next: JSON lines.

Orders are heard by a thread of the system, whatever the process otherwise runs on: gevent, asyncio,
or one blocking call after the other. So it is the same for all, and none of them is woken by it
while messages come. It has to be imported before gevent patches.
"""

import json
import os
import sys
from _thread import LockType, allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable
from typing import Any

Order = dict[str, Any]


def held_lock() -> LockType:
    """A lock that is taken: a thread waits for it until somebody else releases it.

    It is one of the system, for which a thread of the system waits in a patched process too.
    """
    lock = allocate_lock()
    lock.acquire()
    return lock


def hear_orders(act: Callable[[Order], None]) -> None:
    """`act` is called with each order, in a thread of its own, until whoever started us is gone."""

    def hear() -> None:
        for line in sys.stdin:
            act(json.loads(line))
        os._exit(0)

    start_new_thread(hear, ())


class Mailbox:
    """The orders that nobody has taken yet."""

    def __init__(self) -> None:
        self._orders: deque[Order] = deque()
        hear_orders(self._orders.append)

    def take(self) -> Order | None:
        """The next, if there is one."""
        return self._orders.popleft() if self._orders else None
