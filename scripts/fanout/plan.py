"""What is measured, in which order, and what of it can't be here."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scripts.fanout.figures import Case
from scripts.fanout.payload import MIN_BYTES
from scripts.fanout.servers import find_program
from scripts.fanout.systems import SYSTEMS

MODES = ("latency", "throughput")

# Debian's packages of the programs.
_DEBIAN = {"redis-server": "redis-server", "nats-server": "nats-server", "openssl": "openssl"}


@dataclass(frozen=True)
class Plan:
    """All systems on the same work, so often; `nodes` are subscribers, `sizes` are in bytes."""

    systems: tuple[str, ...]
    modes: tuple[str, ...]
    nodes: tuple[int, ...]
    sizes: tuple[int, ...]
    runs: int

    def work(self) -> Iterator[list[Case]]:
        """The same work for every system, one kind after the other."""
        for mode in self.modes:
            for nodes in self.nodes:
                for size in self.sizes:
                    yield [Case(system, mode, nodes, size) for system in self.systems]

    def interleaved(self, cases: list[Case]) -> Iterator[tuple[int, Case]]:
        """Run 1 of every system, then run 2: a machine that gets slower is slower for all."""
        for run in range(1, self.runs + 1):
            for case in cases:
                yield run, case

    @property
    def total(self) -> int:
        """How many runs there are in all."""
        return self.runs * len(self.systems) * len(self.modes) * len(self.nodes) * len(self.sizes)


def why_no_bench() -> str | None:
    """What keeps this machine from running all systems, each with what to do; None if nothing."""
    plan = Plan(tuple(SYSTEMS), MODES, nodes=(1,), sizes=(MIN_BYTES,), runs=1)
    return "; ".join(dict.fromkeys(complaints(plan, segments=0))) or None


def _is_importable(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def complaints(
    plan: Plan,
    segments: int,
    find: Callable[[str], str | None] = find_program,
    importable: Callable[[str], bool] = _is_importable,
) -> list[str]:
    """What keeps the plan from being carried out here, each with what to do; empty if nothing.

    Args:
        segments: behind a router; 0 for loopback.
        find: gives the path of a program.
        importable: says whether a package is installed.
    """
    found = []
    for name in plan.systems:
        system = SYSTEMS[name]
        found += [
            f"{name} needs {package}: pip install '.[bench]'"
            for module, package in system.needs.items()
            if not importable(module)
        ]
        found += [
            f"{name} needs {program}: apt-get install {_DEBIAN[program]}"
            for program in (system.server, *system.programs)
            if program is not None and find(program) is None
        ]
        if system.one_segment and segments > 1:
            found.append(
                f"{name} reaches nobody beyond its own segment: leave it out, or take --segments 1"
            )
    return found
