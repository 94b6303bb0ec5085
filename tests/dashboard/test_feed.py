"""The feed of a real node: only while somebody looks, and for any number of followers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest

from chatter.dashboard.feed import Feed
from chatter.errors import Closed
from tests.net.nodes import DEADLINE_S, Recorder, cluster, wait_until


@contextmanager
def feeding(nodes: int = 2) -> Iterator[tuple[list[Recorder], Feed]]:
    """Nodes that have met, and a feed of the first."""
    with cluster(nodes) as recorders:
        feed = Feed(recorders[0].chatter)
        feed.start()
        yield recorders, feed
        feed.stop()


def asked(recorder: Recorder) -> bool:
    """Whether somebody watches this node."""
    runtime = recorder.chatter._runtime
    assert runtime is not None
    return runtime.node._watched.active


def read_until(follower: Any, condition: Any) -> None:
    with gevent.Timeout(DEADLINE_S, AssertionError("it was not told")):
        while not condition(follower.next()):
            pass


def test_a_snapshot_has_the_figures_of_all_nodes_though_nobody_looked_before() -> None:
    with feeding(3) as (nodes, feed):
        nodes[1].chatter.broadcast("hello", 1)
        wait_until(lambda: nodes[0].messages and nodes[2].messages)
        snapshot = feed.snapshot()

    assert snapshot["totals"]["deliveries"] == 2
    assert snapshot["tags"] == {"hello": 2}
    assert {one["state"] for one in snapshot["nodes"].values()} == {"alive"}
    assert all(one["uptime_s"] is not None for one in snapshot["nodes"].values())


def test_a_follower_is_told_what_changes() -> None:
    with feeding() as (nodes, feed), feed.follow() as follower:
        first = follower.first()
        nodes[1].chatter.broadcast("hello", 1)
        read_until(follower, lambda changes: changes.get("tags") == {"hello": 1})
        nodes[0].chatter.broadcast("hello", 1, confirm=True).wait()
        read_until(
            follower,
            lambda changes: any(
                one["confirmed"] and one["settled"] and len(one["edges"]) == 1
                for one in changes.get("broadcasts", ())
            ),
        )
        address = str(nodes[1].chatter.local_netid)
        nodes[1].chatter.stop()
        read_until(
            follower, lambda one: one.get("nodes", {}).get(address, {}).get("state") == "left"
        )

    assert first["type"] == "snapshot"
    assert len(first["nodes"]) == 2


def test_nobody_is_asked_unless_somebody_looks() -> None:
    with feeding() as (nodes, feed):
        assert not asked(nodes[1])
        with feed.follow() as follower:
            follower.first()
            wait_until(lambda: asked(nodes[1]))
        assert feed._followers == set()
        assert not feed._watching


def test_followers_share_a_feed_and_each_is_told_all() -> None:
    with feeding() as (nodes, feed), feed.follow() as one, feed.follow() as other:
        one.first()
        other.first()
        nodes[1].chatter.broadcast("hello", 1)
        read_until(one, lambda changes: changes.get("tags") == {"hello": 1})
        nodes[1].chatter.broadcast("hello", 1)
        read_until(one, lambda changes: changes.get("tags") == {"hello": 2})
        # This one was slow: it is told in one go where things stand.
        assert other.next()["tags"] == {"hello": 2}


@pytest.mark.parametrize("by", ["the feed", "the node"])
def test_who_waits_is_told_when_it_ends(by: str) -> None:
    with feeding() as (nodes, feed):
        told: list[str] = []

        def follow() -> None:
            with feed.follow() as follower:
                follower.first()
                try:
                    while True:
                        follower.next()
                except Closed as error:
                    told.append(str(error))

        following = gevent.spawn(follow)
        wait_until(lambda: feed._followers)
        if by == "the feed":
            feed.stop()
        else:
            nodes[0].chatter.stop()
        following.join(DEADLINE_S)

        assert told
        with pytest.raises(Closed):
            feed.snapshot()


@pytest.mark.parametrize("step", ["fold", "tick"])
def test_a_bug_costs_one_picture_and_is_seen(
    step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with feeding() as (nodes, feed), feed.follow() as follower:
        follower.first()
        whole = getattr(feed._board, step)
        broken = iter([True])

        def break_once(*args: object) -> None:
            if next(broken, False):
                raise ValueError("a bug")
            whole(*args)

        monkeypatch.setattr(feed._board, step, break_once)
        nodes[1].chatter.broadcast("hello", 1)
        read_until(follower, lambda changes: changes.get("tags") == {"hello": 1})

    assert "ValueError: a bug" in caplog.text
