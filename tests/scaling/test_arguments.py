"""What the command takes and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.scaling import main
from scripts.scaling.arguments import parse


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nodes", "1"], "2 to 50,000"),
        (["--nodes", "10,many"], "2 to 50,000"),
        (["--nodes", ","], "at least one"),
        (["--shapes", "ring"], "subnet, segments, tcp"),
        (["--body", "1001"], "1 to 1,000"),
        (["--runs", "1"], "2 to 1,000"),
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
    options = parse(["--nodes", "10, 100,10", "--shapes", "tcp,subnet"])
    assert options.nodes == (10, 100)
    assert [shape.name for shape in options.shapes] == ["tcp", "subnet"]


def test_a_file_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["--from", str(tmp_path / "none.json")]) == 1
    assert "can't read" in capsys.readouterr().err
