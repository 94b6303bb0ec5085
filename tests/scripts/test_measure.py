from __future__ import annotations

import itertools
import json
import random

import pytest

from scripts.lab import measure
from scripts.lab.ledger import Ledger
from scripts.lab.measure import elapsed_ms, send_times_s

A, B, C, D = "10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"


@pytest.mark.parametrize(
    "arguments", [["--broadcasts", "0"], ["--rate", "0"], ["--rate", "nan"]], ids=" ".join
)
def test_the_measurement_refuses_options_that_make_no_sense(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        measure.main(arguments)
    assert refused.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(3))
def test_broadcasts_keep_their_rate_but_no_step(seed: int) -> None:
    times = send_times_s(random.Random(seed), 100, 20)
    assert len(times) == 100
    assert times[-1] == pytest.approx(5.0)
    pauses = [later - earlier for earlier, later in itertools.pairwise([0.0, *times])]
    assert min(pauses) > 0.025
    assert max(pauses) < 0.1
    # Whatever has a period of a second or of a step is met at all of its moments.
    assert {int(time_s * 20 % 1 * 10) for time_s in times} == set(range(10))


def test_times_are_told_apart_by_hop_and_by_the_way_of_it() -> None:
    ledger = Ledger([A, B, C, D])
    ledger.add_sent(A, {"seqno": 1, "time_ns": 0})
    for node, via, hops, ms in [
        (B, "tcp", 1, 1),
        (C, "multicast", 1, 2),
        (D, "multicast", 2, 3),
        (D, "tcp", 1, 4),  # its second: the first one counts
    ]:
        message = {"origin": A, "seqno": 1, "sender": A, "via": via, "hops": hops}
        ledger.add_message(node, message | {"time_ns": ms * 1_000_000})
    # Of one whose sending nobody noted there is no time to tell.
    stray = {"origin": B, "seqno": 9, "sender": B, "via": "tcp", "hops": 1, "time_ns": 5}
    ledger.add_message(A, stray)
    assert elapsed_ms(ledger, 1, "tcp") == [1.0]
    assert elapsed_ms(ledger, 1, "multicast") == [2.0]
    assert elapsed_ms(ledger, 2, "multicast") == [3.0]
    assert elapsed_ms(ledger, 2, "tcp") == []


def test_a_payload_character_is_one_byte_of_json() -> None:
    assert len(measure.SYMBOLS) == 92
    assert all(len(json.dumps(symbol)) == len('"x"') for symbol in measure.SYMBOLS)
