from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chatter.core.handlers import codec_handler
from chatter.errors import HandlerError, MessageTooLarge
from chatter.testing import Cluster
from chatter.testing.cluster import Cluster as AnyCluster


def make_cluster(nodes: int = 3, **options: Any) -> AnyCluster:
    cluster = Cluster(1)
    cluster.add(nodes, **options)
    cluster.start()
    cluster.acquaint()
    return cluster


def test_handlers_are_called_and_deliveries_are_written_down() -> None:
    cluster = make_cluster()
    heard: list[Any] = []
    cluster["a2"].handlers.add(
        codec_handler("hello", "json", lambda body, message: heard.append((body, message.tag)))
    )

    sent = cluster.broadcast("a1", "hello", {"text": "world"})
    cluster.run_for(1)

    assert heard == [({"text": "world"}, "hello")]
    (delivery,) = cluster["a2"].inbox
    assert (delivery.id, delivery.message.body) == (sent, {"text": "world"})
    assert cluster.now - 1 <= delivery.at <= cluster.now


def test_what_can_not_be_decoded_is_not_dispatched() -> None:
    cluster = make_cluster()
    cluster["a1"].node.broadcast("hello", "json", b"\0\0{broken", None, cluster.now)
    cluster["a1"].node.broadcast("hello", "json", b"\xff", None, cluster.now)
    cluster["a1"]._carry_out()
    cluster.run_for(1)

    assert cluster["a2"].inbox == []
    assert cluster["a2"].undispatched == 2


def test_what_can_not_be_sent_raises() -> None:
    cluster = Cluster(1, max_message_bytes=49_152)
    cluster.add(1)
    cluster.start()

    with pytest.raises(HandlerError):
        cluster.broadcast("a1", body={1, 2})
    with pytest.raises(MessageTooLarge):
        cluster.broadcast("a1", body=bytes(50_000), codec="bytes")
    assert cluster["a1"].counts.get("broadcasts", 0) == 0


def transforming(takes_s: float, transform: Callable[[Any], Any]) -> tuple[AnyCluster, set[str]]:
    """A tag whose handlers replace its body, on a network without multicast; what arrives."""
    cluster = make_cluster(16, groups=())
    for member in cluster:
        handler = codec_handler("t", "json", lambda body, message: transform(body), transforms=True)
        member.handlers.add(handler)
        member.handler_takes("t", takes_s)
    sent = cluster.broadcast("a1", "t", 0)
    cluster.run_for(10)
    assert len(cluster.who_dispatched(sent)) == 15
    return cluster, {
        f"{one.message.hops}:{one.message.body}" for _, one in cluster.deliveries(sent)
    }


def test_a_transformed_body_travels_on() -> None:
    _, arrived = transforming(0.1, lambda body: body + 1)

    assert arrived == {"1:0", "2:1", "3:2", "4:3"}


def test_a_handler_that_is_too_slow_to_transform_is_passed_by() -> None:
    _, arrived = transforming(1.5, lambda body: body + 1)

    assert {one.partition(":")[2] for one in arrived} == {"0"}


def test_none_leaves_the_body_as_it_is() -> None:
    _, arrived = transforming(0.0, lambda body: None)

    assert arrived == {"1:0", "2:0", "3:0", "4:0"}


def test_one_that_is_killed_does_nothing_more() -> None:
    cluster = make_cluster()
    victim = cluster["a2"]
    victim.kill()
    frames = victim.counts["frames_sent"]
    cluster.broadcast("a1")
    cluster.run_for(20)

    assert victim.inbox == []
    assert victim.counts["frames_sent"] == frames
    assert not victim.running


def test_a_restart_is_another_life_at_the_same_address() -> None:
    cluster = make_cluster()
    member = cluster["a2"]
    former = member.node.life
    member.kill()
    cluster.run_for(0.1)
    member.start()

    assert member.node.life != former
    assert member.node.local == member.netid
    assert member.live_peers() == set()


def test_one_runs_only_once() -> None:
    cluster = make_cluster()

    with pytest.raises(AssertionError, match="a1 runs already"):
        cluster["a1"].start()


def test_a_connection_on_which_nothing_sensible_is_said_is_closed() -> None:
    """The other side's frames are all lost, so its hello never comes."""
    cluster = make_cluster(2, groups=(), connect_timeout_s=1.0)
    a1, a2 = cluster["a1"], cluster["a2"]
    ended: list[object] = []

    class Silent:
        def received(self, stream: object, data: bytes) -> None: ...
        def writable(self, stream: object) -> None: ...
        def accepted(self, stream: object, from_loopback: bool) -> None: ...
        def ended(self, stream: object) -> None:
            ended.append(stream)

        def received_datagram(self, data: bytes, channel: int | None, loopback: bool) -> None: ...

    silent = Silent()
    stranger = type(a1.netid)("10.0.9.9", 9)
    cluster.network.attach(stranger, silent, segment="a")
    cluster.network.streams.connect(
        stranger, a2.netid, silent, 3.0, lambda stream: None, lambda: None
    )
    cluster.run_for(0.9)
    assert ended == []
    cluster.run_for(0.3)
    assert len(ended) == 1
