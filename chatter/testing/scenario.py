"""Scenarios a person can read: a list of small steps, each of which prints itself.

::

    Scenario(
        Start("a", 4),
        Start("b", 4, join="a1"),
        Meet(),
        Cut("a", "b"),
        Expect("a1", "b1", "failed", within_s=15),
        Heal(),
        Meet(),
        Broadcast("a1"),
        EverybodyDispatches(),
        seed=7,
    ).play()

A failure tells the story up to the step that failed, and the seed with which it fails again.

Nodes are named ``a1``, ``a2`` and so on after their segment; a segment's name stands for all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chatter.ids import BroadcastID, NetID
from chatter.testing import faults
from chatter.testing.cluster import Cluster
from chatter.testing.faults import Fault
from chatter.testing.member import Member

Kinds = tuple[str, ...]
_ALL: Kinds = tuple(sorted(faults.KINDS))


class ScenarioFailed(AssertionError):
    """A step failed; the message tells the story so far."""


class Stage:
    """What the steps of one scenario act on."""

    def __init__(self, seed: int, config: dict[str, Any]) -> None:
        self.cluster = Cluster(seed, **config)
        self.sent: list[tuple[BroadcastID, Member, set[NetID], bool]] = []
        """Each broadcast with its origin, those who ought to dispatch it, and whether it was to
        everyone, so that others may."""

    def those(self, name: str) -> list[Member]:
        """The node of this name, or all of the segment."""
        members = [one for one in self.cluster if name in (one.name, one.segment)]
        if not members:
            raise ValueError(f"there is no node and no segment {name!r}")
        return members

    def netids(self, name: str) -> set[NetID]:
        """Their addresses."""
        return {one.netid for one in self.those(name)}


class Step(ABC):
    """One thing that happens, or is expected to have happened."""

    @abstractmethod
    def play(self, stage: Stage) -> None:
        """Let it happen.

        Raises:
            AssertionError: it was expected, and is not so.
        """


@dataclass(frozen=True)
class Start(Step):
    """Nodes of a segment start."""

    segment: str
    nodes: int = 1
    join: str = ""
    config: dict[str, Any] = field(default_factory=dict)

    def play(self, stage: Stage) -> None:
        seeds = stage.those(self.join)[:1] if self.join else []
        added = stage.cluster.add(self.nodes, segment=self.segment, join=seeds, **self.config)
        stage.cluster.start(*added)

    def __str__(self) -> str:
        how = f", joining by {self.join}" if self.join else ""
        return f"{self.nodes} nodes start in segment {self.segment}{how}"


@dataclass(frozen=True)
class Meet(Step):
    """Wait until every running node knows every other, and who hears it."""

    within_s: float = 60.0

    def play(self, stage: Stage) -> None:
        stage.cluster.run_until(stage.cluster.warm, self.within_s)
        stage.cluster.run_for(3)  # what they learnt last is known to the others after that

    def __str__(self) -> str:
        return f"all meet within {self.within_s:g} s"


@dataclass(frozen=True)
class Wait(Step):
    """Time passes."""

    seconds: float

    def play(self, stage: Stage) -> None:
        stage.cluster.run_for(self.seconds)

    def __str__(self) -> str:
        return f"{self.seconds:g} s pass"


@dataclass(frozen=True)
class Broadcast(Step):
    """A node broadcasts, to those it thinks are live or to those named."""

    origin: str
    to: str = ""
    bytes: int = 16

    def play(self, stage: Stage) -> None:
        (origin,) = stage.those(self.origin)
        body = "x" * self.bytes
        if not self.to:
            meant = origin.live_peers()
            sent = stage.cluster.broadcast(origin, "story", body)
        else:
            named = [one for name in self.to.split() for one in stage.those(name)]
            meant = {one.netid for one in named} - {origin.netid}
            sent = stage.cluster.broadcast(origin, "story", body, named)
        stage.sent.append((sent, origin, meant, not self.to))

    def __str__(self) -> str:
        return f"{self.origin} broadcasts {self.bytes} bytes to {self.to or 'everyone'}"


@dataclass(frozen=True)
class EverybodyDispatches(Step):
    """After a while each broadcast so far was dispatched once by whom it was meant for.

    Nodes that do not run any more need not have.
    """

    within_s: float = 5.0

    def play(self, stage: Stage) -> None:
        cluster = stage.cluster
        cluster.run_for(self.within_s)
        for sent, origin, meant, to_all in stage.sent:
            got = [member.netid for member, _ in cluster.deliveries(sent)]
            twice = sorted({cluster.name_of(one) for one in got if got.count(one) > 1})
            running = {one.netid for one in cluster.running}
            missing = sorted(cluster.name_of(one) for one in (meant & running) - set(got))
            # Who was cut off when it went out to everyone gets it when the network has healed.
            entitled = {one.netid for one in cluster} if to_all else meant
            uninvited = sorted(cluster.name_of(one) for one in set(got) - entitled)
            wrong = [
                f"{words}: {', '.join(names)}"
                for words, names in (
                    ("not at", missing),
                    ("twice at", twice),
                    ("uninvited at", uninvited),
                )
                if names
            ]
            assert not wrong, f"broadcast {sent.seqno} of {origin.name}: {'; '.join(wrong)}"

    def __str__(self) -> str:
        return f"within {self.within_s:g} s everybody meant has dispatched each broadcast once"


@dataclass(frozen=True)
class Expect(Step):
    """A node comes to think that others are in a state."""

    at: str
    of: str
    state: str
    within_s: float = 15.0

    def play(self, stage: Stage) -> None:
        def holds() -> bool:
            return all(
                one.state_of(netid) == self.state
                for one in stage.those(self.at)
                for netid in stage.netids(self.of)
                if netid != one.netid
            )

        stage.cluster.run_until(holds, self.within_s, str(self))

    def __str__(self) -> str:
        return f"{self.at} takes {self.of} to be {self.state} within {self.within_s:g} s"


@dataclass(frozen=True)
class Kill(Step):
    """Processes end without a word; silently, their whole host does."""

    who: str
    silently: bool = False

    def play(self, stage: Stage) -> None:
        for member in stage.those(self.who):
            member.kill(silently=self.silently)

    def __str__(self) -> str:
        return f"{self.who} {'loses its power' if self.silently else 'is killed'}"


@dataclass(frozen=True)
class Stop(Step):
    """Nodes leave as they should."""

    who: str

    def play(self, stage: Stage) -> None:
        for member in stage.those(self.who):
            member.stop()

    def __str__(self) -> str:
        return f"{self.who} leaves"


@dataclass(frozen=True)
class Restart(Step):
    """Nodes start again at their former addresses, after a kill if they still run."""

    who: str

    def play(self, stage: Stage) -> None:
        for member in stage.those(self.who):
            member.kill()
            member.start()

    def __str__(self) -> str:
        return f"{self.who} starts again"


@dataclass(frozen=True)
class Cut(Step):
    """Nothing passes between two groups of nodes, for all or some kinds of packets."""

    a: str
    b: str
    kinds: Kinds = _ALL
    one_way: bool = False

    def play(self, stage: Stage) -> None:
        stage.cluster.network.add(
            faults.Cut(
                sources=stage.netids(self.a),
                targets=stage.netids(self.b),
                kinds=self.kinds,
                one_way=self.one_way,
            )
        )

    def __str__(self) -> str:
        arrow = "to" if self.one_way else "and back to"
        what = "nothing" if self.kinds == _ALL else f"no {' or '.join(self.kinds)}"
        return f"{what} passes from {self.a} {arrow} {self.b}"


@dataclass(frozen=True)
class Suffer(Step):
    """A fault begins, as the network knows them."""

    fault: Fault

    def play(self, stage: Stage) -> None:
        stage.cluster.network.add(self.fault)

    def __str__(self) -> str:
        return f"the network begins to {type(self.fault).__name__.lower()}: {self.fault}"


@dataclass(frozen=True)
class Heal(Step):
    """All faults are over."""

    def play(self, stage: Stage) -> None:
        stage.cluster.network.heal()

    def __str__(self) -> str:
        return "the network is whole again"


class Scenario:
    """Steps, played one after the other on a fresh cluster.

    Args:
        seed: of all chance in it.
        config: settings of every node.
    """

    def __init__(self, *steps: Step, seed: int = 0, **config: Any) -> None:
        self.steps: Sequence[Step] = steps
        self.seed = seed
        self._config = config

    def play(self) -> Cluster:
        """Play all of it; the cluster as it is at the end.

        Raises:
            ScenarioFailed: a step was not as expected.
        """
        stage = Stage(self.seed, self._config)
        story: list[str] = []
        for step in self.steps:
            try:
                step.play(stage)
            except AssertionError as error:
                told = "\n".join([*story, f"  ✗ {step}", f"    {error}"])
                raise ScenarioFailed(f"seed {self.seed}\n{told}") from error
            story.append(f"  ✓ {step}  ({stage.cluster.now:.2f} s)")
        return stage.cluster
