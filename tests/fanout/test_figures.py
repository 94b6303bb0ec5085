"""What rounds come to."""

from __future__ import annotations

from scripts.fanout.figures import Case, Round, Took, figures_of, last_ms


def ms(*values: int) -> list[int]:
    """In ns; negative where nothing came."""
    return [value * 1_000_000 if value >= 0 else -1 for value in values]


def test_a_flood_ends_with_the_last_delivery_at_the_last_subscriber() -> None:
    took = [Took(1000, 0, 3_000_000_000), Took(1000, 0, 5_000_000_000)]
    row = figures_of(
        Case("udp", "throughput", 2, 128), [Round(1000, 1_000_000_000, 20_000_000, took)]
    )

    assert row.deliveries_per_s == 500  # 2,000 in 4 s
    assert row.cpu_us_per_delivery == 10
    assert (row.last_p50_ms, row.last_p99_ms, row.p50_ms, row.p99_ms) == (None,) * 4
    assert (row.lost, row.duplicated, row.runs) == (0, 0, 1)


def test_rates_are_medians_and_losses_are_sums() -> None:
    def flood(seconds: int, got: int, twice: int) -> Round:
        return Round(100, 0, 1_000_000, [Took(got, twice, seconds * 1_000_000_000)])

    case = Case("udp", "throughput", 1, 128)
    row = figures_of(case, [flood(1, 100, 0), flood(2, 100, 3), flood(10, 90, 1)])

    assert row.deliveries_per_s == 50
    assert (row.lost, row.duplicated, row.runs) == (10, 4, 3)


def test_the_last_subscriber_counts_for_a_message_each_delivery_for_itself() -> None:
    took = [Took(3, 0, 1, ms(1, 2, 3)), Took(3, 0, 1, ms(9, 1, 4))]
    row = figures_of(Case("zmq", "latency", 2, 128), [Round(3, 0, 12_000, took)])

    assert last_ms(took) == [9, 2, 4]
    assert (row.last_p50_ms, row.last_p99_ms) == (4, 9)
    assert (row.p50_ms, row.p99_ms) == (2, 9)
    assert (row.deliveries_per_s, row.cpu_us_per_delivery) == (None, 2)


def test_what_did_not_come_has_no_time() -> None:
    took = [Took(1, 0, 1, ms(-1, 5, -1)), Took(2, 0, 1, ms(2, 3, -1))]
    assert last_ms(took) == [2, 5]


def test_where_nothing_came_there_are_no_figures() -> None:
    nothing = Round(10, 5, 7, [Took(0, 0, 0, ms(*[-1] * 10))])
    for mode in ("latency", "throughput"):
        row = figures_of(Case("udp", mode, 1, 128), [nothing, nothing])
        assert row.deliveries_per_s is row.cpu_us_per_delivery is row.p50_ms is row.last_p99_ms
        assert row.p50_ms is None
        assert row.lost == 20
