"""What a proof has found: one line a check, and the table at the end. Pure."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One thing that had to be so, and what was found.

    Args:
        proof: which one found it.
        wanted: as a sentence.
        found: what there was instead, or how it was met.
        figures: what was measured, for `--json`.
    """

    proof: str
    wanted: str
    passed: bool
    found: str
    figures: dict[str, Any]

    def __str__(self) -> str:
        return f"{'ok' if self.passed else 'FAILED':<7}{self.proof}: {self.wanted}: {self.found}"


class Checks:
    """Collects the checks of one proof, and tells of each as it is made."""

    def __init__(self, proof: str, tell: Callable[[Check], None] = lambda check: None) -> None:
        self._proof = proof
        self._tell = tell
        self.made: list[Check] = []

    def add(self, wanted: str, passed: bool, found: str, **figures: Any) -> None:
        """Notes one."""
        check = Check(self._proof, wanted, passed, found, figures)
        self.made.append(check)
        self._tell(check)

    @property
    def failed(self) -> list[Check]:
        """Those that did not pass."""
        return [check for check in self.made if not check.passed]


@dataclass(frozen=True)
class Verdict:
    """What became of one proof.

    Args:
        broke: why it could not be finished; None if it was.
    """

    proof: str
    checks: tuple[Check, ...]
    seconds: float
    broke: str | None = None

    @property
    def passed(self) -> bool:
        """Whether it was finished and all is as it should be."""
        return self.broke is None and all(check.passed for check in self.checks)


def table(verdicts: Iterable[Verdict]) -> str:
    """The proofs in rows, ready to print."""
    lines = [f"{'proof':<18}{'checks':>7}{'failed':>8}{'seconds':>9}"]
    for verdict in verdicts:
        failed = sum(not check.passed for check in verdict.checks)
        line = f"{verdict.proof:<18}{len(verdict.checks):>7}{failed:>8}{verdict.seconds:>9.1f}"
        lines.append(line if verdict.broke is None else f"{line}  broke off: {verdict.broke}")
    return "\n".join(lines)


def size_name(size: int) -> str:
    """A number of bytes in words, as people say it: 1 MiB, 1 MiB - 2 B, 64 KiB, 700 B."""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        whole = round(size / unit)
        rest = size - whole * unit
        if whole and abs(rest) < 16:
            return re.sub(r" [+-] 0 B$", "", f"{whole} {name} {'+-'[rest < 0]} {abs(rest)} B")
    return f"{size} B"
