from __future__ import annotations

import pytest

from chatter.core.detector import (
    FORGET_FAILED_AFTER_S,
    FORGET_LEFT_AFTER_S,
    Detector,
    Verdict,
)
from tests.core.parts import make_peer


@pytest.mark.parametrize(
    ("silent_s", "verdict"),
    [
        (0, None),
        (5, None),
        (5.1, Verdict.ASK_BY_UDP),
        (7.6, Verdict.ASK_BY_TCP),
        (10, Verdict.ASK_BY_TCP),
        (10.1, Verdict.FAIL),
        (1000, Verdict.FAIL),
    ],
)
def test_silence(silent_s: float, verdict: Verdict | None) -> None:
    peer = make_peer(2)

    judged = Detector(10.0).judge([peer], 1.0, silent_s)

    assert judged == ([] if verdict is None else [(peer, verdict)])


def test_a_segment_that_seldom_speaks_is_given_longer() -> None:
    detector = Detector(10.0)

    assert detector.timeout_s(1.0) == 10.0
    assert detector.timeout_s(20.0) == 70.0
    assert detector.judge([make_peer(2)], 20.0, 34.0) == []
    assert detector.judge([make_peer(2)], 20.0, 71.0)[0][1] is Verdict.FAIL


@pytest.mark.parametrize(
    ("state", "after_s"), [("left", FORGET_LEFT_AFTER_S), ("failed", FORGET_FAILED_AFTER_S)]
)
def test_who_is_gone_is_forgotten_in_the_end(state: str, after_s: float) -> None:
    peer = make_peer(2, state=state)
    detector = Detector(10.0)

    assert detector.judge([peer], 1.0, after_s) == []
    assert detector.judge([peer], 1.0, after_s + 1) == [(peer, Verdict.FORGET)]


def test_judging_changes_nothing() -> None:
    peer = make_peer(2)
    Detector(10.0).judge([peer], 1.0, 100.0)

    assert peer == make_peer(2)
