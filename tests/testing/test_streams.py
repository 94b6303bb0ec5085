from __future__ import annotations

import pytest

from chatter.ids import NetID
from chatter.testing.faults import Cut, Delay, Lose
from chatter.testing.network import WITHIN_SEGMENT_S, Network
from chatter.testing.streams import GIVE_UP_AFTER_S, WINDOW_BYTES
from tests.testing.ends import End, address, make_network


def pair(seed: int = 0) -> tuple[Network, End, End]:
    """Two ends and a connection between them."""
    network = make_network(seed)
    a, b = End(network, address(1)), End(network, address(2))
    a.connect(b.netid)
    network.clock.run_until(1.0)
    assert [what for what, _ in a.told + b.told] == ["connected", "accepted"]
    return network, a, b


def told(end: End) -> list[str]:
    return [what for what, _ in end.told]


def test_opening_takes_a_round_trip() -> None:
    _, a, b = pair()

    assert a.told == [("connected", 2 * WITHIN_SEGMENT_S)]
    assert b.told == [("accepted", WITHIN_SEGMENT_S)]


def test_where_nobody_listens_it_is_refused_after_a_round_trip() -> None:
    network = make_network()
    a = End(network, address(1))
    End(network, address(2))
    a.connect(NetID("10.0.0.2", 1234))
    network.clock.run_until(1.0)

    assert told(a) == ["failed"]
    assert a.told[0][1] == pytest.approx(2 * WITHIN_SEGMENT_S)


@pytest.mark.parametrize("reason", ["no such host", "cut off", "without power"])
def test_where_nothing_answers_it_fails_when_patience_ends(reason: str) -> None:
    network = make_network()
    a, b = End(network, address(1)), End(network, address(2))
    if reason == "cut off":
        network.add(Cut(sources=[a.netid], targets=[b.netid]))
    elif reason == "without power":
        network.detach(b.netid, silently=True)
    a.connect(NetID("192.0.2.1", 5) if reason == "no such host" else b.netid, timeout_s=3.0)
    network.clock.run_until(10.0)

    assert a.told == [("failed", 3.0)]


def test_a_lost_syn_is_sent_again() -> None:
    network = make_network()
    a, b = End(network, address(1)), End(network, address(2))
    cut = Cut(sources=[a.netid], targets=[b.netid])
    network.add(cut)
    a.connect(b.netid)
    network.clock.run_until(0.5)
    network.heal(cut)
    network.clock.run_until(3.0)

    assert told(a) == ["connected"]
    assert 1.0 < a.told[0][1] < 1.1


@pytest.mark.parametrize("seed", range(5))
def test_bytes_come_in_order_in_pieces_of_any_size(seed: int) -> None:
    network, a, b = pair(seed)
    network.add(Delay(0.01, jitter_s=0.05), Lose(0.3))
    written = b""
    for number in range(100):
        data = network.rng.randbytes(1 + number * 7)
        written += data
        a.stream.write(data)
        network.clock.run_until(network.clock.now + 0.01)
    network.clock.run_until(60.0)

    assert b.read == written
    assert len({len(piece) for piece in b.pieces}) > 20
    assert len(b.pieces) != 100


def test_both_ways_at_once() -> None:
    network, a, b = pair()
    a.stream.write(b"ping")
    b.stream.write(b"pong")
    network.clock.run_until(2.0)

    assert (a.read, b.read) == (b"pong", b"ping")


def test_who_does_not_read_fast_enough_fills_the_window() -> None:
    network, a, b = pair()
    cut = Cut(sources=[a.netid], targets=[b.netid])
    network.add(cut)
    a.stream.write(bytes(WINDOW_BYTES))

    assert a.stream.room == 0
    network.heal(cut)
    network.clock.run_until(3.0)
    assert told(a)[-1] == "writable"
    assert len(b.read) == a.stream.room == WINDOW_BYTES


def test_a_cut_holds_bytes_back_until_it_heals() -> None:
    network, a, b = pair()
    network.add(Cut(sources=[a.netid], targets=[b.netid]))
    a.stream.write(b"later")
    network.clock.run_until(5.0)
    assert b.read == b""

    network.heal()
    network.clock.run_until(10.0)
    assert b.read == b"later"
    assert told(a) == ["connected"]


def test_a_cut_that_lasts_breaks_the_connection_of_who_sends() -> None:
    network, a, b = pair()
    network.add(Cut(sources=[a.netid], targets=[b.netid]))
    a.stream.write(b"never")
    network.clock.run_until(GIVE_UP_AFTER_S + 10)

    assert told(a)[-1] == "ended"
    assert told(b) == ["accepted"]  # nobody could tell it
    assert b.read == b""


def test_closing_tells_the_other_side_behind_the_last_byte() -> None:
    network, a, b = pair()
    a.stream.write(bytes(100_000))
    a.stream.close()
    network.clock.run_until(5.0)

    assert len(b.read) == 100_000
    assert told(b)[-1] == "ended"
    assert told(a) == ["connected"]  # it knows
    b.stream.write(b"too late")
    a.stream.write(b"too late")
    network.clock.run_until(6.0)
    assert (a.read, len(b.read)) == (b"", 100_000)


def test_who_finishes_still_reads_what_the_other_side_had_sent() -> None:
    network, a, b = pair()
    b.stream.write(b"last words")
    a.stream.finish()
    network.clock.run_until(5.0)

    assert a.read == b"last words"
    assert told(a)[-1] == told(b)[-1] == "ended"


def test_a_process_that_dies_ends_its_connections() -> None:
    network, a, b = pair()
    network.detach(b.netid)
    network.clock.run_until(2.0)

    assert told(a)[-1] == "ended"
    assert told(b) == ["accepted"]


def test_a_host_that_dies_tells_nobody() -> None:
    network, a, b = pair()
    network.detach(b.netid, silently=True)
    network.clock.run_until(5.0)
    assert told(a) == ["connected"]

    a.stream.write(b"anybody there?")
    network.clock.run_until(GIVE_UP_AFTER_S + 20)
    assert told(a)[-1] == "ended"


def test_who_writes_to_a_process_that_has_restarted_is_told() -> None:
    network, a, b = pair()
    network.detach(b.netid, silently=True)
    network.clock.run_until(2.0)
    again = End(network, address(2))
    a.stream.write(b"hello?")
    network.clock.run_until(3.0)

    assert told(a)[-1] == "ended"
    assert again.read == b""


def test_what_was_written_before_a_close_outlives_the_process() -> None:
    network, a, b = pair()
    a.stream.write(b"farewell")
    a.stream.close()
    network.detach(a.netid)
    network.clock.run_until(3.0)

    assert b.read == b"farewell"
    assert told(b)[-1] == "ended"


def test_a_server_that_ends_it_before_the_client_knows_of_it() -> None:
    network = make_network()
    a, b = End(network, address(1)), End(network, address(2))
    a.connect(b.netid)
    network.clock.run_until(WITHIN_SEGMENT_S * 1.5)
    network.detach(b.netid)
    network.clock.run_until(1.0)

    assert told(a) in (["failed"], ["connected", "ended"])


def test_segments_of_a_stream_are_counted() -> None:
    network, a, _ = pair()
    before = network.counts["tcp_sent"], network.counts["tcp_bytes"]
    a.stream.write(bytes(10_000))

    assert network.counts["tcp_sent"] - before[0] == 7
    assert network.counts["tcp_bytes"] - before[1] == 10_000 + 7 * 52
