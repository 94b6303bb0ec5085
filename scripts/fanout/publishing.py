"""What a publisher does, as steps that any system can take: wait, send, flush."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from scripts.fanout.orders import Mailbox, Order
from scripts.fanout.payload import PROBE
from scripts.measuring.telling import tell

Step = Any
"""A float: wait so many seconds. None: send what was held back. Everything else: send this."""

# How often a publisher without anything to do looks for its next order.
_IDLE_S = 0.02

_PROBE_EVERY_S = 0.05


def steps(make: Callable[[int], Any]) -> Iterator[Step]:
    """All that a publisher has to do, for as long as it lives.

    Args:
        make: gives the message of a number, with the time at which it is called.
    """
    mailbox = Mailbox()
    order: Order | None = None
    while True:
        if (new := mailbox.take()) is not None:
            order = new
        if order is None:
            yield _IDLE_S
        elif order["do"] == "probe":  # until there is another order
            yield make(PROBE)
            yield None
            yield _PROBE_EVERY_S
        else:
            began_ns = time.monotonic_ns()
            numbers = range(order["first"], order["first"] + order["count"])
            yield from _paced(make, numbers, order["rate"]) if order["rate"] else map(make, numbers)
            yield None
            tell("sent", began_ns=began_ns)
            order = None


def _paced(make: Callable[[int], Any], numbers: range, rate: float) -> Iterator[Step]:
    began = time.monotonic()
    for index, number in enumerate(numbers):
        due = began + index / rate
        while (left := due - time.monotonic()) > 0:
            yield left
        yield make(number)
        yield None


def drive(
    todo: Iterator[Step], send: Callable[[Any], object], flush: Callable[[], object] = lambda: None
) -> None:
    """Take the steps, in a process that may block, or is patched."""
    for step in todo:
        if isinstance(step, float):
            time.sleep(step)
        elif step is None:
            flush()
        else:
            send(step)
