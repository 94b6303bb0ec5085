"""The tree that informs everybody earliest, if a message takes much longer to arrive than to send.

In the postal model a node sends one message after the other, each taking it one send time; what it
sends arrives ``latency`` after it began to send it, and from then on the receiver sends as well.
With a latency of one send time halving is best: everybody who has it hands on half of the rest.
With a large one it is best to send to everybody oneself: while one message is under way, a hundred
others leave. In between the best tree follows generalised Fibonacci numbers: within a time t one
node informs ``F(t) = F(t - 1) + F(t - latency)``, itself included, and ``F(t) = 1`` before the
first arrival.

Times are integers, in ticks of a send time, so that sums of them compare exactly.

Source: A. Bar-Noy and S. Kipnis, Designing broadcasting algorithms in the postal model for
message-passing systems, SPAA 1992. R. Karp, A. Sahay, E. Santos and K. Schauser, Optimal broadcast
and summation in the LogP model, SPAA 1993, is the same with one's own time to send and to receive.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import comb

# A send time has so many parts: what is measured is not known better than that.
TICKS = 16

# Answers kept: a node plans for few counts and few latencies again and again.
_KEPT = 8192


def informed(ticks: int, latency: int, most: int) -> int:
    """How many one node can have informed after a time, itself included; ``most`` if more.

    The recursion solved: of those that are j messages away, the last must have left by
    ``ticks - j * latency``; the K whole send times before are shared between the j senders on the
    way to it, for which there are ``comb(K + j, j)`` ways.

    Args:
        ticks: how long after it began to send.
        latency: from the beginning of a send to the arrival; at least ``TICKS``.
    """
    total = 0
    hops = 0
    while ticks >= 0:
        total += comb(ticks // TICKS + hops, hops)
        if total >= most:
            return most
        hops += 1
        ticks -= latency
    return total


@lru_cache(_KEPT)
def completion(count: int, latency: int) -> int:
    """The least time in which one node can inform so many others, in ticks."""
    if count == 0:
        return 0
    # Never longer than a star, nor than halving: the search only looks below these.
    early, late = latency - 1, min(star(count, latency), halving(count, latency))
    while late - early > 1:
        middle = (early + late) // 2
        if informed(middle, latency, count + 1) > count:
            late = middle
        else:
            early = middle
    return late


def split(count: int, latency: int) -> list[int]:
    """The branches of a node that has to inform so many others: their sizes, first to send first.

    Each branch is as large as it may be to be done in time, and never more than half of what is
    left: no way has more hops than with halving then. It is enough: what is left can be informed in
    the time that is left, as ``F(t) <= 2 * F(t - 1)``.

    Args:
        latency: as for ``informed``. ``TICKS`` gives exactly the halves.
    """
    large = _relaying(count, latency)
    return [*large, *(1 for _ in range(count - sum(large)))]


def sends(count: int, latency: int) -> int:
    """How many branches ``split`` makes."""
    large = _relaying(count, latency)
    return len(large) + count - sum(large)


@lru_cache(_KEPT)
def _relaying(count: int, latency: int) -> tuple[int, ...]:
    """The branches up to the first that is too late for any but its head."""
    sizes = []
    left = completion(count, latency) - latency
    while count and (in_time := informed(left, latency, count + 1)) > 1:
        sizes.append(min(in_time, (count + 1) // 2))
        count -= sizes[-1]
        left -= TICKS
    return tuple(sizes)


def halves(count: int) -> list[int]:
    """The branches of a node that halves the list of those it has to inform."""
    sizes = []
    while count:
        sizes.append((count + 1) // 2)
        count //= 2
    return sizes


def star(count: int, latency: int) -> int:
    """How long it takes to inform so many others without anybody's help, in ticks."""
    return (count - 1) * TICKS + latency if count else 0


@lru_cache(_KEPT)
def halving(count: int, latency: int) -> int:
    """How long it takes if everybody halves the list of those it has to inform, in ticks."""
    return max(
        (
            index * TICKS + latency + halving(size - 1, latency)
            for index, size in enumerate(halves(count))
        ),
        default=0,
    )


def groups(latencies: Sequence[int]) -> list[int]:
    """Who is to be informed apart from the others, where some are farther away than others.

    How far a head is from those it serves is not known, so those of a group are taken to be as far
    from each other as its farthest is from us. Those that are much nearer are better off as a group
    of their own. The farther group is sent to first, as its messages take longest.

    Args:
        latencies: of those to be informed, the farthest first.

    Returns:
        The sizes of the groups, in this order. By what was assumed they are done no later than a
        star, which is each of them alone; and no later than the best tree that knows the longest
        latency only, which is all of them as one group.
    """
    total = len(latencies)
    starts = [at for at in range(total) if not at or latencies[at] != latencies[at - 1]]
    # By start, from the last one: when all from there on are done, and where the next group starts.
    best = {total: (0, total)}
    for place in reversed(range(len(starts))):
        start, latency = starts[place], latencies[starts[place]]
        best[start] = min(
            (
                max(
                    completion(end - start, latency),
                    sends(end - start, latency) * TICKS + best[end][0] if end < total else 0,
                ),
                end,
            )
            for end in (*starts[place + 1 :], total)
        )
    ends = []
    end = 0
    while end < total:
        end = best[end][1]
        ends.append(end)
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]
