from __future__ import annotations

import json

import pytest

from scripts.lab import demo, measure
from scripts.lab.demo import next_origin
from scripts.lab.measure import Figures, table
from scripts.lab.tree import Place


@pytest.mark.parametrize(
    "arguments",
    [
        ["--segments", "0"],
        ["--segments", "27"],
        ["--segments", "1", "--hosts", "1"],
        ["--segments", "-3", "--hosts", "-4"],
        ["--segments", "11", "--hosts", "10"],
        ["--interval", "0.01"],
        ["--interval", "nan"],
        ["--seconds", "0"],
        ["--seconds", "nan"],
        ["--once", "--seconds", "3"],
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_the_demo_refuses_options_that_make_no_sense(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        demo.main(arguments)
    assert refused.value.code == 2
    assert "usage" in capsys.readouterr().err


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


@pytest.mark.parametrize("count", [2, 3, 5, 12, 30, 97, 100])
def test_every_node_is_an_origin_before_any_is_again(count: int) -> None:
    places = [Place(1, number) for number in range(count)]
    turns = [next_origin(places, turn) for turn in range(1, 2 * count + 1)]
    assert sorted(turns[:count], key=lambda place: place.number) == places
    assert turns[count:] == turns[:count]


def test_the_table_has_the_original_and_the_goal_beside_the_figures() -> None:
    figures = Figures(
        broadcasts=200,
        rate=20,
        bytes_all=7123.4,
        packets_all=9.5,
        bytes_idle=1000,
        packets_idle=2,
        last_node_p50_ms=2.1,
        last_node_p99_ms=None,
        copies_per_delivery=1.01,
        hops_max=2,
        deliveries=2200,
        missing=0,
        duplicates=0,
        uninvited=0,
    )
    lines = table(figures).splitlines()
    cells = {line[:32].strip(): line[32:].split() for line in lines}
    assert cells["bytes per broadcast, in all"] == ["7,123", "12,700", "<=", "8,000"]
    assert cells["packets per broadcast, in all"] == ["9.5", "15.6", "<=", "10.0"]
    assert cells["ms to the last node, p50"] == ["2.10", "3.20", "<=", "2.50"]
    assert cells["ms to the last node, p99"] == ["-"]
    assert cells["copies per delivery"] == ["1.010", "<=", "1.15"]
    without = [line.split()[-1] for line in lines if "without it" in line]
    assert without == ["6,123", "7.5"]


def test_a_payload_character_is_one_byte_of_json() -> None:
    assert len(measure.SYMBOLS) == 92
    assert all(len(json.dumps(symbol)) == len('"x"') for symbol in measure.SYMBOLS)
