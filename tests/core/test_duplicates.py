from __future__ import annotations

import random

import pytest

from chatter.core.duplicates import WINDOW, SeqnoWindow, Verdict


@pytest.mark.parametrize("seed", range(5))
def test_any_order_within_the_window_is_new_once_and_then_a_duplicate(seed: int) -> None:
    rng = random.Random(seed)
    window = SeqnoWindow()
    seqnos = list(range(1, 3000))
    for start in range(0, 3000, 100):  # shuffled, but not for ever behind
        part = seqnos[start : start + 300]
        rng.shuffle(part)
        seqnos[start : start + 300] = part

    assert [window.take(seqno) for seqno in seqnos] == [Verdict.NEW] * 2999
    assert {window.take(seqno) for seqno in seqnos} == {Verdict.DUPLICATE}


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_a_set(seed: int) -> None:
    rng = random.Random(seed)
    window, taken, top = SeqnoWindow(), set(), 0
    for _ in range(20_000):
        seqno = max(1, top + rng.randint(-500, 40))
        top = max(top, seqno)
        expected = Verdict.DUPLICATE if seqno in taken else Verdict.NEW
        assert window.look(seqno) is expected
        assert window.take(seqno) is expected
        taken.add(seqno)


def test_what_the_window_has_left_behind_is_too_late_not_a_duplicate() -> None:
    window = SeqnoWindow()
    window.take(1)
    window.take(WINDOW + 10)

    assert window.take(5) is Verdict.TOO_LATE
    assert window.take(1) is Verdict.TOO_LATE  # nobody knows any more
    assert window.take(11) is Verdict.NEW
    assert window.take(WINDOW + 10) is Verdict.DUPLICATE


def test_the_window_reaches_as_far_as_it_says() -> None:
    window = SeqnoWindow()
    window.take(WINDOW)

    assert window.look(1) is Verdict.NEW
    window.take(WINDOW + 1)
    assert window.look(1) is Verdict.TOO_LATE
    assert window.look(2) is Verdict.NEW


def test_a_jump_over_more_than_a_window() -> None:
    window = SeqnoWindow()
    for seqno in (1, 3, 5):
        window.take(seqno)
    far = 1 << 60
    window.take(far)

    assert window.look(far - WINDOW) is Verdict.TOO_LATE
    assert {window.take(far - distance) for distance in range(1, 1000)} == {Verdict.NEW}
    assert {window.take(far - distance) for distance in range(1000)} == {Verdict.DUPLICATE}


def test_looking_changes_nothing() -> None:
    window = SeqnoWindow()

    assert window.look(7) is Verdict.NEW
    assert window.take(7) is Verdict.NEW
