"""Processes that are stopped, as by SIGSTOP: they do nothing, and their systems go on.

The system still takes connections, bytes and datagrams for them, as far as its buffers hold. All
that waits is handed over, in order, once the process goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from chatter.ids import NetID

# What a stock Linux grants the receive buffer of a socket, and charges a datagram besides its size.
STOCK_BUFFER_BYTES = 212_992
DATAGRAM_CHARGE_BYTES = 768


class Backlog:
    """What waits for one process."""

    __slots__ = ("calls", "datagram_bytes")

    def __init__(self) -> None:
        self.calls: list[Callable[[], Any]] = []
        self.datagram_bytes = 0


class Freezer:
    """Which processes are stopped, and what waits for them.

    Args:
        counts: the network's; what finds a full buffer is counted as ``dropped_full_buffer``.
    """

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._stopped: dict[NetID, Backlog] = {}

    def freeze(self, netid: NetID) -> None:
        """Stop the process at this address."""
        self._stopped.setdefault(netid, Backlog())

    def thaw(self, netid: NetID) -> None:
        """Let it go on: it is handed what waited, in order."""
        backlog = self._stopped.pop(netid, None)
        for call in () if backlog is None else backlog.calls:
            call()

    def forget(self, netid: NetID) -> None:
        """The process has ended, and with it what waited."""
        self._stopped.pop(netid, None)

    def frozen(self, netid: NetID) -> bool:
        """Whether the process at this address is stopped."""
        return netid in self._stopped

    def keeps(self, netid: NetID, call: Callable[[], Any]) -> bool:
        """Whether a process is stopped; if so, the call is made once it goes on."""
        backlog = self._stopped.get(netid)
        if backlog is None:
            return False
        backlog.calls.append(call)
        return True

    def keeps_datagram(self, netid: NetID, size: int, call: Callable[[], Any]) -> bool:
        """The same for a datagram, which is lost if the buffer is full."""
        backlog = self._stopped.get(netid)
        if backlog is None:
            return False
        charge = size + DATAGRAM_CHARGE_BYTES
        if backlog.datagram_bytes + charge > STOCK_BUFFER_BYTES:
            self._counts["dropped_full_buffer"] += 1
        else:
            backlog.datagram_bytes += charge
            backlog.calls.append(call)
        return True
