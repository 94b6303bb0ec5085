"""Who ought to dispatch what: an oracle that knows each broadcast, its origin and its number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from chatter.core.handlers import codec_handler
from chatter.errors import QueueFull
from chatter.ids import BroadcastID, NetID
from chatter.testing import Cluster, Member

# Handlers of this tag ask for the order of each origin; those of the other take what comes.
ORDERED, LOOSE = "ordered", "loose"

# How often a caller whose node has no room looks again.
_AGAIN_S = 0.001

# Broadcasts of a tight loop before others have their turn, as the real loop yields now and then.
_AT_ONCE = 64


class Sent(NamedTuple):
    """One broadcast."""

    origin: Member
    number: int
    to: frozenset[NetID] | None
    body: Any
    tag: str


class Oracle:
    """Broadcasts in the name of members, and knows what has to come of each."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.sent: dict[BroadcastID, Sent] = {}
        self.refused = 0
        """How often a node had no room for a broadcast."""
        self._numbers: Counter[tuple[NetID, int]] = Counter()
        self._publishing = 0
        for member in cluster:
            member.handlers.add(
                codec_handler(ORDERED, "bytes", lambda body, message: None, ordered=True)
            )

    def broadcast(
        self,
        origin: str,
        body: bytes,
        tag: str = ORDERED,
        to: Iterable[str] | None = None,
        *,
        confirm_s: float | None = None,
    ) -> BroadcastID:
        """Have a member broadcast."""
        member = self.cluster[origin]
        targets = None if to is None else frozenset(self.cluster[name].netid for name in to)
        listed = None if targets is None else sorted(targets)
        sent, _ = member.broadcast(tag, body, listed, codec="bytes", confirm_s=confirm_s)
        number = 0
        if targets is None:
            self._numbers[sent.origin, sent.epoch] += 1
            number = self._numbers[sent.origin, sent.epoch]
        self.sent[sent] = Sent(member, number, targets, body, tag)
        return sent

    def publish(
        self,
        origin: str,
        count: int,
        make: Callable[[int], bytes],
        *,
        pause_s: float = 0.0,
        tags: Sequence[str] = (ORDERED, LOOSE),
        to: Callable[[int], Iterable[str] | None] = lambda index: None,
    ) -> None:
        """Begin to broadcast in a loop that waits, as the real call does, while there is no room.

        Args:
            make: the body of each.
            pause_s: between two of them; 0 is a tight loop.
            to: the targets of each.
        """
        clock = self.cluster.clock
        index = 0

        def go() -> None:
            nonlocal index
            for _ in range(1 if pause_s else _AT_ONCE):
                try:
                    self.broadcast(origin, make(index), tags[index % len(tags)], to(index))
                except QueueFull:
                    self.refused += 1
                    clock.after(_AGAIN_S, go)
                    return
                index += 1
                if index == count:
                    self._publishing -= 1
                    return
            clock.after(pause_s, go)

        self._publishing += 1
        clock.after(0.0, go)

    def finish(self, within_s: float = 120.0, quiet_s: float = 2.0) -> None:
        """Let time pass until all loops are through and everything has come, and a little more,
        in which what ought not to come would."""
        cluster = self.cluster
        cluster.run_until(lambda: not self._publishing, within_s, "all is broadcast")
        cluster.run_until(lambda: not self.missing(), within_s, "everything has come")
        cluster.run_for(quiet_s)

    def missing(self) -> int:
        """How many dispatches have not happened yet, of members that run."""
        running = self.cluster.running
        expected = sum(
            sum(self._concerns(one, member) for member in running) for one in self.sent.values()
        )
        return expected - sum(
            1 for member in running for got in member.inbox if got.id in self.sent
        )

    def check(self, *, gaps: bool = False, members: Sequence[Member] | None = None) -> None:
        """Everything was dispatched once by whom it concerns, in order where that was asked for.

        Args:
            gaps: whether a gap may stand for a broadcast. Then each is either dispatched or named,
                never neither; else there is none.
            members: who is looked at; all that run unless named.

        Raises:
            AssertionError: something was not as it ought to be.
        """
        for member in self.cluster.running if members is None else members:
            named = {
                (gap.origin, gap.epoch, number)
                for gap in member.gaps
                for number in range(gap.first, gap.last + 1)
            }
            assert gaps or not named, f"{member} misses {member.gaps}"
            last: dict[tuple[NetID, int], int] = {}
            got: set[BroadcastID] = set()
            for delivery in member.inbox:
                sent = self.sent.get(delivery.id)
                if sent is None:
                    continue
                origin, epoch, seqno = delivery.id
                assert delivery.id not in got, f"{member} dispatched {delivery.id} twice"
                got.add(delivery.id)
                assert self._concerns(sent, member), f"{delivery.id} is not for {member}"
                assert delivery.message.body == sent.body, f"{delivery.id} came damaged"
                assert (origin, epoch, sent.number) not in named or not sent.number, (
                    f"{member} dispatched {delivery.id}, and a gap names it"
                )
                if sent.tag == ORDERED and sent.number:
                    assert seqno > last.get((origin, epoch), 0), f"{member}: {delivery.id} is late"
                    last[origin, epoch] = seqno
            for broadcast, sent in self.sent.items():
                assert (
                    not self._concerns(sent, member)
                    or broadcast in got
                    or (broadcast.origin, broadcast.epoch, sent.number) in named
                ), f"{member} has nothing of {broadcast}, number {sent.number}"

    @staticmethod
    def _concerns(sent: Sent, member: Member) -> bool:
        return member is not sent.origin and (sent.to is None or member.netid in sent.to)
