"""The shell around a core: what is carried out when something that it calls fails."""

from __future__ import annotations

import logging
from typing import Any

import gevent
from gevent.hub import get_hub

from chatter import BroadcastID, Chatter, generate_key
from chatter.core.effects import Deliver, Effect, PeerEvent
from chatter.net.runtime import Runtime
from chatter.wire.gossip import Gossip
from tests.net.nodes import wait_until


class Waiting(logging.Handler):
    """Writes to what may have to be waited for, as to a pipe or a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        gevent.sleep(0.001)
        self.lines.append(record.getMessage())


def effects_of(runtime: Runtime) -> list[Effect]:
    """One that is told, and a delivery behind it."""
    local = runtime.node.local
    gossip = Gossip(BroadcastID(local, 7, 1), "tag", "bytes", b"\0\0body")
    return [PeerEvent(local, 7, "alive"), Deliver(gossip, local, "tcp", False)]


def test_what_fails_costs_nothing_that_comes_after_it_and_is_logged_also_in_the_hub() -> None:
    handler, taken = Waiting(), list[Any]()
    logger = logging.Logger("quiet")
    logger.addHandler(handler)
    chatter = Chatter(address="127.0.0.1:0", multicast=[], key=generate_key(), logger=logger)
    chatter.on("tag", codec="bytes")(lambda body, message: taken.append(body))

    def fail(event: Any) -> None:
        raise ValueError("a bug")

    with chatter:
        runtime = chatter._runtime
        assert runtime is not None
        runtime._tell = fail

        def carry_out() -> None:
            runtime.node._context.effects += effects_of(runtime)
            runtime.carry_out()

        carry_out()
        wait_until(lambda: len(taken) == 1, "the delivery")
        get_hub().loop.run_callback(carry_out)
        wait_until(lambda: len(taken) == 2, "the delivery")
        wait_until(
            lambda: sum("a bug in" in line for line in handler.lines) == 2, "both in the log"
        )
        assert chatter.stats()["internal_errors"] == 2
        del runtime._tell


def test_what_ends_its_caller_leaves_the_rest_to_the_next_call() -> None:
    taken: list[Any] = []
    chatter = Chatter(address="127.0.0.1:0", multicast=[], key=generate_key())
    chatter.on("tag", codec="bytes")(lambda body, message: taken.append(body))

    def end(event: Any) -> None:
        raise gevent.GreenletExit

    with chatter:
        runtime = chatter._runtime
        assert runtime is not None
        tell, runtime._tell = runtime._tell, end

        def carry_out() -> None:
            runtime.node._context.effects += effects_of(runtime)
            runtime.carry_out()

        gevent.spawn(carry_out).join()
        assert not taken
        runtime._tell = tell
        wait_until(lambda: taken == [b"body"], "the delivery, with whatever the node does next")
