from __future__ import annotations

import random
from typing import Any

import pytest

from chatter.core.identity import Identity
from chatter.core.session import Session
from chatter.errors import BadSeal, Replayed, TooLarge
from chatter.ids import NetID, epoch_of
from chatter.wire.frame import Body, decode_body
from chatter.wire.records import Hello, Leave, Record
from chatter.wire.seal import KeyRing
from tests.core.parts import KEY, life, make_gossip, netid


def make_session(
    number: int, *, client: bool, seed: int = 0, known: int = 0, since: int = 0, **fields: Any
) -> Session:
    identity = Identity(KeyRing([KEY]), fields.pop("life", life(number)))
    challenge = random.Random(f"{number} {seed}").randbytes(16)
    return Session(
        identity.ring,
        netid(number),
        identity.life,
        Hello(challenge, None, 5, 0, 1000),
        identity.hello_sealer,
        client=client,
        known_epoch=lambda netid: known,
        since=lambda netid, life: since,
        expected=netid(2) if client else None,
    )


def shake_hands(client: Session, server: Session) -> None:
    """The first exchange, and the frame that proves the client."""
    assert server.receive(client.handshake_bytes()) == []
    assert client.receive(server.handshake_bytes()) == []
    assert client.proven
    assert len(server.receive(client.seal([Leave()]))) == 1
    assert server.proven


def pair(**fields: Any) -> tuple[Session, Session]:
    client, server = make_session(1, client=True, **fields), make_session(2, client=False)
    shake_hands(client, server)
    return client, server


def records(bodies: list[Body]) -> list[Record]:
    return [record for body in bodies for record in body.records]


def test_both_sides_learn_who_the_other_is() -> None:
    client, server = pair()

    assert (client.netid, client.life) == (netid(2), life(2))
    assert (server.netid, server.life) == (netid(1), life(1))
    assert client.hello is not None
    assert client.hello.buffer == 1000


def test_the_server_is_not_proven_to_have_a_client_before_its_first_frame() -> None:
    client, server = make_session(1, client=True), make_session(2, client=False)
    server.receive(client.handshake_bytes())

    assert not server.proven
    client.receive(server.handshake_bytes())
    server.receive(client.seal([Leave()]))
    assert server.proven


def test_frames_go_both_ways() -> None:
    client, server = pair()
    gossip = make_gossip(payload=bytes(40_000))

    assert records(server.receive(client.seal([gossip]))) == [gossip]
    assert records(client.receive(server.seal([gossip, Leave()]))) == [gossip, Leave()]


def test_a_client_that_has_not_proven_itself_cannot_make_us_read_a_large_frame() -> None:
    """Its hello may be a captured one; so its proof is small, and what is large comes after it."""
    client, server = make_session(1, client=True), make_session(2, client=False)
    server.receive(client.handshake_bytes())
    client.receive(server.handshake_bytes())
    gossip = make_gossip(payload=random.Random(1).randbytes(48_000))

    proof, large = client.seal([]), client.seal([gossip])
    assert records(server.receive(proof + large)) == [gossip]
    assert server.failure is None

    client, server = make_session(1, client=True), make_session(2, client=False)
    server.receive(client.handshake_bytes())
    client.receive(server.handshake_bytes())
    server.receive(client.seal([gossip]))
    assert isinstance(server.failure, TooLarge)


@pytest.mark.parametrize("seed", range(20))
def test_any_chunking_yields_the_same(seed: int) -> None:
    rng = random.Random(seed)
    client, server = make_session(1, client=True), make_session(2, client=False)
    opening = client.handshake_bytes()
    for position in range(len(opening)):
        server.receive(opening[position : position + 1])
    client.receive(server.handshake_bytes())
    gossips = [make_gossip(seqno, rng.randbytes(rng.randrange(3000))) for seqno in range(1, 20)]
    stream = client.seal([]) + b"".join(client.seal([gossip]) for gossip in gossips)
    got: list[Record] = []
    position = 0

    while position < len(stream):
        size = rng.choice([1, 3, 100, 5000])
        got += records(server.receive(stream[position : position + size]))
        position += size

    assert got == gossips


def test_good_frames_in_front_of_a_bad_one_count_however_they_were_cut() -> None:
    for whole in (True, False):
        client, server = pair()
        stream = client.seal([make_gossip(1)]) + client.seal([make_gossip(2)]) + b"\xff" * 50
        pieces = [stream] if whole else [stream[n : n + 1] for n in range(len(stream))]

        got = [record for piece in pieces for record in records(server.receive(piece))]

        assert got == [make_gossip(1), make_gossip(2)]
        assert isinstance(server.failure, TooLarge)


