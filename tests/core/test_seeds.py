from __future__ import annotations

from itertools import pairwise

from chatter.core.effects import Connect
from chatter.core.seeds import FIRST_PAUSE_S, LONGEST_PAUSE_S, Seeds
from chatter.ids import NetID
from tests.core.parts import US, make_context, make_links, make_peer, netid


class Garden:
    """Seeds, and a clock that goes on as they ask."""

    def __init__(self, *addresses: NetID) -> None:
        self.context = make_context()
        self.links = make_links(self.context)
        self.seeds = Seeds(self.context, self.links)
        self.seeds.set(list(addresses), 0.0)
        self.now = 0.0

    def connects(self, until: float) -> list[tuple[float, NetID]]:
        """When it connects to whom, if nobody ever answers."""
        found = []
        while self.seeds.next_wakeup() <= until:
            self.now = max(self.now, self.seeds.next_wakeup())
            self.seeds.tick(self.now)
            for effect in self.context.effects:
                assert isinstance(effect, Connect)
                found.append((self.now, effect.netid))
                self.links.failed(effect.netid)
            self.context.effects.clear()
        return found


def test_tried_at_once_and_then_with_growing_pauses() -> None:
    moments = [when for when, _ in Garden(netid(9)).connects(120.0)]
    pauses = [later - earlier for earlier, later in pairwise(moments)]

    assert moments[0] == 0.0
    assert 0.8 * FIRST_PAUSE_S <= pauses[0] <= 1.2 * FIRST_PAUSE_S
    for earlier, later in pairwise(pauses[:6]):
        assert 1.2 <= later / earlier <= 3.1
    assert all(0.8 * LONGEST_PAUSE_S <= pause <= 1.2 * LONGEST_PAUSE_S for pause in pauses[7:])
    assert len(pauses) > 12  # it never gives up


def test_each_seed_has_a_pace_of_its_own() -> None:
    connects = Garden(netid(8), netid(9)).connects(60.0)

    assert {where for _, where in connects} == {netid(8), netid(9)}
    assert len({when for when, _ in connects}) > len(connects) / 2


def test_we_are_no_seed_of_ours() -> None:
    garden = Garden(US)

    assert garden.seeds.next_wakeup() == float("inf")
    assert garden.connects(60.0) == []


def test_a_seed_that_is_a_live_peer_is_left_alone() -> None:
    garden = Garden(netid(9))
    garden.context.peers.add(make_peer(9))

    assert garden.connects(60.0) == []


def test_one_that_answers_under_another_name_is_left_alone_too() -> None:
    garden = Garden(netid(9))
    garden.context.peers.add(make_peer(4))
    garden.seeds.answered(netid(9), netid(4))

    assert garden.connects(60.0) == []


def test_one_that_is_gone_is_tried_again_soon() -> None:
    garden = Garden(netid(9))
    peer = make_peer(9)
    garden.context.peers.add(peer)
    garden.connects(35.0)
    peer.state = "failed"

    first = garden.connects(60.0)[0][0]

    assert first <= 35.0 + LONGEST_PAUSE_S


def test_names_that_stand_for_other_addresses_now() -> None:
    garden = Garden(netid(8), netid(9))
    garden.connects(20.0)

    garden.seeds.set([netid(9), netid(10)], 20.0)
    later = garden.connects(30.0)

    assert {where for _, where in later} == {netid(9), netid(10)}
    assert later[0] == (20.0, netid(10))
