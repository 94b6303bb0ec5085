from __future__ import annotations

from tests.core.parts import make_context


def test_evidence_holds_as_configured_or_for_three_beacons_and_a_half() -> None:
    context = make_context(evidence_timeout_s=15.0)

    assert context.evidence_timeout_s(1.0) == 15.0
    assert context.evidence_timeout_s(20.0) == 70.0


def test_who_is_met_while_we_are_young_was_there_before() -> None:
    context = make_context()
    context.number = 7
    assert context.since == 0

    context.young = False
    assert context.since == 7
