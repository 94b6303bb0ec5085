from __future__ import annotations

import pytest

from chatter.core import origins as origins_module
from chatter.core.effects import Deliver
from chatter.core.origins import Origins
from chatter.core.wants import Wants
from chatter.ids import BroadcastID
from tests.core.parts import make_gossip, netid


def take(origins: Origins, epoch: int, seqno: int) -> None:
    """A broadcast of node 1 comes."""
    origins.open(netid(1), epoch).window.take(seqno)


def known(origins: Origins, *epochs: int) -> list[bool]:
    """Whether the lives of node 1 are remembered."""
    return [origins.get(netid(1), epoch) is not None for epoch in epochs]


def test_lives_and_origins_are_apart() -> None:
    origins = Origins()
    lives = [origins.open(netid(number), epoch) for number in (1, 2) for epoch in (5, 6)]

    assert len({id(life) for life in lives}) == len(origins) == 4
    assert list(origins) == lives
    assert origins.open(netid(1), 5) is origins.get(netid(1), 5) is lives[0]
    assert origins.get(netid(3), 5) is None


def test_seen_is_what_need_not_be_sent() -> None:
    origins = Origins()
    one = BroadcastID(netid(1), 5, 1)

    assert not origins.seen(one)
    assert len(origins) == 0
    take(origins, 5, 1)
    assert origins.seen(one)
    assert not origins.seen(one._replace(seqno=2))


def test_a_life_that_brought_nothing_lately_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins_module, "MAX_LIVES", 3)
    origins = Origins()
    for epoch in (1, 2, 3):
        take(origins, epoch, 1)
    take(origins, 4, 1)  # all were new since the first look: the oldest goes
    assert known(origins, 1, 2, 3, 4) == [False, True, True, True]
    take(origins, 2, 2)

    take(origins, 5, 1)
    assert known(origins, 2, 3, 4, 5) == [True, False, True, True]


def test_one_that_is_being_repaired_stays_if_another_can_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(origins_module, "MAX_LIVES", 2)
    origins = Origins()
    for epoch in (1, 2):
        life = origins.open(netid(1), epoch)
        life.wants = Wants(life) if epoch == 1 else None

    origins.open(netid(1), 3)
    assert known(origins, 1, 2, 3) == [True, False, True]
    life = origins.open(netid(1), 3)
    life.wants = Wants(life)
    origins.open(netid(1), 4)
    assert len(origins) == 2


def test_what_a_forgotten_life_held_back_is_no_more_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(origins_module, "MAX_LIVES", 1)
    origins = Origins()
    order = origins.open(netid(1), 1).ordered()
    assert origins.open(netid(1), 1).ordered() is order
    order.hold(5, 5, Deliver(make_gossip(5, bytes(100)), netid(3), "tcp", False))
    assert origins._held.bytes > 100

    origins.open(netid(1), 2)
    assert origins._held.bytes == 0
