from __future__ import annotations

from typing import Any

import pytest

from scripts.lab.ledger import Broadcast, Ledger, Totals, percentile

A, B, C, D = "10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"


def message(
    origin: str = A, seqno: int = 1, via: str = "tcp", hops: int = 1, ms: float = 1.0
) -> dict[str, Any]:
    return {
        "event": "message",
        "origin": origin,
        "seqno": seqno,
        "sender": origin,
        "via": via,
        "hops": hops,
        "time_ns": round(ms * 1e6),
    }


def sent(ledger: Ledger, origin: str = A, seqno: int = 1, to: list[str] | None = None) -> Broadcast:
    return ledger.add_sent(origin, {"event": "sent", "seqno": seqno, "time_ns": 0}, to)


def test_a_broadcast_that_each_other_node_dispatched_once_has_no_complaint() -> None:
    ledger = Ledger([A, B, C])
    broadcast = sent(ledger)
    ledger.add_message(B, message(ms=1))
    ledger.add_message(C, message(ms=3, via="multicast", hops=2))
    assert broadcast.complaint() is None
    assert broadcast.last_ms() == 3.0
    totals = ledger.totals()
    assert (totals.broadcasts, totals.deliveries, totals.hops_max) == (1, 2, 2)
    assert totals.via == {"tcp": 1, "multicast": 1}
    assert totals.flawless


def test_a_message_may_be_seen_before_its_origin_has_answered() -> None:
    ledger = Ledger([A, B])
    ledger.add_message(B, message(ms=2))
    broadcast = sent(ledger)
    assert broadcast.last_ms() == 2.0
    assert ledger.totals().broadcasts == 1


def test_a_missing_recipient_is_named_and_there_is_no_last_node() -> None:
    ledger = Ledger([A, B, C])
    broadcast = sent(ledger)
    ledger.add_message(B, message())
    assert broadcast.missing() == [C]
    assert broadcast.last_ms() is None
    assert ledger.last_node_ms() == []
    assert f"not dispatched by {C}" in (broadcast.complaint() or "")


def test_a_second_dispatch_is_a_duplicate_and_the_first_one_counts() -> None:
    ledger = Ledger([A, B])
    broadcast = sent(ledger)
    ledger.add_message(B, message(ms=5, via="multicast"))
    ledger.add_message(B, message(ms=1))
    assert broadcast.repeated() == [B]
    assert [delivery.via for delivery in broadcast.first_deliveries()] == ["tcp"]
    assert broadcast.last_ms() == 1.0
    assert ledger.totals().duplicates == 1
    assert f"again by {B}" in (broadcast.complaint() or "")


def test_an_origin_that_dispatches_its_own_broadcast_is_complained_about() -> None:
    ledger = Ledger([A, B])
    broadcast = sent(ledger)
    ledger.add_message(B, message())
    ledger.add_message(A, message())
    assert "by its own origin" in (broadcast.complaint() or "")
    assert ledger.totals().uninvited == 1


def test_only_those_named_are_recipients_and_the_origin_never_is() -> None:
    ledger = Ledger([A, B, C, D])
    broadcast = sent(ledger, to=[A, C])
    assert broadcast.recipients == {C}
    ledger.add_message(C, message())
    assert broadcast.complaint() is None
    ledger.add_message(D, message())
    assert broadcast.complaint() == (
        f"broadcast 1 of {A} was dispatched by {D}, who was not asked to"
    )


@pytest.mark.parametrize("keep", [1, 3, 50])
def test_totals_are_the_same_however_few_broadcasts_are_kept(keep: int) -> None:
    ledger = Ledger([A, B, C], keep=keep)
    for seqno in range(1, 11):
        sent(ledger, seqno=seqno)
        ledger.add_message(B, message(seqno=seqno, ms=seqno))
        if seqno != 4:
            ledger.add_message(C, message(seqno=seqno, ms=1))
        if seqno == 7:
            ledger.add_message(C, message(seqno=seqno, ms=2))
    totals = ledger.totals()
    assert (totals.broadcasts, totals.deliveries) == (10, 19)
    assert (totals.missing, totals.duplicates) == (1, 1)
    assert sorted(ledger.last_node_ms()) == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert len(ledger.broadcasts()) == min(keep, 10)


def test_what_comes_after_a_broadcast_was_put_away_is_a_duplicate() -> None:
    ledger = Ledger([A, B], keep=1)
    for seqno in (1, 2):
        sent(ledger, seqno=seqno)
        ledger.add_message(B, message(seqno=seqno))
    ledger.add_message(B, message(seqno=1))
    totals = ledger.totals()
    assert (totals.broadcasts, totals.deliveries, totals.duplicates) == (2, 2, 1)
    assert not totals.flawless


@pytest.mark.parametrize("field", ["missing", "duplicates", "uninvited"])
def test_any_fault_spoils_the_totals(field: str) -> None:
    assert not Totals(**{field: 1}).flawless  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, None),
        ([7.0], 50, 7.0),
        ([7.0], 99, 7.0),
        ([4.0, 1.0, 3.0, 2.0], 50, 2.0),
        ([4.0, 1.0, 3.0, 2.0], 99, 4.0),
        ([float(value) for value in range(1, 201)], 99, 198.0),
        ([3.0, 1.0], 0, 1.0),
        ([3.0, 1.0], 100, 3.0),
    ],
)
def test_percentile(values: list[float], percent: float, expected: float | None) -> None:
    assert percentile(values, percent) == expected
