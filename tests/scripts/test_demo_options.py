from __future__ import annotations

import pytest

from scripts.lab import demo
from scripts.lab.demo import next_origin
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


@pytest.mark.parametrize("count", [2, 3, 5, 12, 30, 97, 100])
def test_every_node_is_an_origin_before_any_is_again(count: int) -> None:
    places = [Place(1, number) for number in range(count)]
    turns = [next_origin(places, turn) for turn in range(1, 2 * count + 1)]
    assert sorted(turns[:count], key=lambda place: place.number) == places
    assert turns[count:] == turns[:count]
