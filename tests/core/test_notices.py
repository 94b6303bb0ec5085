from __future__ import annotations

from chatter.core.channels import MulticastChannels
from chatter.core.notices import FIRST_NOTICE_S, LONGEST_WAIT_S, Notices
from chatter.core.origins import Origins
from chatter.wire.records import Highest, Record, Top
from tests.core.benches import LAN, LOOPBACK
from tests.core.parts import make_context, make_gossip, netid

NEVER = float("inf")
TOLD = Highest((Top(netid(1), 7, 3),))


class Bench:
    """Two channels, and what they are told."""

    def __init__(self) -> None:
        self.context = make_context()
        self.channels = MulticastChannels(self.context, [LAN, LOOPBACK])
        self.highest: Highest | None = TOLD
        self.origins = Origins()
        self.notices = Notices(self.context, self.channels, self.origins, lambda now: self.highest)
        self.number = 0

    def sent(self, channel: int, now: float, *, pace_s: float = 0.0) -> None:
        """The next broadcast to everyone of one origin goes out."""
        self.number += 1
        gossip = make_gossip(self.number, number=self.number)
        life = self.origins.open(gossip.id.origin, gossip.id.epoch)
        life.numbers.note(self.number)
        life.pace_s = pace_s
        self.notices.sent(channel, gossip, now)

    def told(self, channel: int = 0) -> list[Record]:
        """What waits for a channel, taken out."""
        return self.channels[channel].outbox.drain()[0]

    def run(self, until: float) -> list[float]:
        """Tick when it asks for that; when the first channel was told."""
        moments = []
        while (now := self.notices.next_wakeup()) <= until:
            self.notices.tick(now)
            moments += [round(now, 6)] * len(self.told())
        return moments


def test_nothing_sent_nothing_told() -> None:
    bench = Bench()
    bench.notices.tick(100.0)

    assert bench.notices.next_wakeup() == NEVER
    assert bench.told() == []


def test_after_the_last_one_the_numbers_are_told_soon_and_at_doubling_pauses() -> None:
    """Until the beacon, which tells them too, comes as often."""
    bench = Bench()
    bench.sent(0, 10.0)

    assert bench.run(60.0) == [10.02, 10.06, 10.14, 10.3, 10.62, 11.26, 12.54, 15.1]
    assert bench.context.counts["tail_notices"] == 8
    assert bench.notices.next_wakeup() == NEVER


def test_a_channel_that_carried_nothing_is_told_nothing() -> None:
    bench = Bench()
    bench.sent(0, 0.0)
    bench.notices.tick(FIRST_NOTICE_S)

    assert bench.told(0) == [TOLD]
    assert bench.told(1) == []


def test_with_a_steady_pace_the_next_broadcast_comes_before_the_notice() -> None:
    """So it costs nothing as long as there is one; and it comes when the pace ends."""
    bench = Bench()
    moments: list[float] = []
    for turn in range(100):
        moments += bench.run(turn * 0.1)
        bench.sent(0, turn * 0.1, pace_s=0.1)

    assert moments == []
    assert bench.run(11.0)[0] == round(9.9 + 0.2, 6)


def test_however_slow_the_pace_the_notice_does_not_wait_longer() -> None:
    bench = Bench()
    bench.sent(0, 0.0, pace_s=60.0)

    assert bench.run(1.0) == [LONGEST_WAIT_S]


def test_a_fast_burst_is_told_of_at_its_end_alone() -> None:
    bench = Bench()
    for turn in range(1000):
        bench.sent(0, turn * 0.001)
        bench.notices.tick(turn * 0.001)
    assert bench.told() == []

    assert bench.run(2.0)[0] == round(0.999 + FIRST_NOTICE_S, 6)


def test_who_multicasts_a_later_one_sees_to_the_notice() -> None:
    """Another relay of the same origin: one of them is enough."""
    bench = Bench()
    bench.sent(0, 0.0)
    gossip = make_gossip(1)
    bench.origins.open(gossip.id.origin, gossip.id.epoch).numbers.note(2)

    assert bench.run(10.0) == []


def test_what_goes_to_some_is_answered_by_each_of_them() -> None:
    bench = Bench()
    bench.sent(0, 0.0)
    bench.run(10.0)
    bench.notices.sent(0, make_gossip(2), 20.0)

    assert bench.notices.next_wakeup() == NEVER


def test_what_waits_for_credit_will_tell_itself() -> None:
    bench = Bench()
    bench.sent(0, 0.0)
    bench.channels[0].put_gossip(make_gossip())

    bench.notices.tick(FIRST_NOTICE_S)

    assert bench.told() == []


def test_with_nothing_to_tell_nothing_is_told() -> None:
    bench = Bench()
    bench.highest = None
    bench.sent(0, 0.0)

    assert bench.run(10.0) == []
    assert bench.context.counts["tail_notices"] == 0
