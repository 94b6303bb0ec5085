"""Exact counting, whatever comes."""

from __future__ import annotations

from collections.abc import Callable

from scripts.fanout.payload import PROBE, BytesPayload
from scripts.fanout.tally import Tally

NOW_NS = 1000


def tally_at(now_ns: int, on_probe: Callable[[], object] = lambda: None) -> Tally:
    return Tally(on_probe, now_ns=lambda: now_ns)


def test_each_number_counts_once_and_the_last_missing_one_completes() -> None:
    completed: list[int] = []
    tally = tally_at(NOW_NS)
    tally.expect(0, 3, latencies=True, on_complete=lambda: completed.append(tally.got))
    for number, sent_ns in ((2, 900), (0, 950), (2, 900), (0, 950)):
        tally.take(number, sent_ns)

    assert (tally.got, tally.duplicated, completed) == (2, 2, [])
    assert list(tally.latencies_ns or ()) == [50, -1, 100]

    tally.take(1, 999)
    tally.take(1, 999)
    assert (tally.got, tally.duplicated, tally.last_ns, completed) == (3, 3, NOW_NS, [3])


def test_a_late_one_of_an_earlier_round_is_none_of_this_round() -> None:
    tally = tally_at(NOW_NS)
    tally.expect(0, 2, latencies=False, on_complete=lambda: None)
    tally.take(0, 0)
    tally.expect(2, 2, latencies=True, on_complete=lambda: None)
    tally.take(1, 0)  # late
    tally.take(0, 0)  # again
    assert (tally.got, tally.duplicated, tally.last_ns) == (0, 1, 0)
    assert list(tally.latencies_ns or ()) == [-1, -1]

    tally.take(3, 400)
    assert (tally.got, list(tally.latencies_ns or ())) == (1, [-1, 600])


def test_probes_count_as_nothing() -> None:
    heard: list[str] = []
    tally = tally_at(NOW_NS, on_probe=lambda: heard.append("probe"))
    tally.take(PROBE, 0)  # before any round
    tally.expect(0, 1, latencies=False, on_complete=lambda: None)
    tally.take_bytes(BytesPayload(16).make(PROBE))
    assert (tally.got, tally.duplicated, heard) == (0, 0, ["probe", "probe"])
