from __future__ import annotations

from chatter.core.identity import Identity
from chatter.ids import epoch_of
from chatter.wire.seal import KeyRing, read_header
from tests.core.parts import GROUP, KEY, life


def test_one_counter_for_all_datagrams_of_a_life() -> None:
    identity = Identity(KeyRing([KEY]), life(1))
    frames = [
        identity.multicast_sealer(GROUP).seal(b"a"),
        identity.udp_sealer(life(2)).seal(b"b"),
        identity.hello_sealer.seal(b"c"),
        identity.udp_sealer(life(3)).seal(b"d"),
        identity.multicast_sealer(GROUP).seal(b"e"),
    ]

    assert [read_header(frame).counter for frame in frames] == [1, 2, 3, 4, 5]
    assert {read_header(frame).life for frame in frames} == {life(1)}
    assert identity.epoch == epoch_of(life(1))


def test_no_nonce_repeats_when_sealers_are_dropped_and_made_again() -> None:
    identity = Identity(KeyRing([KEY]), life(1))
    counters = []
    for number in range(1000):
        for receiver in (life(number), life(0)):
            counters.append(read_header(identity.udp_sealer(receiver).seal(b"")).counter)

    assert len(set(counters)) == 2000


def test_a_sealer_in_use_is_kept() -> None:
    identity = Identity(KeyRing([KEY]), life(1))
    used = identity.udp_sealer(life(0))
    for number in range(1, 2000):
        identity.udp_sealer(life(number))
        assert identity.udp_sealer(life(0)) is used
