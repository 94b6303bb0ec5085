"""What `scripts/prove_delivery` makes of what it found, without a network."""

from __future__ import annotations

import pytest

from scripts.lab.proof.__main__ import PROOFS, main
from scripts.lab.proof.checks import Check, Checks, Verdict, size_name, table


def test_each_check_is_told_and_those_that_failed_are_found() -> None:
    told: list[Check] = []
    checks = Checks("loss", told.append)
    checks.add("all arrive", True, "10 of 10", pairs=10)
    checks.add("none twice", False, "1 twice")
    assert told == checks.made
    assert [check.wanted for check in checks.failed] == ["none twice"]
    assert str(told[0]) == "ok     loss: all arrive: 10 of 10"
    assert str(told[1]) == "FAILED loss: none twice: 1 twice"
    assert told[0].figures == {"pairs": 10}


def test_a_proof_passes_if_it_was_finished_and_all_its_checks_pass() -> None:
    good = Check("loss", "all arrive", True, "10 of 10", {})
    bad = Check("loss", "none twice", False, "1 twice", {})
    assert Verdict("loss", (good,), 1.0).passed
    assert not Verdict("loss", (good, bad), 1.0).passed
    assert not Verdict("loss", (good,), 1.0, "node A1 ended").passed


def test_the_table_has_a_row_for_each_proof() -> None:
    good = Check("loss", "all arrive", True, "10 of 10", {})
    bad = Check("cut", "none twice", False, "1 twice", {})
    verdicts = [Verdict("loss", (good,), 1.25), Verdict("cut", (bad, good), 20, "node A1 ended")]
    assert table(verdicts).splitlines() == [
        "proof              checks  failed  seconds",
        "loss                    1       0      1.2",
        "cut                     2       1     20.0  broke off: node A1 ended",
    ]


@pytest.mark.parametrize(
    ("size", "name"),
    [
        (1, "1 B"),
        (700, "700 B"),
        (1 << 10, "1 KiB"),
        (64 << 10, "64 KiB"),
        (1 << 20, "1 MiB"),
        ((16 << 20) - 2, "16 MiB - 2 B"),
        ((16 << 20) + 1, "16 MiB + 1 B"),
    ],
)
def test_sizes_are_named_as_people_do(size: int, name: str) -> None:
    assert size_name(size) == name


def test_the_list_names_every_proof(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(PROOFS)


def test_an_unknown_proof_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "luck"])
    assert ended.value.code == 2
    assert "loss-10" in capsys.readouterr().err
