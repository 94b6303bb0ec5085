"""What the command takes and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.fanout import main
from scripts.fanout.arguments import parse
from scripts.fanout.systems import PEERS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sizes", "15"], "16 to 60,000"),
        (["--sizes", "128,60001"], "16 to 60,000"),
        (["--nodes", "0"], "1 to 200"),
        (["--nodes", ","], "at least one"),
        (["--runs", "-1"], "1 to 100"),
        (["--rate", "nan"], "0.1 to 5,000"),
        (["--seconds", "0"], "0.1 to 600"),
        (["--segments", "x"], "0 to 50"),
        (["--modes", "speed"], "latency, throughput"),
        (["--chatter", "slow"], "default, fast, pycryptodome, tree, tree-fast"),
        (["--against", "redis,carrier-pigeon"], ", ".join(PEERS)),
        (["--codec", "pickle"], "codec"),
        (["--from", "a", "--json", "b"], "--from"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_with_what_would(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(arguments)
    assert refused.value.code == 2
    assert said in capsys.readouterr().err


def test_lists_are_taken_apart_and_nothing_is_measured_twice() -> None:
    options = parse(
        ["--chatter", "default,tree", "--against", "udp, zmq:curve,udp", "--nodes", "8,32,8"]
    )
    assert options.plan.systems == ("chatter", "chatter:tree", "udp", "zmq:curve")
    assert options.plan.nodes == (8, 32)


def test_how_long_is_measured_and_what_goes_before() -> None:
    work = parse(["--rate", "20", "--seconds", "3", "--warm-up", "15"]).work
    assert (work.rate, work.seconds, work.warm_up_s) == (20, 3, 15)


def test_a_file_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["--from", str(tmp_path / "none.json")]) == 1
    assert "can't read" in capsys.readouterr().err


def test_nothing_to_measure_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--chatter", "", "--against", ""]) == 1
    assert "name a mode and a system" in capsys.readouterr().err
