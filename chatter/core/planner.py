"""Who serves whom: targets and knowledge become multicasts and branches. Touches nothing.

Those of whom there is fresh evidence that they hear one of our multicasts are served by it. The
rest are grouped into segments, as far as hints go, and the list of segments is halved: the first
half becomes a branch, whose head is asked to serve it, and the other half is halved again. A head
plans its branch anew from what it knows itself, so a wrong hint costs a hop and nothing else.

With m segments to reach, the head of the largest branch has ceil(m / 2) - 1 further ones, so m
segments are done after ceil(log2(m + 1)) rounds, and one more for the last multicast.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from chatter.ids import NetID

if TYPE_CHECKING:
    import random


class Knowledge(NamedTuple):
    """What a planner is told. Functions, so that only what is asked is looked up."""

    hears: Callable[[NetID], Sequence[int]]
    """Which of our channels this node is known to hear now, preferred first; none if unknown."""
    segment: Callable[[NetID], NetID | None]
    """The segment this node is said to be in."""
    warm: Callable[[NetID], bool]
    """Whether a connection to it is up."""
    doubtful: Callable[[NetID], bool]
    """Whether it could not be reached lately: such a node is served, and heads nothing."""
    ours: Collection[NetID] = ()
    """The segments we lately were in ourselves."""


class Branch(NamedTuple):
    """A node to send to, and whom it is asked to serve."""

    head: NetID
    rest: tuple[NetID, ...]


class Plan(NamedTuple):
    """What to do about a list of targets. Covers each exactly once."""

    multicasts: tuple[tuple[int, tuple[NetID, ...]], ...]
    """Channels, and those of the targets that hear each."""
    branches: tuple[Branch, ...]


def plan(
    targets: Iterable[NetID],
    knowledge: Knowledge,
    rng: random.Random,
    *,
    channels: Sequence[int],
    whole: bool,
    alone: bool = True,
) -> Plan:
    """Plan the way to every target.

    Args:
        targets: whom to reach, without ourselves.
        channels: our channels that are large enough for the message; none means the tree alone.
        whole: whether these reach all of a segment, so that others' channels will as well.
        alone: whether a multicast for a single one is worth it. It is not for what takes many
            datagrams: a connection loses none.
    """
    groups: dict[int, list[NetID]] = {}
    rest: list[NetID] = []
    usable = frozenset(channels)
    for target in targets:
        channel = next((one for one in knowledge.hears(target) if one in usable), None)
        if channel is None:
            rest.append(target)
        else:
            groups.setdefault(channel, []).append(target)
    if not alone:
        for channel in [one for one, members in groups.items() if len(members) == 1]:
            rest += groups.pop(channel)
    multicasts = tuple((channel, tuple(members)) for channel, members in sorted(groups.items()))
    return Plan(multicasts, tuple(plan_branches(rest, knowledge, rng, whole=whole)))


def plan_branches(
    targets: Sequence[NetID], knowledge: Knowledge, rng: random.Random, *, whole: bool
) -> list[Branch]:
    """Halve the segments of the targets into branches.

    Args:
        whole: whether a head can serve its whole segment by multicast. If not, as with a message
            above the size of a datagram, each node is a round of its own; neighbours then stay
            together, so that a segment is still entered once.
    """
    doubtful = [target for target in targets if knowledge.doubtful(target)]
    avoided = frozenset(doubtful)
    units = _segments([one for one in targets if one not in avoided], knowledge, rng)
    if not whole:
        units = [[member] for unit in units for member in unit]
    branches: list[Branch] = []
    while units:
        half = (len(units) + 1) // 2
        part, units = units[:half], units[half:]
        head = _choose_head(part, knowledge, rng)
        rest = tuple(member for unit in part for member in unit if member != head)
        branches.append(Branch(head, rest))
    return branches + [Branch(target, ()) for target in doubtful]


def split_branch(branch: Branch, most: int) -> list[Branch]:
    """The branch as several, none of which asks its head to serve more than ``most``.

    A distribution list has to fit in the frame beside the payload.
    """
    if len(branch.rest) <= most:
        return [branch]
    everyone = (branch.head, *branch.rest)
    size = most + 1
    return [
        Branch(everyone[start], everyone[start + 1 : start + size])
        for start in range(0, len(everyone), size)
    ]


def _segments(
    targets: Sequence[NetID], knowledge: Knowledge, rng: random.Random
) -> list[list[NetID]]:
    """The targets by segment, segments and members in random order; unknown ones stand alone.

    So do those of our own: we were asked to serve them because we should be heard there, and are
    not. Handed all to the next one, who may fare the same, they would be passed on node by node.
    """
    known: dict[NetID, list[NetID]] = {}
    units: list[list[NetID]] = []
    for target in targets:
        segment = knowledge.segment(target)
        if segment is None or segment in knowledge.ours:
            units.append([target])
        elif segment in known:
            known[segment].append(target)
        else:
            known[segment] = [target]
            units.append(known[segment])
    rng.shuffle(units)
    for unit in units:
        rng.shuffle(unit)
    return units


def _choose_head(
    units: Sequence[Sequence[NetID]], knowledge: Knowledge, rng: random.Random
) -> NetID:
    """A member with a warm connection if there is one: a cold one costs two round trips more."""
    warm = [member for unit in units for member in unit if knowledge.warm(member)]
    return rng.choice(warm) if warm else units[0][0]
