"""What a node asks of the shell around it, and what it tells. The shell carries out, in order.

Frames are not effects: a destination that has something to send is named once, and the shell
fetches frames from it when it turns to it, so all that waits by then shares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Broadcasts

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


class FlushSoon(NamedTuple):
    """Broadcasts are being gathered: call ``Node.flush`` once whoever broadcasts has let go."""


class Connect(NamedTuple):
    """Open a connection to this node, or report ``Node.connect_failed``."""

    netid: NetID


class Disconnect(NamedTuple):
    """Close this connection, once what it has to send is out."""

    session: Session


class Deliver(NamedTuple):
    """Broadcasts for the handlers of this node."""

    gossip: Broadcasts
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


class Gap(NamedTuple):
    """Broadcasts to everyone that were not dispatched here, and will not be."""

    origin: NetID
    epoch: int
    first: int
    """The first of the origin's numbers that are missing."""
    last: int
    tag: str | None = None
    """Whose handler was too slow for them, or had to keep the order; None: they never came."""


class Edge(NamedTuple):
    """One step of a confirmed broadcast: who served whom."""

    server: NetID
    recipient: NetID
    hop: int
    """1 straight from the origin."""
    multicast: bool
    """By multicast, or else by TCP."""
    ms: int
    """Milliseconds from the server's sending to the recipient's answer, by the server's clock."""


class Outcome(NamedTuple):
    """What became of a confirmed broadcast."""

    delivered: tuple[NetID, ...]
    """Who answered that it accepted the broadcast."""
    missing: tuple[NetID, ...]
    """Who is not known to have it."""
    edges: tuple[Edge, ...]


class Settled(NamedTuple):
    """Everybody answered for a confirmed broadcast, or the time for that is over."""

    id: BroadcastID
    outcome: Outcome


class NodeFigures(NamedTuple):
    """While somebody watches: what a node counted, ourselves included; only what changed."""

    address: NetID
    epoch: int
    rtt_s: float | None
    """The round trip to it, 0 for ourselves; None where this answer does not tell."""
    uptime_s: int
    package: str
    """The version of its package."""
    counters: dict[str, int]
    tags: dict[str, int]
    """Deliveries by tag."""
    complete: bool = True
    """Whether this was the last part of its answer to come: a long one comes in several."""


class BroadcastPassed(NamedTuple):
    """While somebody watches: a broadcast came by at a node, or was sent from it."""

    id: BroadcastID
    at_node: NetID
    hop: int
    """1 straight from the origin, 0 at the origin."""
    sender: NetID
    multicast: bool
    at: float
    """When, by our own clock; it may be off by the way of the answer."""
    tag: str
    size: int
    recipients: int | None
    """How many it is meant for, as only the origin knows."""


class BroadcastSettled(NamedTuple):
    """While somebody watches: what became of a confirmed broadcast, or a part of that."""

    id: BroadcastID
    at: float
    """When it was sent, by our own clock."""
    tag: str
    size: int
    recipients: int
    outcome: Outcome


Watching = NodeFigures | BroadcastPassed | BroadcastSettled


class Trouble(NamedTuple):
    """Something an operator can act on."""

    message: str


Effect = (
    MulticastReady
    | UdpReady
    | SessionReady
    | FlushSoon
    | Connect
    | Disconnect
    | Deliver
    | PeerEvent
    | Gap
    | Settled
    | Watching
    | Trouble
)
