"""What a network does to what it carries: lose, delay, duplicate, reorder, cut. They compose.

A fault is shown each packet's path and the moments at which copies of it would arrive, and answers
with other moments: none if it's lost, several if it's duplicated. On TCP nothing is lost or
doubled for good: what a fault loses there comes later, as it does where TCP sends again, and what
stays cut off for long is a reset connection.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from chatter.ids import NetID

MULTICAST, UDP, TCP = "multicast", "udp", "tcp"
KINDS = frozenset((MULTICAST, UDP, TCP))


class Path(NamedTuple):
    """The way of one packet."""

    kind: str
    """``multicast``, ``udp`` or ``tcp``."""
    source: NetID
    target: NetID
    """Who would receive it; a multicast has a path to each."""


@dataclass(frozen=True, eq=False)
class Fault(ABC):
    """Something that happens to packets on some paths."""

    kinds: Iterable[str] = field(default=KINDS, kw_only=True)
    """Which packets it concerns."""
    sources: Iterable[NetID] | None = field(default=None, kw_only=True)
    """From whom; None: from anybody."""
    targets: Iterable[NetID] | None = field(default=None, kw_only=True)
    """To whom; None: to anybody."""

    def __post_init__(self) -> None:
        for name in ("kinds", "sources", "targets"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else frozenset(value))
        if not frozenset(self.kinds) <= KINDS:
            raise ValueError(f"kinds: some of {', '.join(sorted(KINDS))}, not {self.kinds}")

    def concerns(self, path: Path) -> bool:
        """Whether it acts on this path."""
        return (
            path.kind in self.kinds
            and (self.sources is None or path.source in self.sources)
            and (self.targets is None or path.target in self.targets)
        )

    @abstractmethod
    def change(self, delays: list[float], rng: random.Random) -> list[float]:
        """The delays, in seconds, after which copies arrive, given those without this fault."""


@dataclass(frozen=True, eq=False)
class Lose(Fault):
    """Each packet is lost with this probability."""

    probability: float

    def change(self, delays: list[float], rng: random.Random) -> list[float]:
        return [delay for delay in delays if rng.random() >= self.probability]


@dataclass(frozen=True, eq=False)
class Delay(Fault):
    """Each packet takes longer by ``seconds``, and by up to ``jitter_s`` more."""

    seconds: float
    jitter_s: float = 0.0

    def change(self, delays: list[float], rng: random.Random) -> list[float]:
        return [delay + self.seconds + rng.random() * self.jitter_s for delay in delays]


@dataclass(frozen=True, eq=False)
class Duplicate(Fault):
    """Each packet comes twice with this probability, the second one up to ``within_s`` later."""

    probability: float
    within_s: float = 0.01

    def change(self, delays: list[float], rng: random.Random) -> list[float]:
        again = [
            delay + rng.random() * self.within_s
            for delay in delays
            if rng.random() < self.probability
        ]
        return delays + again


@dataclass(frozen=True, eq=False)
class Reorder(Fault):
    """Each packet is overtaken with this probability, by what is sent up to ``within_s`` later."""

    probability: float
    within_s: float = 0.01

    def change(self, delays: list[float], rng: random.Random) -> list[float]:
        return [
            delay + (rng.random() * self.within_s if rng.random() < self.probability else 0.0)
            for delay in delays
        ]


@dataclass(frozen=True, eq=False)
class Cut(Fault):
    """Nothing passes between the sources and the targets, in either direction."""

    one_way: bool = field(default=False, kw_only=True)
    """Only from the sources to the targets."""

    def concerns(self, path: Path) -> bool:
        back = Path(path.kind, path.target, path.source)
        return super().concerns(path) or (not self.one_way and super().concerns(back))

    def change(self, delays: list[float], rng: random.Random) -> list[float]:
        return []
