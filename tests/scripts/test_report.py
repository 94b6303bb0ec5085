from __future__ import annotations

from scripts.lab.ledger import Ledger
from scripts.lab.paint import paint
from scripts.lab.report import describe, figures, picture, verdict
from scripts.lab.tree import Place

A, B = "127.0.0.1:1", "127.0.0.1:2"
PLACES = {A: Place(1, 1), B: Place(1, 2)}


def one_broadcast(ledger: Ledger, seqno: int, *times_ms: float) -> None:
    ledger.add_sent(A, {"seqno": seqno, "time_ns": 0})
    for ms in times_ms:
        ledger.add_message(
            B,
            {
                "origin": A,
                "seqno": seqno,
                "sender": A,
                "via": "multicast",
                "hops": 1,
                "time_ns": round(ms * 1e6),
            },
        )


def test_it_says_where_the_nodes_run_and_why_not_in_namespaces() -> None:
    assert "12 nodes in 3 segments of 4, in network namespaces" in describe(3, 4, None)
    assert "2 nodes in 1 segment of 2" in describe(1, 2, None)
    assert describe(3, 4, "needs root").endswith("(needs root)")


def test_figures_of_one_broadcast_have_one_time_and_of_more_their_percentiles() -> None:
    ledger = Ledger(PLACES)
    one_broadcast(ledger, 1, 2.0)
    assert "last node after 2.00 ms   1 multicast" in paint(figures(ledger)[1], colour=False)
    one_broadcast(ledger, 2, 4.0)
    assert "last node p50 2.00 ms, p99 4.00 ms   2 multicast" in paint(
        figures(ledger)[1], colour=False
    )


def test_figures_before_anything_arrived() -> None:
    ledger = Ledger(PLACES)
    one_broadcast(ledger, 1)
    counts, times = (paint(line, colour=False) for line in figures(ledger))
    assert "broadcasts 1   deliveries 0   missing 1" in counts
    assert "last node" not in times


def test_the_verdict_is_good_only_if_all_went_well() -> None:
    ledger = Ledger(PLACES)
    one_broadcast(ledger, 1, 2.0)
    one_broadcast(ledger, 2, 2.0, 3.0)
    good, bad = ledger.broadcasts()
    assert verdict(good) == ("The one other node dispatched it exactly once, and its origin never.")
    assert verdict(bad) == f"FAILED: broadcast 2 of {A} was dispatched again by {B}."


def test_a_picture_has_title_tree_and_figures() -> None:
    ledger = Ledger(PLACES)
    one_broadcast(ledger, 1, 2.0)
    text = [
        paint(line, colour=False)
        for line in picture("the title", ledger.broadcasts()[0], ledger, PLACES)
    ]
    assert text[0] == " chatter  the title"
    assert any("◉ A1" in line for line in text)
    assert any("╰╌╌ A2" in line for line in text)
    assert "deliveries 1" in text[-2]
