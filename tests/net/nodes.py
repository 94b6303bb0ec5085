"""Real nodes on loopback for tests: multicast pinned to 127.0.0.1, which makes its TTL 0."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import gevent

from chatter import Chatter, Message, generate_key

DEADLINE_S = 15.0


def wait_until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Let greenlets run until the condition holds; fail after a generous deadline."""
    with gevent.Timeout(DEADLINE_S, AssertionError(f"waited in vain for {what}")):
        while not condition():
            gevent.sleep(0.005)


def random_group() -> str:
    """A group and port that other tests of this machine hardly use at the same time."""
    return f"239.{random.randint(1, 254)}.{random.randint(1, 254)}.1:{random.randint(20000, 29000)}"


class Recorder:
    """A node that writes down what it is told."""

    def __init__(self, chatter: Chatter) -> None:
        self.chatter = chatter
        self.messages: list[Message] = []
        self.events: list[tuple[int, str]] = []
        chatter.on("*")(lambda body, message: self.messages.append(message))
        chatter.on_peer(lambda event: self.events.append((event.address.port, event.state)))

    @property
    def bodies(self) -> list[Any]:
        """The bodies that were dispatched, in order."""
        return [message.body for message in self.messages]


def hears_all(chatter: Chatter, count: int) -> bool:
    """Whether this node has so many peers, and all say that they hear its multicasts."""
    peers = chatter.peers()
    return len(peers) == count and all(peer.multicast for peer in peers)


@contextmanager
def cluster(count: int, *, multicast: bool = True, **fields: Any) -> Iterator[list[Recorder]]:
    """Nodes that have met: on one multicast group, or by joining the first."""
    key = generate_key()
    group = [random_group()] if multicast else []
    with ExitStack() as stack:
        nodes: list[Recorder] = []
        for _ in range(count):
            settings: dict[str, Any] = {
                "address": "127.0.0.1:0",
                "interface": "127.0.0.1",
                "multicast": group,
                "key": key,
                "beacon_interval_s": 0.1,
                "failure_timeout_s": 2.0,
                **fields,
            }
            if nodes and not multicast:
                settings["join"] = [str(nodes[0].chatter.local_netid)]
            recorder = Recorder(Chatter(**settings))
            stack.enter_context(recorder.chatter)
            nodes.append(recorder)
        if multicast:
            wait_until(lambda: all(hears_all(one.chatter, count - 1) for one in nodes), "evidence")
        else:
            wait_until(lambda: all(len(one.chatter.peers()) == count - 1 for one in nodes), "peers")
        yield nodes
