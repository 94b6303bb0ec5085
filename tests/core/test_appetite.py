"""How much may be under way to us, by what was handled lately."""

from __future__ import annotations

from typing import Any

import pytest

from chatter.core.appetite import AHEAD_S, FORGET_S, LOOK_EVERY_S, Appetite

LEAST, MOST = 1000, 1_000_000
STEP_S = 2 * LOOK_EVERY_S


class Node:
    """Handlers that are done with so many messages a second, of 10 bytes as credit counts them."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waiting = 0.0
        self.appetite = Appetite(lambda: int(self.waiting))
        assert self.window() == LEAST

    def window(self, sender: str = "a") -> int:
        return self.appetite.window_bytes(sender, LEAST, MOST, self.now)

    def go_on(self, come: int, handle: int, size: int = 10, seconds: float = STEP_S) -> int:
        """So many messages come, and so many could be handled; the window after that."""
        self.appetite.messages += come
        self.appetite.bytes += come * size
        self.waiting = max(0.0, self.waiting + come - handle)
        self.now += seconds
        return self.window()


def about(pace: float, size: int = 10) -> Any:
    return pytest.approx(pace * AHEAD_S * size, rel=0.01)


def test_it_begins_small_and_follows_what_is_handled() -> None:
    node = Node()
    assert node.go_on(400, 400) == about(400 / STEP_S)
    assert node.go_on(800, 800) == about(800 / STEP_S)
    assert node.go_on(10**6, 10**6) == MOST


def test_who_cannot_follow_is_sent_no_more_than_it_does_in_a_while() -> None:
    node = Node()
    assert node.go_on(10_000, 100) == about(100 / STEP_S)
    assert node.go_on(10_000, 1) == about(100 / STEP_S / 2)  # one look: half
    for _ in range(20):
        node.go_on(10_000, 1)
    assert node.window() == LEAST


def test_those_who_send_share_it() -> None:
    node = Node()
    node.go_on(800, 800)
    node.window("b")
    assert node.window("c") == node.window("a") == about(800 / STEP_S / 3)
    node.now += FORGET_S / 2
    node.window("c")
    assert node.go_on(20_000, 20_000, seconds=FORGET_S * 0.6) == about(20_000 / FORGET_S / 0.6 / 2)


def test_what_was_long_ago_tells_nothing() -> None:
    node = Node()
    assert node.go_on(10**6, 10**6) == MOST
    assert node.go_on(5, 5, seconds=FORGET_S + 0.1) == LEAST


def test_it_looks_now_and_then_and_not_each_time() -> None:
    node = Node()
    node.go_on(10**6, 10**6)
    assert node.go_on(10**6, 1, seconds=LOOK_EVERY_S / 2) == MOST


def test_of_larger_messages_more_bytes_are_under_way() -> None:
    small, large = Node(), Node()
    assert small.go_on(400, 400, size=10) == about(400 / STEP_S)
    assert large.go_on(400, 400, size=50) == about(400 / STEP_S, size=50)


def test_what_makes_no_work_for_handlers_is_not_limited_by_them() -> None:
    """Pieces of something large, or what is only passed on."""
    node = Node()
    node.appetite.bytes += 100
    node.now += STEP_S
    assert node.window() == MOST
