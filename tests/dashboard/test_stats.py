"""Events folded into what the page shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatter.core.effects import PeerEvent
from chatter.dashboard import stats
from chatter.dashboard.stats import MAX_NAMES, MAX_SAMPLES, MAX_SHOWN, Board
from chatter.ids import BroadcastID
from tests.dashboard.samples import EPOCH, came, figures, netid, sent, summary


def make_board() -> Board:
    """Node 1 watches nodes 2 and 3."""
    board = Board(netid(1), {"label": "", "chatter": "1.0"}, lambda at: int(at * 1000))
    board.tell_nodes([summary(2), summary(3, segment=3)], netid(1), EPOCH)
    return board


def node(board: Board, number: int) -> dict[str, Any]:
    found: dict[str, Any] = board.snapshot()["nodes"][str(netid(number))]
    return found


def test_before_a_node_told_anything_its_figures_are_unknown() -> None:
    board = make_board()

    assert node(board, 2) == {
        "n": node(board, 2)["n"],
        "state": "alive",
        "segment": str(netid(1)),
        "multicast": True,
        "epoch": str(EPOCH),
        **dict.fromkeys(("version", "rtt_ms", "uptime_s", "queue", "outbox")),
        **dict.fromkeys(("broadcasts", "deliveries", "copies", "duplicates", "repairs", "gaps")),
        **dict.fromkeys(("drops", "kernel_drops", "bytes_in", "bytes_out")),
    }
    assert node(board, 1)["multicast"] is None
    assert sorted(one["n"] for one in board.snapshot()["nodes"].values()) == [0, 1, 2]


def test_counters_go_to_their_columns_and_add_up() -> None:
    board = make_board()
    told = {
        "broadcasts": 4,
        "gossip_received": 10,
        "gossip_overheard": 1,
        "duplicates": 2,
        "numbers_answered": 3,
        "numbers_multicast": 1,
        "numbers_lost": 5,
        "dropped_replay": 6,
        "dropped_bad_seal": 1,
        "kernel_drops": 7,
        "bytes_received": 1000,
        "bytes_sent": 2000,
        "handler_queue": 8,
        "outbox_bytes": 9,
        "something_else": 99,
    }
    board.fold(figures(2, told, {"hello": 7, "bye": 1}), 1.0)
    board.fold(figures(3, {"broadcasts": 1, "dropped_replay": 1}, {"hello": 2}), 1.0)
    board.tick(1.0)
    row = node(board, 2)

    columns = ("broadcasts", "deliveries", "copies", "duplicates", "repairs", "gaps", "drops")
    assert [row[name] for name in columns] == [4, 8, 11, 2, 4, 5, 7]
    assert (row["kernel_drops"], row["bytes_in"], row["bytes_out"]) == (7, 1000, 2000)
    assert (row["queue"], row["outbox"], row["uptime_s"], row["rtt_ms"]) == (8, 9, 100, 1.0)
    snapshot = board.snapshot()
    assert snapshot["totals"]["broadcasts"] == 5
    assert snapshot["totals"]["deliveries"] == 10
    assert snapshot["tags"] == {"hello": 9, "bye": 1}
    assert snapshot["drops"] == {"replay": 7, "bad_seal": 1}


def test_only_what_changed_has_to_be_told() -> None:
    board = make_board()
    board.fold(figures(2, {"broadcasts": 4, "bytes_sent": 10}), 1.0)
    board.fold(figures(2, {"broadcasts": 5}), 2.0)

    assert (node(board, 2)["broadcasts"], node(board, 2)["bytes_out"]) == (5, 10)


def test_a_new_process_counts_from_nothing_and_the_sum_goes_on() -> None:
    board = make_board()
    board.fold(figures(2, {"broadcasts": 4}, {"hello": 5}, uptime_s=100), 1.0)
    board.fold(figures(2, {"broadcasts": 6}, {"hello": 9}, uptime_s=1), 2.0)
    board.tick(2.0)

    assert (node(board, 2)["broadcasts"], node(board, 2)["deliveries"]) == (6, 9)
    assert board.snapshot()["totals"]["broadcasts"] == 10
    assert board.snapshot()["tags"] == {"hello": 14}


def test_changes_hold_what_is_new_and_nothing_else() -> None:
    board = make_board()
    board.fold(figures(2, {"broadcasts": 4}), 1.0)
    board.tick(1.0)
    version = board.snapshot()["board"]
    assert board.changes(version) == {"type": "changes", "board": version}

    board.fold(figures(2, {"broadcasts": 5}), 1.5)
    board.fold(PeerEvent(netid(3), EPOCH, "failed"), 1.5)
    board.tick(1.5)
    changes = board.changes(version)

    assert changes["nodes"] == {
        str(netid(2)): {"broadcasts": 5},
        str(netid(3)): {"state": "failed"},
    }
    assert changes["totals"] == {"broadcasts": 5}
    assert set(changes) == {"type", "board", "nodes", "totals"}
    assert board.changes(changes["board"])["board"] == changes["board"]
    assert len(board.changes(changes["board"])) == 2


def test_changes_applied_to_a_snapshot_give_the_next_snapshot() -> None:
    board = make_board()
    board.tick(0.0)
    page = json.loads(json.dumps(board.snapshot()))
    for step in range(1, 30):
        now = step * 0.5
        board.fold(figures(2 + step % 2, {"broadcasts": step, "dropped_replay": step // 5}), now)
        board.fold(sent(at=now) if step % 7 == 0 else came(2, now), now)
        if step == 20:
            board.tell_nodes([summary(2)], netid(1), EPOCH)
        board.tick(now)
        if step % 3 == 0:
            changes = json.loads(json.dumps(board.changes(page["board"])))
            _apply(page, changes)
    board.tick(100.0)  # by now each broadcast has been shown as it stays
    board_now = board.snapshot()
    _apply(page, json.loads(json.dumps(board.changes(page["board"]))))

    assert page == json.loads(json.dumps(board_now))


def _apply(page: dict[str, Any], changes: dict[str, Any]) -> None:
    """What the page does with changes."""
    page["board"] = changes["board"]
    for address, fields in changes.get("nodes", {}).items():
        page["nodes"].setdefault(address, {}).update(fields)
    for address in changes.get("gone", ()):
        page["nodes"].pop(address, None)
    for name in ("totals", "tags", "drops"):
        page[name].update(changes.get(name, {}))
    page["history"] += changes.get("history", [])
    for story in changes.get("broadcasts", ()):
        former = [one["id"] for one in page["broadcasts"]]
        if story["id"] in former:
            page["broadcasts"][former.index(story["id"])] = story
        else:
            page["broadcasts"].append(story)


def test_a_sample_tells_the_rate_of_its_second_and_nothing_of_when_nobody_looked() -> None:
    board = make_board()
    board.tick(0.0)
    board.fold(figures(2, {"broadcasts": 1000}), 0.2)  # of its whole life
    board.fold(figures(2, {"broadcasts": 1010}), 0.9)
    board.tick(0.5)
    board.tick(1.0)
    board.tick(60.0)  # somebody looks again
    board.fold(figures(2, {"broadcasts": 5000}), 60.3)
    board.fold(figures(3, {"broadcasts": 7000}), 60.4)
    board.tick(61.0)
    board.fold(figures(3, {"broadcasts": 7004}), 61.4)
    board.tick(62.0)

    rates = [(one["t"], one["broadcasts"]) for one in board.snapshot()["history"]]
    assert rates == [(1000, 10.0), (61000, 0.0), (62000, 4.0)]
    assert board.snapshot()["totals"]["broadcasts"] == 12004


def test_history_is_bounded() -> None:
    board = make_board()
    for second in range(2 * MAX_SAMPLES):
        board.tick(float(second))

    history = board.snapshot()["history"]
    assert len(history) == MAX_SAMPLES
    assert history[-1]["t"] == (2 * MAX_SAMPLES - 1) * 1000


def test_a_node_that_is_forgotten_is_gone() -> None:
    board = make_board()
    version = board.version
    board.tell_nodes([summary(2)], netid(1), EPOCH)

    assert str(netid(3)) not in board.snapshot()["nodes"]
    assert board.changes(version)["gone"] == [str(netid(3))]


def test_what_is_shown_is_plain_json_with_numbers_that_javascript_can_hold() -> None:
    board = make_board()
    board.fold(figures(2, {"broadcasts": 4}), 1.0)
    board.fold(sent(), 1.0)
    board.tick(1.0)
    board.tick(2.0)

    def numbers(value: Any) -> list[float]:
        if isinstance(value, dict):
            return [one for inner in value.values() for one in numbers(inner)]
        if isinstance(value, list):
            return [one for inner in value for one in numbers(inner)]
        return [value] if isinstance(value, (int, float)) else []

    snapshot = board.snapshot()
    assert json.loads(json.dumps(snapshot)) == snapshot
    assert max(numbers(snapshot)) < 2**53


def test_a_member_that_makes_up_names_fills_no_memory() -> None:
    board = make_board()
    for number in range(5 * MAX_NAMES):
        board.fold(figures(2, {f"dropped_{number}": 1}, {f"tag {number}": 1}), 1.0)
    board.tick(1.0)
    snapshot = board.snapshot()

    assert len(snapshot["tags"]) == len(snapshot["drops"]) == MAX_SHOWN + 1
    assert snapshot["tags"]["…"] == MAX_NAMES - MAX_SHOWN
    assert snapshot["totals"]["deliveries"] == MAX_NAMES
    assert len(json.dumps(snapshot)) < 100_000


def test_addresses_that_are_made_up_get_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    board = make_board()
    monkeypatch.setattr(stats, "MAX_NUMBERS", 4)
    for number in range(10, 20):
        board.fold(sent(broadcast=BroadcastID(netid(number), EPOCH, 1)), 1.0)
    board.tick(9.0)

    origins = [one["origin"] for one in board.snapshot()["broadcasts"]]
    assert origins == [3, *[stats.NO_NUMBER] * 9]
    assert node(board, 2)["n"] in (0, 1, 2)
