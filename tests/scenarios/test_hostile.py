"""Bytes from the network can cause a counted drop, nothing else."""

from __future__ import annotations

import random

import pytest

from chatter.ids import NetID
from chatter.testing import Cluster, Duplicate, Path, Reorder
from chatter.testing.streams import Stream
from tests.scenarios.stage import names, segments


def assert_works(cluster: Cluster) -> None:
    """Everybody still reaches everybody."""
    for origin in names(cluster):
        sent = cluster.broadcast(origin)
        cluster.run_for(1)
        assert cluster.who_dispatched(sent) == names(cluster, origin)


def capture(cluster: Cluster, seconds: float) -> list[tuple[Path, bytes]]:
    """All datagrams that are sent within some time."""
    captured: list[tuple[Path, bytes]] = []
    tap = lambda path, data: captured.append((path, data))  # noqa: E731
    cluster.network.taps.append(tap)
    cluster.run_for(seconds)
    cluster.network.taps.remove(tap)
    return captured


@pytest.mark.parametrize("seed", range(3))
def test_what_the_network_doubles_and_shuffles_is_dispatched_once(seed: int) -> None:
    cluster = segments(3, 3, seed)
    cluster.network.add(Duplicate(0.5), Reorder(0.5, within_s=0.05))

    sent = [cluster.broadcast("abc"[number % 3] + "1", body=number) for number in range(60)]
    cluster.run_for(5)

    for one in sent:
        assert cluster.who_dispatched(one) == names(cluster, cluster.name_of(one.origin))
    assert cluster.count("dropped_replay") > 0


def test_captured_frames_are_worth_nothing() -> None:
    cluster = segments(2, 3)
    captured: list[tuple[Path, bytes]] = []
    cluster.network.taps.append(lambda path, data: captured.append((path, data)))
    sent = cluster.broadcast("a1")
    cluster.run_for(10)
    cluster.network.taps.clear()
    before = {name: len(cluster[name].inbox) for name in names(cluster)}

    for path, data in captured * 2:
        for member in cluster:
            cluster.network.inject(member.netid, data)
            if cluster.at(path.source).segment == member.segment:
                # Elsewhere they would be what a router of multicast does: heard there as well.
                cluster.network.inject(member.netid, data, channel=0)
    cluster.run_for(5)

    assert {name: len(cluster[name].inbox) for name in names(cluster)} == before
    assert cluster.who_dispatched(sent) == names(cluster, "a1")
    assert cluster.count("dropped_replay") > 0
    assert cluster.count("dropped_bad_seal") > 0
    assert_works(cluster)


def test_captured_frames_are_worth_nothing_to_a_receiver_that_restarted() -> None:
    cluster = segments(1, 3)
    captured: list[tuple[Path, bytes]] = []
    cluster.network.taps.append(lambda path, data: captured.append((path, data)))
    sent = cluster.broadcast("a1", body="transfer 100")
    cluster.run_for(3)
    cluster.network.taps.clear()
    victim = cluster["a2"]
    victim.kill()
    victim.start()

    for moment in range(10):
        for path, data in captured:
            channel = 0 if path.kind == "multicast" else None
            cluster.network.inject(victim.netid, data, channel=channel)
        cluster.run_for(1)
        assert len([one for one in victim.inbox if one.id == sent]) == 1, moment

    assert_works(cluster)


def test_frames_of_a_superseded_life_are_refused() -> None:
    cluster = segments(1, 3)
    old = [data for path, data in capture(cluster, 5) if path.source == cluster["a2"].netid]
    cluster["a2"].kill()
    cluster["a2"].start()
    cluster.run_for(5)

    for data in old:
        cluster.network.inject(cluster["a1"].netid, data, channel=0)

    assert cluster["a1"].counts["dropped_superseded_life"] > 0
    assert_works(cluster)


