from __future__ import annotations

from chatter.core.datagrams import DATAGRAM_BYTES, fits
from chatter.ids import BroadcastID
from chatter.wire.frame import encode_body
from chatter.wire.records import Probe
from tests.core.parts import make_gossip, netid


def test_what_fits_is_said_of_the_encoded_body() -> None:
    record = Probe(tuple(make_gossip(n).id for n in range(20)))
    size = len(encode_body([record]))
    assert size < DATAGRAM_BYTES

    assert fits([record], size)
    assert not fits([record], size - 1)
    assert fits([record])
    ids = tuple(BroadcastID(netid(n), n * 0x9E3779B97F4A7C15 % 2**64, n) for n in range(200))
    assert not fits([Probe(ids)])
