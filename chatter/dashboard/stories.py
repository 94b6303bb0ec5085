"""The ways of broadcasts: hop by hop, put together from traces and receipts.

Each node tells where a broadcast came by, the origin of a confirmed one also what its receipt says.
A receipt knows best who served whom and who is missing, a trace knows best when.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from math import ceil, log2
from typing import Any, NamedTuple

from chatter.core.effects import BroadcastPassed, BroadcastSettled
from chatter.core.peers import MAX_PEERS
from chatter.ids import BroadcastID, NetID

# Stories that are kept and shown: as many as a list can be looked through.
MAX_STORIES = 50

# Nodes that a receipt may name, whoever tells it: the largest cluster planned for.
MAX_NAMED = MAX_PEERS

# Ids of stories that are no longer kept, so that a late trace does not begin one anew.
MAX_FORMER = 1000

# An unconfirmed broadcast of which nothing more is heard for so long is taken as settled: nodes are
# asked every second or two.
QUIET_S = 4.0

# A story that still grows is shown again this often: it may name hundreds of nodes.
SHOW_EVERY_S = 1.0

# Latencies count for so long.
RECENT_S = 30.0


class _Step(NamedTuple):
    """How one node got the broadcast."""

    server: NetID
    hop: int
    multicast: bool
    ms: float | None
    """From a receipt: milliseconds from the server's sending to this node's answer."""


class Story:
    """One broadcast, as far as it is known."""

    def __init__(self, broadcast: BroadcastID, tag: str, size: int) -> None:
        self.id = broadcast
        self.tag = tag
        self.size = size
        self.sent_at: float | None = None
        self.first_at = float("inf")
        self.recipients: int | None = None
        self.confirmed = False
        self.settled = False
        self.traced: dict[NetID, tuple[_Step, float]] = {}
        self.answered: dict[NetID, _Step] = {}
        self.missing: dict[NetID, None] = {}
        self.heard_at = float("-inf")
        """When something was last learnt of it."""
        self.shown_at = float("-inf")
        self.dirty = True
        self.version = 0

    @property
    def began_at(self) -> float:
        """When it was sent, as well as known."""
        return self.first_at if self.sent_at is None else self.sent_at

    @property
    def complete(self) -> bool:
        """Whether no more is to be learnt of it."""
        if self.recipients is None:
            return False
        if self.confirmed and len(self.answered) + len(self.missing) < self.recipients:
            return False
        known = self.traced.keys() | self.missing.keys() if self.confirmed else self.traced
        return len(known) >= self.recipients

    def steps(self) -> dict[NetID, tuple[_Step, float | None]]:
        """How each node got it, and after how many milliseconds."""
        steps: dict[NetID, _Step] = {netid: step for netid, (step, _) in self.traced.items()}
        steps.update(self.answered)
        found: dict[NetID, tuple[_Step, float | None]] = {}
        for netid, step in sorted(steps.items(), key=lambda each: each[1].hop):
            found[netid] = (step, self._ms(netid, step, found))
        return found

    def _ms(
        self, netid: NetID, step: _Step, before: dict[NetID, tuple[_Step, float | None]]
    ) -> float | None:
        traced = self.traced.get(netid)
        if traced is not None and self.sent_at is not None:
            # Clocks are not compared, ages are; a millisecond of error can make it negative.
            return round(max(0.0, (traced[1] - self.sent_at) * 1000), 2)
        if step.ms is None:
            return None
        if step.server == self.id.origin:
            return step.ms
        served = before.get(step.server)
        return None if served is None or served[1] is None else round(served[1] + step.ms, 2)


class Stories:
    """The last broadcasts that were observed.

    Args:
        number_of: the number by which the page knows a node.
        segment_of: the segment of a node, as far as it is known.
        unix_ms: the wall clock at a time of ours.
    """

    def __init__(
        self,
        number_of: Callable[[NetID], int],
        segment_of: Callable[[NetID], str | None],
        unix_ms: Callable[[float], int],
    ) -> None:
        self._number_of = number_of
        self._segment_of = segment_of
        self._unix_ms = unix_ms
        self._stories: OrderedDict[BroadcastID, Story] = OrderedDict()
        self._former: deque[BroadcastID] = deque(maxlen=MAX_FORMER)
        self._latencies: deque[tuple[float, float]] = deque(maxlen=1000)

    def passed(self, event: BroadcastPassed, now: float) -> None:
        """A node tells where a broadcast came by."""
        story = self._open(event.id, event.tag, event.size, now)
        if story is None:
            return
        story.first_at = min(story.first_at, event.at)
        if not event.hop:
            if story.sent_at is None:
                story.sent_at, story.recipients = event.at, event.recipients
        elif event.at_node not in story.traced:
            step = _Step(event.sender, event.hop, event.multicast, None)
            story.traced[event.at_node] = (step, event.at)

    def settled(self, event: BroadcastSettled, now: float) -> None:
        """A receipt, or a part of one."""
        story = self._open(event.id, event.tag, event.size, now)
        if story is None:
            return
        story.confirmed = True
        story.recipients = event.recipients
        if len(story.answered) + len(story.missing) >= MAX_NAMED:
            return
        if story.sent_at is None:
            story.sent_at = event.at
        for edge in event.outcome.edges:
            step = _Step(edge.server, edge.hop, edge.multicast, edge.ms)
            story.answered.setdefault(edge.recipient, step)
        story.missing.update(dict.fromkeys(event.outcome.missing))

    def tick(self, now: float, version: int) -> None:
        """Settle what is complete or quiet, and show what was learnt."""
        for story in self._stories.values():
            if not story.settled and (story.complete or now - story.heard_at >= QUIET_S):
                story.settled = story.dirty = True
                last_ms = _last_ms(story)
                if last_ms is not None:
                    self._latencies.append((now, last_ms))
            # The first picture waits a moment: a lone dot is no news.
            ripe = story.settled or now - max(story.shown_at, story.heard_at) >= SHOW_EVERY_S
            if story.dirty and (ripe or story.shown_at == float("-inf")):
                story.dirty = False
                story.shown_at = now
                story.version = version

    def since(self, version: int) -> list[dict[str, Any]]:
        """The stories that are new or were shown again after this version, oldest first."""
        changed = [story for story in self._stories.values() if story.version > version]
        return [self._plain(one) for one in sorted(changed, key=lambda one: one.began_at)]

    def latencies_ms(self, now: float) -> list[float]:
        """Of those observed lately to their end: how long until the last node had it, ascending."""
        return sorted(ms for at, ms in self._latencies if now - at <= RECENT_S)

    # Details

    def _open(self, broadcast: BroadcastID, tag: str, size: int, now: float) -> Story | None:
        story = self._stories.get(broadcast)
        if story is None:
            if broadcast in self._former:
                return None
            story = self._stories[broadcast] = Story(broadcast, tag, size)
            if len(self._stories) > MAX_STORIES:
                self._former.append(self._stories.popitem(last=False)[0])
        story.heard_at = now
        story.dirty = True
        return story

    def _plain(self, story: Story) -> dict[str, Any]:
        steps = story.steps()
        reached = {self._segment_of(netid) or str(netid) for netid in (*steps, story.id.origin)}
        return {
            "id": str(story.id),
            "origin": self._number_of(story.id.origin),
            "tag": story.tag,
            "seqno": story.id.seqno,
            "bytes": story.size,
            "t": self._unix_ms(story.began_at),
            "recipients": story.recipients,
            "confirmed": story.confirmed,
            "settled": story.settled,
            "edges": [
                [
                    self._number_of(step.server),
                    self._number_of(netid),
                    step.hop,
                    "multicast" if step.multicast else "tcp",
                    ms,
                ]
                for netid, (step, ms) in steps.items()
            ],
            "missing": [self._number_of(netid) for netid in story.missing],
            "rounds": max((step.hop for step, _ in steps.values()), default=0),
            "bound": ceil(log2(len(reached))) + 1,
            "last_ms": _last_ms(story),
        }


def _last_ms(story: Story) -> float | None:
    """Until the last node had it; None while some are not known, or when."""
    steps = story.steps()
    times = [ms for _, ms in steps.values()]
    if not times or None in times or story.recipients is None:
        return None
    if len(times) < story.recipients:
        return None
    return max(ms for ms in times if ms is not None)
