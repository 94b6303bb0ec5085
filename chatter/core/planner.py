"""Who serves whom: targets and knowledge become multicasts and branches. Touches nothing.

Those of whom there is fresh evidence that they hear one of our multicasts are served by it. The
rest are grouped into segments, as far as hints go, and the list of segments is halved: the first
half becomes a branch, whose head is asked to serve it, and the other half is halved again. A head
plans its branch anew from what it knows itself, so a wrong hint costs a hop and nothing else.

With m segments to reach, the head of the largest branch has ceil(m / 2) - 1 further ones, so m
segments are done after ceil(log2(m + 1)) rounds, and one more for the last multicast.

Once it is known what a send costs and how far the others are away, branches have the sizes by which
all are done earliest: the farther they are, the more are sent to directly. No branch is larger than
a half, so there are no more rounds. See ``postal``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from math import ceil, log2
from typing import TYPE_CHECKING, NamedTuple

from chatter.core.postal import TICKS, groups, halves, sends, split
from chatter.ids import NetID

if TYPE_CHECKING:
    import random

# Farther than this many sends nobody is, for the planner: ten minutes at 0.1 ms.
_FARTHEST_SENDS = 6_000_000


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
    one_way_s: Callable[[NetID], float | None] = lambda netid: None
    """How long a message to this node takes, its sending included; None while not known."""
    send_s: float | None = None
    """What it costs to send one more branch; None while not known: then lists are halved."""
    most_branches: int = 1
    """Into how many branches a list may be split. At least as many as halving makes are, anyway."""
    rank: Callable[[NetID], float] | None = None
    """What decides between those that are alike. The same for a while, so that the ways are those
    of the last broadcast, whose connections are up. None: chance does, each time anew."""


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
    """Split the segments of the targets into branches, the first to send first.

    Args:
        whole: whether a head can serve its whole segment by multicast. If not, as with a message
            above the size of a datagram, each node is a round of its own; neighbours then stay
            together, so that a segment is still entered once.
    """
    doubtful = [target for target in targets if knowledge.doubtful(target)]
    avoided = frozenset(doubtful)
    units = _segments([one for one in targets if one not in avoided], knowledge, rng)
    away = _distances(units, knowledge)
    if not whole:
        away = [distance for unit, distance in zip(units, away, strict=True) for _ in unit]
        units = [[member] for unit in units for member in unit]
    branches: list[Branch] = []
    # Stable, so that neighbours stay together.
    order = sorted(range(len(units)), key=away.__getitem__, reverse=True)
    begin = 0
    for size in _sizes([away[index] for index in order], knowledge.most_branches):
        part = order[begin : begin + size]
        begin += size
        # Who has to serve others is to have it early. The others are alike, or farther away.
        nearest = [units[index] for index in part if away[index] == away[part[-1]]]
        head = _choose_head(nearest, knowledge, rng)
        rest = tuple(member for index in part for member in units[index] if member != head)
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
    """The targets by segment, segments and members in no order; unknown ones stand alone.

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
    rank = knowledge.rank
    if rank is None:
        rng.shuffle(units)
        for unit in units:
            rng.shuffle(unit)
    else:
        for unit in units:
            unit.sort(key=rank)
        units.sort(key=lambda unit: rank(unit[0]))
    return units


def _distances(units: Sequence[Sequence[NetID]], knowledge: Knowledge) -> list[int]:
    """How far away each unit is, in the ticks of ``postal``; all the same while little is known.

    In steps, each a half longer or so: what is measured is not better than that, and of those on
    one step any may be a head.
    """
    nothing = [TICKS] * len(units)
    if knowledge.send_s is None:
        return nothing
    measured = [_least(unit, knowledge) for unit in units]
    known = [one for one in measured if one is not None]
    if 2 * len(known) < len(units) or not known:
        return nothing
    usual = sorted(known)[(len(known) - 1) // 2]  # the median; its module is slow to import
    away = []
    for seconds in measured:
        one_way_sends = (usual if seconds is None else seconds) / max(knowledge.send_s, 1e-9)
        steps = ceil(2 * log2(min(_FARTHEST_SENDS, max(1.0, one_way_sends))) - 0.5)
        away.append(round(TICKS * 2 ** (steps / 2)))
    return away


def _least(unit: Sequence[NetID], knowledge: Knowledge) -> float | None:
    """How far the nearest of a segment is away: that of the others is rather known worse."""
    seconds = [one for one in map(knowledge.one_way_s, unit) if one is not None]
    return min(seconds, default=None)


def _sizes(away: Sequence[int], most: int) -> list[int]:
    """The sizes of the branches, given how far those to be reached are, the farthest first."""
    if not away or away[0] == TICKS:
        return halves(len(away))
    count = groups(away)
    begins = [sum(count[:index]) for index in range(len(count))]
    by_group = [(size, away[begin]) for size, begin in zip(count, begins, strict=True)]
    if sum(sends(size, latency) for size, latency in by_group) > most:
        # As if they were nearer: fewer branches then, and halves at last.
        return _sizes([max(TICKS, one // 2) for one in away], most)
    return [branch for size, latency in by_group for branch in split(size, latency)]


def _choose_head(
    units: Sequence[Sequence[NetID]], knowledge: Knowledge, rng: random.Random
) -> NetID:
    """A member with a warm connection if there is one: a cold one costs two round trips more."""
    warm = [member for unit in units for member in unit if knowledge.warm(member)]
    if knowledge.rank is not None:
        return min(warm or (unit[0] for unit in units), key=knowledge.rank)
    return rng.choice(warm) if warm else units[0][0]