@pytest.mark.parametrize("seed", range(3))
def test_garbage_datagrams(seed: int) -> None:
    cluster = segments(1, 3, seed)
    rng = random.Random(seed)
    real = [data for _, data in capture(cluster, 30)]
    victim = cluster["a1"]
    allowed = {
        *("bad_magic", "truncated", "unknown_key_hint", "bad_seal", "replay"),
        *("superseded_life", "unproven_life", "malformed", "too_large", "impossible_netid"),
    }

    for data in [b"", b"\xc1", *(rng.randbytes(rng.randrange(2000)) for _ in range(300))]:
        cluster.network.inject(victim.netid, data, channel=rng.choice([0, None]))
    for data in real:
        broken = bytearray(data)
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        cut = data[: rng.randrange(len(data))]
        cluster.network.inject(victim.netid, bytes(broken), channel=0)
        cluster.network.inject(victim.netid, cut, channel=rng.choice([0, None]))

    drops = {name.removeprefix("dropped_") for name in victim.counts if name.startswith("dropped_")}
    assert {"bad_magic", "truncated", "bad_seal"} <= drops <= allowed
    assert cluster.complete()
    assert_works(cluster)


@pytest.mark.parametrize("seed", range(3))
def test_garbage_streams(seed: int) -> None:
    cluster = segments(1, 2, seed)
    rng = random.Random(seed)
    victim = cluster["a1"]
    attacker = Attacker(cluster)
    openings = [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff\xff\xff" + bytes(100),
        b"\0\0\0\0",
        (300).to_bytes(4, "big") + bytes(300),
        (513).to_bytes(4, "big") + bytes(513),
        (200).to_bytes(4, "big") + b"\xc1" + rng.randbytes(199),
        *(rng.randbytes(rng.randrange(1, 3000)) for _ in range(50)),
    ]

    for data in openings:
        attacker.connect(victim.netid, data)
    cluster.run_for(10)

    assert attacker.closed == len(openings)
    assert victim.counts["dropped_too_large"] > 0
    assert victim.counts["dropped_truncated"] > 0
    assert cluster.complete()
    assert_works(cluster)


def test_a_captured_stream_opens_nothing() -> None:
    """Replayed to the same server: it answers the hello, and believes nothing of what follows."""
    cluster = segments(2, 1)
    victim = cluster["a1"]
    recorded = record_stream(cluster, cluster["b1"].netid, victim.netid)
    assert len(recorded) > 500
    before = len(victim.inbox)
    attacker = Attacker(cluster)

    for _ in range(3):
        attacker.connect(victim.netid, recorded)
    cluster.run_for(10)

    assert attacker.closed == 3
    assert len(victim.inbox) == before
    assert victim.counts["dropped_bad_seal"] == 3
    assert_works(cluster)


class Attacker:
    """Somebody on the network who has no key."""

    def __init__(self, cluster: Cluster) -> None:
        self.closed = 0
        """How many of its connections the other side has closed."""
        self.answers = bytearray()
        self._cluster = cluster
        self._netid = NetID("10.0.200.66", 666)
        cluster.network.attach(self._netid, self, segment="a")

    def connect(self, target: NetID, data: bytes) -> None:
        """Open a connection and send this."""
        self._cluster.network.streams.connect(
            self._netid, target, self, 3.0, lambda stream: stream.write(data), lambda: None
        )

    def received_datagram(self, data: bytes, channel: int | None, from_loopback: bool) -> None:
        raise AssertionError("a node answered somebody without a key")

    def accepted(self, stream: Stream, from_loopback: bool) -> None:
        raise AssertionError("a node connected to somebody without a key")

    def received(self, stream: Stream, data: bytes) -> None:
        self.answers += data

    def writable(self, stream: Stream) -> None:
        pass

    def ended(self, stream: Stream) -> None:
        self.closed += 1


def record_stream(cluster: Cluster, client: NetID, server: NetID) -> bytes:
    """What a client sends on a fresh connection to a server, two broadcasts among it."""
    recorded = bytearray()

    def tap(path: Path, data: bytes) -> None:
        if path == Path("tcp", client, server):
            recorded.extend(data)

    cluster.at(client).kill()
    cluster.run_for(1)
    cluster.network.taps.append(tap)
    cluster.at(client).start()
    cluster.run_until(cluster.complete)
    for number in range(2):
        body = cluster.rng.randbytes(500 + number)
        cluster.broadcast(cluster.at(client), body=body, codec="bytes")
    cluster.run_for(2)
    cluster.network.taps.remove(tap)
    return bytes(recorded)
