from __future__ import annotations

from scripts.lab.ledger import Broadcast, Delivery
from scripts.lab.paint import paint
from scripts.lab.tree import Place, draw_tree

PLACES = {
    f"10.77.{segment}.{number}:29999": Place(segment, number)
    for segment in (1, 2, 3)
    for number in (1, 2, 3)
}
ADDRESS = {place.name: address for address, place in PLACES.items()}


def delivered(name: str, sender: str, via: str, hops: int, ms: float) -> Delivery:
    return Delivery(ADDRESS[name], ADDRESS[sender], via, hops, round(ms * 1e6))


def drawn(origin: str, recipients: str, *deliveries: Delivery) -> list[str]:
    broadcast = Broadcast(
        ADDRESS[origin], 1, frozenset(ADDRESS[name] for name in recipients.split()), 0
    )
    broadcast.deliveries.extend(deliveries)
    return [paint(line, colour=False) for line in draw_tree(broadcast, PLACES)]


def test_a_whole_tree() -> None:
    lines = drawn(
        "A1",
        "A2 A3 B1 B2 B3 C1",
        delivered("A2", "A1", "multicast", 1, 1),
        delivered("A3", "A1", "multicast", 1, 2),
        delivered("B2", "A1", "tcp", 1, 3),
        delivered("C1", "B2", "tcp", 2, 4),
        delivered("B1", "B2", "multicast", 2, 5),
        delivered("B3", "B2", "multicast", 2, 10),
    )
    assert lines == [
        "                                  by         hop        ms",
        " ◉ A1 10.77.1.1:29999  origin",
        " ├╌╌☁ segment A",
        " │   ├╌╌ A2 10.77.1.2:29999 ····· multicast    1      1.00  ━━●",
        " │   ╰╌╌ A3 10.77.1.3:29999 ····· multicast    1      2.00  ━━━●",
        " ╰──▶ B2 10.77.2.2:29999 ········ tcp          1      3.00  ━━━━●",
        "      ├╌╌☁ segment B",
        "      │   ├╌╌ B1 10.77.2.1:29999  multicast    2      5.00  ━━━━━━━━●",
        "      │   ╰╌╌ B3 10.77.2.3:29999  multicast    2     10.00  ━━━━━━━━━━━━━━━●",
        "      ╰──▶ C1 10.77.3.1:29999 ··· tcp          2      4.00  ━━━━━━●",
    ]


def test_the_columns_stand_below_each_other() -> None:
    lines = drawn(
        "A1",
        "A2 B1 C1",
        delivered("A2", "A1", "multicast", 1, 0.5),
        delivered("B1", "A1", "tcp", 1, 1),
        delivered("C1", "B1", "udp", 12, 12345.678),
    )
    ends = {
        line.index(ms) + len(ms) for line in lines for ms in (".50", ".00", ".68") if ms in line
    }
    assert len(ends) == 1
    assert lines[0].endswith("ms")
    assert len(lines[0]) == ends.pop()


def test_a_missing_node_is_named_at_the_end() -> None:
    lines = drawn("A1", "A2 B1", delivered("A2", "A1", "multicast", 1, 1))
    assert lines[-1] == " ✗ B1 10.77.2.1:29999  has not got it"


def test_before_anything_arrived_there_is_the_origin_and_who_waits() -> None:
    lines = drawn("A1", "A2")
    assert lines[1:] == [
        " ◉ A1 10.77.1.1:29999  origin",
        " ✗ A2 10.77.1.2:29999  has not got it",
    ]


def test_second_dispatches_and_uninvited_ones_are_marked() -> None:
    lines = drawn(
        "A1",
        "A2",
        delivered("A2", "A1", "multicast", 1, 1),
        delivered("A2", "A1", "tcp", 1, 2),
        delivered("B1", "A1", "tcp", 1, 3),
    )
    assert next(line for line in lines if "A2" in line).endswith("×2")
    assert next(line for line in lines if "B1" in line).endswith("was not asked to")


def test_what_a_relay_served_hangs_on_it_though_it_dispatched_nothing() -> None:
    lines = drawn("A1", "B2", delivered("B2", "B1", "multicast", 2, 1))
    at = lines.index(" ○ B1 10.77.2.1:29999  relay")
    assert lines[at + 1] == " ╰╌╌☁ segment B"
    assert "B2" in lines[at + 2]


def test_nodes_that_claim_to_have_served_each_other_do_not_draw_for_ever() -> None:
    lines = drawn(
        "A1", "A2 A3", delivered("A2", "A3", "tcp", 2, 1), delivered("A3", "A2", "tcp", 2, 1)
    )
    assert sum("▶ A2" in line for line in lines) == 1
    assert sum("▶ A3" in line for line in lines) == 1


def test_the_third_node_of_the_second_segment_is_b3() -> None:
    assert Place(2, 3).name == "B3"
    assert Place(26, 1).name == "Z1"
