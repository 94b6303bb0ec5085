"""What the greenlets of a node may ask of the shell they belong to; `runtime.py` is that shell."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from gevent import Greenlet
from gevent.event import Event

from chatter.config import Config
from chatter.core.effects import Deliver
from chatter.core.node import Node
from chatter.core.session import Session

Result = TypeVar("Result")


class Carrier(Protocol):
    """What carries a session: a connection."""

    socket: socket.socket
    busy: bool
    """Whether bytes are with its writer and not yet with the operating system."""

    def wake(self) -> None:
        """There is something to send."""

    def end(self) -> None:
        """Send what is there, then say that nothing more comes."""


class Shell(Protocol):
    """The shell around one core."""

    config: Config
    logger: logging.Logger
    node: Node
    running: bool
    """False once the node stops: greenlets that wake up then end without another word."""
    connections: dict[Session, Carrier]
    room: Event
    """Set whenever a group's queue was emptied."""
    handlers_keep_up: Event
    """Set unless some handler's queue is full, and not for so long that it pays for that alone."""

    def core(self, function: Callable[..., Result], *args: Any) -> Result | None:
        """What a call of the core returns, once what it asks for is carried out."""

    def deliver(self, delivery: Deliver) -> None:
        """Queue messages for their handler, with the next ``carry_out``. Never waits."""

    def deliver_at_once(self, delivery: Deliver) -> bool:
        """Have a message dispatched, if its handler is idle. Only the hub may call it."""

    def note_due(self) -> None:
        """Have the node's time kept, if it wants to be called earlier than before."""

    def report_bug(self) -> None:
        """Count and log the exception that is being handled. Never waits in the hub."""

    def carry_out(self) -> None:
        """Do what the core asked for since the last call. Never waits."""

    def spawn(self, function: Callable[..., Any], *args: Any) -> Greenlet[..., Any]:
        """A greenlet that ends with the node."""
