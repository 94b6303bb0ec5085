"""Events as the core of a watching node tells them, for the tests of what is made of them."""

from __future__ import annotations

from chatter.core.effects import BroadcastPassed, BroadcastSettled, Edge, NodeFigures, Outcome
from chatter.core.membership import Summary
from chatter.ids import BroadcastID, NetID

EPOCH = 0x0199_0000_0000_1234


def netid(number: int) -> NetID:
    """10.0.0.x."""
    return NetID(f"10.0.0.{number}", 29999)


ONE = BroadcastID(netid(1), EPOCH, 1)


def sent(at: float = 1.0, recipients: int = 2, broadcast: BroadcastID = ONE) -> BroadcastPassed:
    """The origin tells of its broadcast."""
    origin = broadcast.origin
    return BroadcastPassed(broadcast, origin, 0, origin, False, at, "hello", 9, recipients)


def came(
    node: int,
    at: float,
    *,
    by: int = 1,
    hop: int = 1,
    multicast: bool = True,
    broadcast: BroadcastID = ONE,
) -> BroadcastPassed:
    """A node tells that it came there."""
    return BroadcastPassed(broadcast, netid(node), hop, netid(by), multicast, at, "hello", 9, None)


def settled(
    *edges: Edge, missing: tuple[int, ...] = (), recipients: int = 2, at: float = 1.0
) -> BroadcastSettled:
    """The origin tells what its receipt says."""
    delivered = tuple(edge.recipient for edge in edges)
    outcome = Outcome(delivered, tuple(netid(one) for one in missing), edges)
    return BroadcastSettled(ONE, at, "hello", 9, recipients, outcome)


def edge(node: int, *, by: int = 1, hop: int = 1, multicast: bool = True, ms: int = 3) -> Edge:
    """Who served a node."""
    return Edge(netid(by), netid(node), hop, multicast, ms)


def figures(
    node: int,
    counters: dict[str, int] | None = None,
    tags: dict[str, int] | None = None,
    *,
    uptime_s: int = 100,
    rtt_s: float | None = 0.001,
) -> NodeFigures:
    """A node tells what it counted."""
    return NodeFigures(netid(node), EPOCH, rtt_s, uptime_s, "1.0", counters or {}, tags or {})


def summary(node: int, state: str = "alive", segment: int | None = 1) -> Summary:
    """What the watching node knows of a peer."""
    named = None if segment is None else netid(segment)
    return Summary(netid(node), EPOCH, state, True, named, 0.5)
