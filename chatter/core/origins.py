"""What is remembered of each life of each origin: what was taken, what is missing, what waits.

Each broadcast is dispatched at most once in the life of a receiver, and the ones to everyone
exactly once unless a gap names them; this is the memory that both rest on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from chatter.core.duplicates import SeqnoWindow, Verdict
from chatter.core.numbers import Numbers
from chatter.core.order import Held, Order
from chatter.ids import BroadcastID, NetID

if TYPE_CHECKING:
    from chatter.core.wants import Wants

# A process restarted every minute for two days makes 2,880, and each peer that told its number at
# first contact is one too. Each costs about 1 KiB, and 8 KiB more while seqnos are missing.
MAX_LIVES = 8192

# Broadcasts that follow each other within so long have a pace.
STEADY_S = 0.5

# A burst that came by a connection, ahead of all others, is one of many: those behind it wait in
# the queues of heads, who answer for them, while beacons name them already.
FLOWS_FOR_S = 0.5

# Broadcasts that came too late, so that no receipt names us for a second copy of one; those of the
# last minutes of a bad network.
MAX_TOO_LATE = 4096

# Lives looked at to find one that can go, so that a full table costs a newcomer microseconds.
MAX_LOOKS = 64


class OriginLife:
    """What is remembered of one life of one origin."""

    __slots__ = (
        "_held",
        "epoch",
        "flows_until",
        "kept",
        "named_at",
        "numbers",
        "order",
        "origin",
        "pace_s",
        "source",
        "top_at_look",
        "wants",
        "window",
    )

    def __init__(self, origin: NetID, epoch: int, held: Held) -> None:
        self.origin = origin
        self.epoch = epoch
        self.kept = True
        """Whether it is still remembered."""
        self.window = SeqnoWindow()
        self.numbers = Numbers()
        self.order: Order | None = None
        """What waits for its turn; None until an ordered handler is concerned."""
        self.source: NetID | None = None
        """Who handed us its gossip last."""
        self.named_at = float("-inf")
        """When a new number was last heard of."""
        self.pace_s = 0.0
        """The usual pause between two numbers; 0 while there is no steady pace."""
        self.flows_until = float("-inf")
        """Until when what others name of it is taken to be under way to us by connections."""
        self.wants: Wants | None = None
        """What is being asked for."""
        self.top_at_look = 0
        """The highest seqno when it was last considered for being forgotten."""
        self._held = held

    def takes_next(self, seqno: int, number: int, many: int, by: NetID, now: float) -> bool:
        """Take broadcasts to everyone that come next in every respect: nothing before is missing.

        The usual case, and hot: in one step what the window, the numbers and the repair each do.
        False: nothing was changed, and each of them has to be asked.

        Args:
            seqno: of the first; ``number`` likewise.
            by: who handed them to us.
        """
        window, numbers = self.window, self.numbers
        if (
            seqno != window.floor + 1
            or window.top > window.floor
            or number != numbers.top + 1
            or numbers.firsts
            or not numbers.known
        ):
            return False
        window.floor = window.top = seqno + many - 1
        numbers.top = number + many - 1
        self.source = by
        pause_s = now - self.named_at
        self.named_at = now
        self.pace_s = (3 * self.pace_s + pause_s) / 4 if pause_s < STEADY_S else 0.0
        return True

    def moved(self, now: float) -> None:
        """A number came, the origin's own or one of ours. Hot: once for each."""
        pause_s = now - self.named_at
        self.named_at = now
        self.pace_s = (3 * self.pace_s + pause_s) / 4 if pause_s < STEADY_S else 0.0

    def flows(self, now: float) -> None:
        """It comes by connections, one burst after the other."""
        self.flows_until = now + FLOWS_FOR_S

    def ordered(self) -> Order:
        """Its order, made if it is needed for the first time."""
        if self.order is None:
            self.order = Order(self._held)
        return self.order


class Origins:
    """The lives that are remembered."""

    def __init__(self) -> None:
        self._lives: OrderedDict[tuple[NetID, int], OriginLife] = OrderedDict()
        self._held = Held()
        self._too_late: OrderedDict[BroadcastID, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._lives)

    def __iter__(self) -> Iterator[OriginLife]:
        return iter(self._lives.values())

    def get(self, origin: NetID, epoch: int) -> OriginLife | None:
        """What is remembered of a life, or None."""
        return self._lives.get((origin, epoch))

    def open(self, origin: NetID, epoch: int) -> OriginLife:
        """What is remembered of a life, from now on if it is new."""
        life = self._lives.get((origin, epoch))
        if life is None:
            if len(self._lives) >= MAX_LIVES:
                self._make_room()
            life = self._lives[origin, epoch] = OriginLife(origin, epoch, self._held)
        return life

    def seen(self, broadcast: BroadcastID) -> bool:
        """Whether it needs not be sent to us again; changes nothing."""
        origin, epoch, seqno = broadcast
        life = self._lives.get((origin, epoch))
        return life is not None and life.window.look(seqno) is not Verdict.NEW

    def note_too_late(self, broadcast: BroadcastID) -> None:
        """It came after a gap had said that it will not be dispatched."""
        self._too_late[broadcast] = None
        if len(self._too_late) > MAX_TOO_LATE:
            self._too_late.popitem(last=False)

    def accepted(self, broadcast: BroadcastID) -> bool:
        """Whether it came in time to be dispatched."""
        return broadcast not in self._too_late and self.seen(broadcast)

    def _make_room(self) -> None:
        """Forget a life that brought nothing since it was last looked at, if one is found soon.

        Each new broadcast moving its life to the end would be the exact order, and would cost
        every message; so a life that was heard meanwhile is passed over, once.
        """
        for _ in range(min(MAX_LOOKS, len(self._lives))):
            key, life = next(iter(self._lives.items()))
            if life.window.top == life.top_at_look and life.wants is None:
                break
            life.top_at_look = life.window.top
            self._lives.move_to_end(key)
        _, forgotten = self._lives.popitem(last=False)
        forgotten.kept = False
        if forgotten.order is not None:
            forgotten.order.drop()
