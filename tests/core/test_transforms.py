from __future__ import annotations

from chatter.core import transforms
from chatter.core.transforms import PATIENCE_S, Transforms
from tests.core.parts import make_gossip


def test_released_once() -> None:
    held = Transforms()
    gossip = make_gossip()
    held.hold(gossip, 0.0)

    assert held.release(gossip.id) is gossip
    assert held.release(gossip.id) is None
    assert held.next_wakeup() == float("inf")


def test_goes_on_after_a_second() -> None:
    held = Transforms()
    first, second = make_gossip(1), make_gossip(2)
    held.hold(first, 0.0)
    held.hold(second, 0.5)

    assert held.next_wakeup() == PATIENCE_S
    assert held.overdue(PATIENCE_S - 0.01) == []
    assert held.overdue(PATIENCE_S) == [first]
    assert held.release(first.id) is None
    assert held.next_wakeup() == PATIENCE_S + 0.5


def test_more_than_can_be_held_go_on_at_once() -> None:
    held = Transforms()
    for seqno in range(1, transforms.MAX_HELD + 1):
        held.hold(make_gossip(seqno), 0.0)

    held.hold(make_gossip(5000), 0.0)

    assert held.overdue(0.0) == [make_gossip(5000)]
