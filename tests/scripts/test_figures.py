from __future__ import annotations

from scripts.lab.figures import Figures, table


def test_the_table_has_the_original_and_the_goal_beside_the_figures() -> None:
    figures = Figures(
        broadcasts=200,
        rate=20,
        program="recorder",
        aead="SomeAead",
        bytes_all=7123.4,
        packets_all=9.5,
        cpu_ms_all=9.25,
        bytes_idle=1000,
        packets_idle=2,
        cpu_ms_idle=2.25,
        last_node_p50_ms=2.1,
        last_node_p99_ms=None,
        hop_1_tcp_p50_ms=0.5,
        hop_1_multicast_p50_ms=0.75,
        hop_2_multicast_p50_ms=None,
        copies_per_delivery=1.01,
        hops_max=2,
        deliveries=2200,
        missing=0,
        duplicates=0,
        uninvited=0,
    )
    lines = table("what was measured", figures).splitlines()
    assert lines[0] == "what was measured"
    cells = {line[:32].strip(): line[32:].split() for line in lines}
    assert cells["bytes per broadcast, in all"] == ["7,123", "12,700", "<=", "8,000"]
    assert cells["packets per broadcast, in all"] == ["9.5", "15.6", "<=", "10.0"]
    assert cells["ms to the last node, p50"] == ["2.10", "3.20", "<=", "2.50"]
    assert cells["ms to the last node, p99"] == ["-"]
    assert cells["to hop 1 by TCP, p50"] == ["0.50"]
    assert cells["to hop 1 by multicast, p50"] == ["0.75"]
    assert cells["to hop 2 by multicast, p50"] == ["-"]
    assert cells["CPU ms per broadcast, in all"] == ["9.25"]
    assert cells["copies per delivery"] == ["1.010", "<=", "1.15"]
    without = [line.split()[-1] for line in lines if "without it" in line]
    assert without == ["6,123", "7.5", "7.00"]
