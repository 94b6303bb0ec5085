from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.core.channels import ChannelSpec, MulticastChannels
from chatter.core.effects import MulticastReady
from chatter.ids import NetID
from chatter.wire.gossip import Gossip
from tests.core.parts import GROUP, make_context, make_gossip, netid

LAN = ChannelSpec(GROUP, False, 1472)
LOOPBACK = ChannelSpec(GROUP, True, 61_440)


def test_what_waits_shares_a_datagram() -> None:
    context = make_context()
    (channel,) = MulticastChannels(context, [LAN])
    for seqno in (1, 2, 3):
        assert channel.put(make_gossip(seqno))

    assert context.effects == [MulticastReady(0)] * 3
    assert channel.next_frame() is not None
    assert channel.next_frame() is None


@given(
    st.integers(0, 1500),
    st.text(min_size=1, max_size=60),
    st.lists(st.integers(0, 60_000), max_size=30),
    st.booleans(),
    st.integers(1, 1 << 63),
    st.integers(0, 2000),
)
def test_what_fits_really_fits(
    size: int, tag: str, listed: list[int], v6: bool, seqno: int, number: int
) -> None:
    """Whatever the record holds, and with nothing for LZ4 to gain."""
    local = NetID("2001:db8::1" if v6 else "10.0.0.1", 29999)
    context = make_context(local)
    channels = MulticastChannels(context, [LAN])
    distribution = tuple(
        NetID(f"2001:db8:{one:x}::{one % 251:x}", one + 1) if v6 else netid(one) for one in listed
    )
    gossip: Gossip = make_gossip(
        seqno,
        context.rng.randbytes(size),
        tag=tag,
        distribution=distribution,
        number=number,
        compress=False,
    )

    if channels.fitting(gossip.size_bound()):
        channels[0].put(gossip)
        frame = channels[0].next_frame()
        assert frame is not None
        assert len(frame) <= LAN.max_datagram_bytes


def test_the_size_bound_wastes_little() -> None:
    channels = MulticastChannels(make_context(), [LAN])

    assert channels.fitting(make_gossip(1, bytes(1250)).size_bound()) == [0]
    assert channels.fitting(make_gossip(1, bytes(1472)).size_bound()) == []


@pytest.mark.parametrize(
    ("specs", "size", "fitting", "whole"),
    [
        ([LAN, LOOPBACK], 100, [0, 1], True),
        ([LAN, LOOPBACK], 5000, [1], False),  # the workers of this host are not the segment
        ([LOOPBACK], 5000, [0], True),  # here they are
        ([LAN], 5000, [], False),
        ([LAN, LAN], 100, [0, 1], True),
        ([], 100, [], False),
    ],
)
def test_which_channels_reach_a_whole_segment(
    specs: list[ChannelSpec], size: int, fitting: list[int], whole: bool
) -> None:
    channels = MulticastChannels(make_context(), specs)

    assert channels.fitting(size) == fitting
    assert channels.whole_segment(fitting) is whole


def test_a_full_queue_refuses() -> None:
    context = make_context()
    channels = MulticastChannels(context, [LAN])
    while channels[0].put(make_gossip(1, bytes(1000))):
        pass
    effects = len(context.effects)

    assert not channels[0].put(make_gossip(1, bytes(1000)))
    assert len(context.effects) == effects
    assert channels.pending()
    assert channels[0].outbox.room() < 1100
