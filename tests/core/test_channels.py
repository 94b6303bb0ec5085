from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.core.channels import MAX_OUTBOX_BYTES, ChannelSpec, MulticastChannels
from chatter.core.context import Context
from chatter.core.effects import MulticastReady
from chatter.core.flow import FIRST_QUESTION_S
from chatter.core.outbox import CHARGE_BYTES
from chatter.core.peers import Peer
from chatter.core.transfer import Transfer, Whole
from chatter.ids import NetID
from chatter.wire.frame import decode_body
from chatter.wire.gossip import Gossip
from chatter.wire.records import Chunk, Credit, Grant, Leave
from chatter.wire.seal import Channel, multicast_context, open_frame, read_header
from tests.core.parts import GROUP, make_context, make_gossip, make_peer, netid

LAN = ChannelSpec(GROUP, False, 1472)
LOOPBACK = ChannelSpec(GROUP, True, 61_440)


def test_what_waits_shares_a_datagram() -> None:
    context = make_context()
    (channel,) = MulticastChannels(context, [LAN])
    for seqno in (1, 2, 3):
        assert channel.put_gossip(make_gossip(seqno))

    assert context.effects == [MulticastReady(0)] * 3
    assert channel.next_frame(0.0) is not None
    assert channel.next_frame(0.0) is None


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
        channels[0].put_gossip(gossip)
        frame = channels[0].next_frame(0.0)
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
    while channels[0].put_gossip(make_gossip(1, bytes(1000))):
        pass
    effects = len(context.effects)

    assert not channels[0].put_gossip(make_gossip(1, bytes(1000)))
    assert len(context.effects) == effects
    assert channels.pending()
    assert channels[0].outbox.room() <= 1100 - MAX_OUTBOX_BYTES // 2
    assert channels[0].put(Leave())  # what nodes tell each other is never held up


def hearing(limit: int) -> tuple[Context, MulticastChannels, Peer]:
    """A channel that one peer hears, and has let go so far."""
    context = make_context()
    peer = make_peer(2, hears={0: 0.0}, limits={0: limit})
    context.peers.add(peer)
    return context, MulticastChannels(context, [LAN]), peer


def test_without_credit_gossips_wait_and_what_nodes_tell_each_other_does_not() -> None:
    context, channels, _ = hearing(0)
    channels[0].put_gossip(make_gossip(1))
    assert channels[0].next_frame(1.0) is None

    channels[0].put(Leave())

    assert channels[0].next_frame(1.0) is not None
    assert channels[0].outbox.has_data
    assert context.counts["multicast_blocked"] == 1
    assert channels[0].flow.position == 0


def test_a_grant_wakes_the_channel_that_waits_for_it() -> None:
    context, channels, peer = hearing(0)
    channels[0].put_gossip(make_gossip(1))
    channels[0].next_frame(1.0)
    context.effects.clear()

    channels.granted(peer, Credit((Grant(netid(7), 0, 5000), Grant(context.local, 9, 5000))))
    assert context.effects == []  # another sender's, and a channel that we do not have
    channels.granted(peer, Credit((Grant(context.local, 0, 5000),)))

    assert context.effects == [MulticastReady(0)]
    assert channels[0].next_frame(1.0) is not None
    assert channels.next_wakeup() == float("inf")


def test_who_holds_us_up_is_asked_by_datagram() -> None:
    context, channels, peer = hearing(0)
    channels[0].put_gossip(make_gossip(1))
    channels[0].next_frame(1.0)

    assert channels.next_wakeup() == 1.0 + FIRST_QUESTION_S
    channels.tick(channels.next_wakeup())

    assert context.udp.take() == (peer.netid, peer.life, [Credit((Grant(context.local, 0, 0),))])
    assert context.udp.take() is None


def test_each_datagram_says_how_far_the_channel_is() -> None:
    context, channels, _ = hearing(1_000_000)
    positions = []
    for seqno in (1, 2):
        channels[0].put_gossip(make_gossip(seqno, bytes(1000)))
        frame = channels[0].next_frame(0.0)
        assert frame is not None
        header = read_header(frame)
        where = multicast_context(header.life, GROUP)
        ring = context.identity.ring
        body, _ = open_frame(ring, Channel.MULTICAST, where, header.hint, frame)
        sender = decode_body(body).sender
        assert sender is not None
        positions.append(sender.position)

    assert positions == [channels[0].flow.position // 2, channels[0].flow.position]
    assert positions[0] > 1000 + CHARGE_BYTES


def test_a_large_payload_goes_a_chunk_in_each_datagram_with_its_header() -> None:
    context, channels, _ = hearing(1_000_000)
    payload = context.rng.randbytes(5000)
    header = make_gossip(payload=b"", size=5000, compress=False, number=1)
    channels[0].add_transfer(Transfer(header, Whole(payload), [(0, 5000)]))
    got = bytearray()
    while (frame := channels[0].next_frame(0.0)) is not None:
        assert len(frame) <= LAN.max_datagram_bytes
        named = read_header(frame)
        where = multicast_context(named.life, GROUP)
        ring = context.identity.ring
        body, _ = open_frame(ring, Channel.MULTICAST, where, named.hint, frame)
        told, chunk = decode_body(body).records
        assert told == header
        assert isinstance(chunk, Chunk)
        assert chunk.offset == len(got)
        got += chunk.data

    assert bytes(got) == payload
