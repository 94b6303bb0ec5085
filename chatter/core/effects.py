"""What a node asks of the shell around it, and what it tells. The shell carries out, in order.

Frames are not effects: a destination that has something to send is named once, and the shell
fetches frames from it when it turns to it, so all that waits by then shares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chatter.ids import NetID
from chatter.wire.gossip import Gossip

if TYPE_CHECKING:
    from chatter.core.session import Session


class MulticastReady(NamedTuple):
    """A channel has frames: fetch them with ``Node.multicast_frame``."""

    channel: int


class UdpReady(NamedTuple):
    """Unicast datagrams wait: fetch them with ``Node.udp_frame``."""


class SessionReady(NamedTuple):
    """A connection has bytes to send: fetch them with ``Node.session_bytes``."""

    session: Session


class Connect(NamedTuple):
    """Open a connection to this node, or report ``Node.connect_failed``."""

    netid: NetID


class Disconnect(NamedTuple):
    """Close this connection, once what it has to send is out."""

    session: Session


class Deliver(NamedTuple):
    """A broadcast for the handlers of this node."""

    gossip: Gossip
    sender: NetID
    via: str
    held: bool
    """Whether it is forwarded only after its handler: answer with ``Node.transformed``."""


class PeerEvent(NamedTuple):
    """A peer joined, failed, left or came back."""

    address: NetID
    epoch: int
    state: str
    """``alive``, ``suspect``, ``failed`` or ``left``."""


class Trouble(NamedTuple):
    """Something an operator can act on."""

    message: str


Effect = (
    MulticastReady | UdpReady | SessionReady | Connect | Disconnect | Deliver | PeerEvent | Trouble
)
