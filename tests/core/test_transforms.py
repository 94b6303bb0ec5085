from __future__ import annotations

from chatter.core import transforms
from chatter.core.duties import Duty
from chatter.core.transforms import PATIENCE_S, Transforms
from chatter.wire.gossip import Gossip
from tests.core.parts import make_gossip


def duty_of(gossip: Gossip) -> Duty:
    return Duty(gossip, None, None, 0.0)


def hold(held: Transforms, gossip: Gossip, now: float = 0.0) -> Duty:
    duty = duty_of(gossip)
    held.hold(gossip, duty, now)
    return duty


def test_released_once() -> None:
    held = Transforms()
    gossip = make_gossip()
    duty = hold(held, gossip)

    assert held.release(gossip.id) == (gossip, duty)
    assert held.release(gossip.id) is None
    assert held.next_wakeup() == float("inf")


def test_goes_on_after_a_second() -> None:
    held = Transforms()
    first, second = make_gossip(1), make_gossip(2)
    duty = hold(held, first, 0.0)
    hold(held, second, 0.5)

    assert held.next_wakeup() == PATIENCE_S
    assert held.overdue(PATIENCE_S - 0.01) == []
    assert held.overdue(PATIENCE_S) == [(first, duty)]
    assert held.release(first.id) is None
    assert held.next_wakeup() == PATIENCE_S + 0.5


def pressure(held: Transforms) -> tuple[bool, bool]:
    return held.crowded, held.full


def test_the_senders_are_held_back_long_before_there_is_no_room() -> None:
    held = Transforms()
    seen: dict[int, tuple[bool, bool]] = {}
    for seqno in range(1, transforms.MAX_HELD + 1):
        hold(held, make_gossip(seqno))
        seen[seqno] = pressure(held)
    half = transforms.MAX_HELD // 2
    assert seen[half] == (False, False)
    assert seen[half + 1] == seen[transforms.MAX_HELD - 1] == (True, False)
    assert seen[transforms.MAX_HELD] == (True, True)
    held.release(make_gossip(7).id)
    assert pressure(held) == (True, False)


def test_bytes_count_too() -> None:
    held = Transforms()
    large = make_gossip(1, bytes(transforms.MAX_HELD_BYTES))
    hold(held, large)
    assert pressure(held) == (True, True)
    held.release(large.id)
    assert pressure(held) == (False, False)
