"""What both sides of one connection keep account of: gossips handed over, and credit.

Both count the gossips of each direction, 1, 2, 3 and so on, as a connection neither loses nor
reorders any. So an answer names a gossip by its index: which were taken, and which are done, that
is: the receiver has them and has served its whole branch. Until then the sender answers for them.
"""

from __future__ import annotations

from collections.abc import Iterator

from chatter.core.handover import Handover
from chatter.core.outbox import MAX_CHARGE_BYTES, RECORD_HEAD_BYTES
from chatter.wire.ranges import RANGE_BOUND
from chatter.wire.records import Ack, Report, SessionCredit

# Answers wait so long for others to share their frame. Less than the 40 ms for which Linux delays
# the bare acknowledgement of what came: so that travels with ours, and is no packet of its own.
ACK_DELAY_S = 0.03

# ... and those of who serves nobody else wait for more of them: nobody behind it waits, all that
# hangs on it is memory, and answering costs both sides as much as the message did. Below what a
# head may take to say that it lives, should its sender go by that.
LEAF_ACK_DELAY_S = 0.1

# What one side may send before the other has taken it in: at most a millisecond of a fast network.
# At first, and where handlers are slow, twice what the largest record may cost: who is told of more
# when half of it is left never waits for something that does not come.
WINDOW_BYTES = 1024 * 1024
LEAST_WINDOW_BYTES = 2 * MAX_CHARGE_BYTES

# An answer that calls nothing done.
_ACK_BYTES = Ack(0, ()).size_bound() + RECORD_HEAD_BYTES

# What is kept of handovers that are not done: twice what a peer answers for at a time, so only one
# that takes everything and never calls it done gets here.
MAX_OPEN = 131072
MAX_OPEN_BYTES = 128 * 1024 * 1024

# So much is on any line within moments.
UNNOTICED_BYTES = 64 * 1024

_NEVER = float("inf")


class Exchange:
    """The account of one side of a connection."""

    __slots__ = (
        "_done",
        "_granted",
        "_open_bytes",
        "_position",
        "_reports",
        "_sent",
        "_settled",
        "_taken_in",
        "_undone",
        "_window",
        "ack_at",
        "limit",
        "open",
        "received",
    )

    def __init__(self) -> None:
        self._sent = 0
        self._position = 0
        self._settled = 0  # what had been sent up to the last that is known to have come
        self.limit = LEAST_WINDOW_BYTES
        """How far the other side lets us go, in bytes of gossips and chunks with their charge."""
        self.open: dict[int, Handover] = {}
        """What we handed over and the other side has not called done, by index."""
        self._open_bytes = 0
        self.received = 0
        """Gossips that came: the index of the last one."""
        self._taken_in = 0
        self._window = LEAST_WINDOW_BYTES
        self._granted = self._window
        self._undone = 0
        self._done: list[int] = []
        self._reports: list[Report] = []
        self.ack_at = _NEVER
        """When the next answer is due."""

    # What we send

    @property
    def credit(self) -> int:
        """What may be sent now."""
        return self.limit - self._position

    @property
    def on_its_way(self) -> int:
        """What was sent and not taken in yet, as far as the other side's grants and acks tell."""
        if not self.open:
            return 0
        taken_in = max(self.limit - WINDOW_BYTES, self._settled)
        return max(0, self._position - taken_in - UNNOTICED_BYTES)

    def sent(self, handovers: list[Handover], charge: int, now: float) -> None:
        """These gossips, and chunks besides, are about to go out."""
        self._position += charge
        for handover in handovers:
            self._sent += 1
            self.open[self._sent] = handover
            self._open_bytes += len(handover.gossip.payload)
            handover.sent_at = now
            handover.position = self._position

    def forgotten(self) -> list[Handover]:
        """The oldest that are too many to wait for their answers, taken out."""
        forgotten = []
        while len(self.open) > MAX_OPEN or self._open_bytes > MAX_OPEN_BYTES:
            handover = self.open.pop(next(iter(self.open)))
            self._open_bytes -= len(handover.gossip.payload)
            forgotten.append(handover)
        return forgotten

    def acknowledged(self, ack: Ack) -> Iterator[Handover]:
        """The handovers that are done, taken out."""
        newest = self.open.get(ack.taken)
        if newest is not None:
            self._settled = max(self._settled, newest.position)
        for first, last in ack.done:
            if last - first < len(self.open):
                indices: Iterator[int] | list[int] = iter(range(first, last + 1))
            else:  # a range costs the sender nothing, however long it says it is
                indices = [index for index in self.open if first <= index <= last]
            for index in indices:
                handover = self.open.pop(index, None)
                if handover is not None:
                    self._open_bytes -= len(handover.gossip.payload)
                    yield handover
        if not self.open:
            self._settled = self._position

    # What comes

    def taken_in(self, charge: int) -> None:
        """Gossips and chunks came."""
        self._taken_in += charge

    @property
    def owes_credit(self) -> bool:
        """Whether the other side has used half of the window."""
        return self._granted - self._taken_in <= self._window // 2

    def grant(self, window: int) -> SessionCredit | None:
        """What to let the other side send now; None while it has half of the last one left.

        Args:
            window: what may be under way, from LEAST_WINDOW_BYTES to WINDOW_BYTES.
        """
        if not self.owes_credit:
            return None
        self._window = window
        # What was granted is not taken back: of a smaller window that may be all for now.
        self._granted = max(self._granted, self._taken_in + window)
        return SessionCredit(self._granted)

    def take(self, now: float, delay_s: float = ACK_DELAY_S) -> int:
        """A gossip came: its index. It is undone until ``done`` is called.

        Args:
            delay_s: how long the answer may wait.
        """
        self.received += 1
        self._undone += 1
        self.ack_at = min(self.ack_at, now + delay_s)
        return self.received

    def done(self, index: int, *, at: float) -> None:
        """A gossip that came, and its branch, are done; say so at ``at`` or before."""
        self._undone -= 1
        self._done.append(index)
        self.ack_at = min(self.ack_at, at)

    def refuse(self) -> None:
        """The gossip that came last cannot be taken. No answer says so: who sent it must not wait
        for a sign of life that would come for others."""
        self._undone -= 1

    def report(self, report: Report, *, at: float) -> None:
        """Answer for a confirmed gossip."""
        self._reports.append(report)
        self.ack_at = min(self.ack_at, at)

    def answers(self, now: float, budget: int) -> list[Ack | Report]:
        """What there is to answer, taken out, as far as it fits in ``budget`` bytes of a frame.

        What does not fit is due at once.
        """
        if self.ack_at == _NEVER:
            return []
        answers: list[Ack | Report] = []
        for report in self._reports:
            budget -= report.size_bound() + RECORD_HEAD_BYTES
            if budget < 0:
                break
            answers.append(report)
        del self._reports[: len(answers)]
        most = (budget - _ACK_BYTES) // RANGE_BOUND
        if self._reports or most < 1:
            # What is called done is answered for no more, so the reports have to go first.
            self.ack_at = now
            return answers
        done = _ranges(self._done)
        answers.append(Ack(self.received, done[:most]))
        self._done = [index for first, last in done[most:] for index in range(first, last + 1)]
        if self._done:
            self.ack_at = now
        else:
            # While something is undone, the other side wants to know that we still live.
            self.ack_at = now + ACK_DELAY_S if self._undone else _NEVER
        return answers


def _ranges(indices: list[int]) -> tuple[tuple[int, int], ...]:
    ranges: list[tuple[int, int]] = []
    for index in sorted(indices):
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1] = (ranges[-1][0], index)
        else:
            ranges.append((index, index))
    return tuple(ranges)