def test_a_server_that_does_not_echo_is_nobody() -> None:
    """A recorded answer to somebody else's hello, or to one of our own former ones."""
    client, server = make_session(1, client=True, seed=1), make_session(2, client=False)
    server.receive(client.handshake_bytes())
    recorded = server.handshake_bytes()

    later = make_session(1, client=True, seed=2)
    later.receive(recorded)

    assert isinstance(later.failure, Replayed)
    assert not later.proven


def test_a_recorded_client_proves_nothing() -> None:
    client, server = make_session(1, client=True), make_session(2, client=False, seed=1)
    hello = client.handshake_bytes()
    server.receive(hello)
    client.receive(server.handshake_bytes())
    first = client.seal([make_gossip()])

    another = make_session(2, client=False, seed=2)
    another.receive(hello)
    assert another.receive(first) == []

    assert isinstance(another.failure, BadSeal)
    assert not another.proven


def test_a_frame_left_out_repeated_or_moved_is_noticed() -> None:
    for order in ([1], [0, 0], [0, 2], [1, 0]):
        client, server = pair()
        frames = [client.seal([make_gossip(seqno)]) for seqno in (1, 2, 3)]

        server.receive(b"".join(frames[index] for index in order))

        assert isinstance(server.failure, Replayed), order


def test_a_frame_does_not_open_in_the_other_direction() -> None:
    client, _ = pair()
    own = client.seal([Leave()])

    assert client.receive(own) == []
    assert isinstance(client.failure, BadSeal)


def test_ourselves_are_recognized() -> None:
    client, server = make_session(1, client=True), make_session(1, client=False)
    server.receive(client.handshake_bytes())

    assert isinstance(server.failure, BadSeal)


@pytest.mark.parametrize("length", [513, 65_536, 0xFFFFFFFF])
def test_a_stranger_makes_us_keep_512_bytes_at_most(length: int) -> None:
    server = make_session(2, client=False)
    server.receive(length.to_bytes(4, "big") + bytes(100))

    assert isinstance(server.failure, TooLarge)


def test_a_caller_with_an_old_epoch_is_told() -> None:
    newest = epoch_of(life(1)) + 1
    client = make_session(1, client=True)
    server = make_session(2, client=False, known=newest)
    shake_hands(client, server)

    assert client.hello is not None
    assert client.hello.known_epoch == newest


def test_a_caller_is_told_what_was_before_its_time() -> None:
    client, server = make_session(1, client=True), make_session(2, client=False, since=42)
    shake_hands(client, server)

    assert client.hello is not None
    assert client.hello.since == 42


def test_a_closed_one_takes_nothing() -> None:
    client, server = pair()
    frame = client.seal([Leave()])
    server.close()

    assert server.receive(frame) == []
    assert not server.proven


# Looking at what came before it is taken


def test_a_frame_that_was_looked_at_is_there_to_be_taken() -> None:
    client, server = pair()
    data = client.seal([Leave()])
    body = server.look(data)
    assert body is not None
    assert decode_body(body).records == [Leave()]

    assert records(server.receive(data)) == [Leave()]


def test_only_the_next_frame_is_looked_at() -> None:
    client, server = pair()
    first, second = client.seal([Leave()]), client.seal([Leave()])
    assert server.look(second) is None
    assert server.look(first) is not None
    server.took()
    assert server.look(first) is None
    assert server.look(second) is not None


def test_one_that_was_looked_at_does_not_vouch_for_another() -> None:
    """The same header, and another body: it would open to what came first."""
    client, server = pair()
    data = client.seal([Leave()])
    assert server.look(data) is not None
    forged = data[:-1] + bytes([data[-1] ^ 1])

    assert server.receive(forged) == []
    assert isinstance(server.failure, BadSeal)


def test_behind_half_a_frame_nothing_is_a_whole_one() -> None:
    client, server = pair()
    inner = client.seal([make_gossip(1)])
    outer = len(inner).to_bytes(4, "big") + b"\0" * (len(inner) - 10)
    assert server.receive(outer) == []
    assert server.look(inner) is None
    assert server.receive(inner) == []  # the rest of the first, which does not open
    assert server.failure is not None


def test_a_long_table_is_not_kept_for_the_next_frame() -> None:
    client, server = pair()
    few = make_gossip(1, distribution=(netid(3),))
    many = make_gossip(2, distribution=tuple(NetID("10.0.0.1", port) for port in range(1, 300)))
    server.receive(client.seal([few]))
    kept = server._start
    assert kept is not None
    for record in (many, Leave()):
        assert records(server.receive(client.seal([record]))) == [record]
        assert server._start is kept
