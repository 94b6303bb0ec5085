"""Nodes that know each other from the start, for tests of clusters too large to let them meet.

A thousand nodes that meet exchange half a million hellos. Here each is told at once what it would
know after a minute: who is there, who has proven its life, who hears whose multicasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chatter.core.node import Node
from chatter.core.peers import Peer
from chatter.core.timing import LEAST_SAMPLES, LEAST_SENDS
from chatter.ids import NetID
from chatter.testing.member import Member
from chatter.wire.idtable import sort_netids


def acquaint(
    members: Sequence[Member],
    now: float,
    *,
    origins: Iterable[Member] = (),
    quiet_s: float = 0.0,
) -> None:
    """Let running members know each other: each its segment, and the origins everybody.

    Who only relays needs no more: whom it is asked to serve it is told, and of whom it knows
    nothing it makes a branch.

    Args:
        origins: who shall broadcast to all. None of them: everybody knows everybody, which takes
            about 800 bytes for each pair.
        quiet_s: for so long nobody says anything by itself, beyond its beacon interval.
    """
    by_segment: dict[str, list[Member]] = {}
    for member in members:
        by_segment.setdefault(member.segment, []).append(member)
    lowest = {
        segment: sort_netids(one.netid for one in those)[0] for segment, those in by_segment.items()
    }
    know_all = set(origins) or set(members)
    for member in members:
        # Its first words were said long ago, and its next ones come some time in the next interval.
        interval_s = member.config.beacon_interval_s
        member.node._membership._round_at = now + quiet_s + interval_s * member.chance()
        for other in members if member in know_all else by_segment[member.segment]:
            if other is not member:
                mutual = other.segment == member.segment and bool(member.channels)
                segment = lowest[other.segment] if other.channels else other.netid
                _introduce(member.node, other, segment, now, mutual=mutual)
        _measure(member, members, now)


def _introduce(node: Node, other: Member, segment: NetID, now: float, *, mutual: bool) -> None:
    # The one place that reaches into a node: to make this a method of Node would let programs
    # believe in lives that have proven nothing.
    life = other.node.life
    peer = Peer(other.netid, life, now, changed_at=now, segment=segment)
    if mutual:
        peer.hears[0] = peer.heard[0] = now
    peer.changed_at = float("-inf")
    node._context.peers.add(peer)
    if mutual:
        node._contacts.prove(other.netid, life, 0)


def _measure(member: Member, members: Sequence[Member], now: float) -> None:
    """What a minute of beacons and broadcasts tells of the ways to the others, and of sending."""
    network = member.network
    if network.send_s is None:
        return
    timing = member.node._context.timing
    for _ in range(LEAST_SENDS):
        timing.sent(network.send_s * member.send_misjudged)
    for other in members:
        round_trip_s = network.round_trip_s(member.netid, other.netid)
        if other is not member and round_trip_s is not None:
            for _ in range(LEAST_SAMPLES):
                timing.answered(other.netid, round_trip_s, now)
