"""What a subscriber does beside taking messages: says when all have come, or nothing more does."""

import time

from scripts.fanout.orders import Order, hear_orders, held_lock
from scripts.fanout.tally import Tally
from scripts.measuring.telling import tell

# How often it is looked whether still something comes, while not all has.
_LOOK_EVERY_S = 0.25


def attended_tally() -> Tally:
    """A tally for a system's handler; what becomes of it is told when whoever started us asks."""
    heard = held_lock()

    def hear() -> None:
        if heard.locked():
            heard.release()

    tally = Tally(on_probe=hear)

    def act(order: Order) -> None:
        if order["do"] == "hear":
            heard.acquire()
            tell("heard")
            return
        complete = held_lock()
        tally.expect(order["first"], order["count"], order["latencies"], complete.release)
        tell("expecting")
        began_ns = time.monotonic_ns()
        while not complete.acquire(timeout=_LOOK_EVERY_S):
            if time.monotonic_ns() - max(tally.last_ns, began_ns) > order["quiet_s"] * 1e9:
                break
        tell(
            "took",
            got=tally.got,
            duplicated=tally.duplicated,
            last_ns=tally.last_ns,
            latencies_ns=list(tally.latencies_ns or ()),
        )

    hear_orders(act)
    return tally
