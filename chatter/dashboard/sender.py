"""Sender: carries out what the page asks for, where the settings allow it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from gevent.pool import Group

from chatter.dashboard.allowance import Allowance
from chatter.dashboard.orders import Order
from chatter.errors import ChatterError
from chatter.ids import NetID
from chatter.net.service import Service

# From all browsers together: enough for a finger on the key, too few to drown a cluster.
MAX_PER_SECOND = 10

# Each waits for its receipt in a greenlet of its own, for as long as the page chose.
MAX_OPEN = 64

Tell = Callable[[dict[str, Any]], None]


class Sender:
    """Broadcasts for the browsers of one dashboard.

    Args:
        service: the node that does it.
    """

    def __init__(self, service: Service, logger: logging.Logger) -> None:
        self._service = service
        self._logger = logger
        self._allowance = Allowance(MAX_PER_SECOND)
        self._open = Group()

    def stop(self) -> None:
        """Wait for no more receipts."""
        self._open.kill(block=False)

    def take(self, order: Order, tell: Tell) -> None:
        """Carry out an order and tell what becomes of it: ``sent``, ``receipt``, ``error``.

        Returns at once, unless it is refused.

        Args:
            tell: takes each answer, here or in another greenlet; must not raise.
        """
        if not self._allowance.take(time.monotonic()):
            tell(_error(order, f"at most {MAX_PER_SECOND} broadcasts a second; nothing was sent"))
        elif len(self._open) >= MAX_OPEN:
            tell(_error(order, f"{MAX_OPEN} receipts are open; nothing was sent, wait for some"))
        else:
            self._open.spawn(self._carry_out, order, tell)

    def _carry_out(self, order: Order, tell: Tell) -> None:
        try:
            self._broadcast(order, tell)
        except (ChatterError, ValueError) as error:
            tell(_error(order, str(error)))
        except Exception as error:
            self._logger.exception("a test broadcast of the dashboard failed")
            tell(_error(order, f"an internal error, see the log of the node: {error!r}"))

    def _broadcast(self, order: Order, tell: Tell) -> None:
        to = None if order.to is None else [_netid(text) for text in order.to]
        receipt = self._service.broadcast(
            order.tag, order.body, to, confirm=True, timeout=order.timeout_s
        )
        answer = {"ref": order.ref, "id": str(receipt.id)}
        tell({"type": "sent", **answer, "recipients": receipt.recipients})
        receipt.wait()
        tell(
            {
                "type": "receipt",
                **answer,
                "delivered": [str(netid) for netid in receipt.delivered],
                "missing": [str(netid) for netid in receipt.missing],
                "elapsed_ms": round(receipt.elapsed_s * 1000, 1),
            }
        )


def _netid(text: str) -> NetID:
    try:
        return NetID.parse(text)
    except ValueError as error:
        raise ValueError(f"to: {error}") from None


def _error(order: Order, message: str) -> dict[str, Any]:
    return {"type": "error", "ref": order.ref, "message": message}
