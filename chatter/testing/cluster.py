"""Clusters in memory as ordinary objects: nodes of any number, on a network that can fail.

::

    cluster = Cluster(seed=1)
    a = cluster.add(4, segment="a")
    b = cluster.add(4, segment="b", join=a[:1])
    cluster.start()
    cluster.run_until(cluster.complete)
    sent = cluster.broadcast("a1", "hello", {"text": "world"})
    cluster.run_for(1)
    assert cluster.who_dispatched(sent) == ["a2", "a3", "a4", "b1", "b2", "b3", "b4"]
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chatter.config import Config
from chatter.core.channels import ChannelSpec
from chatter.core.handlers import ANY_TAG, codec_handler
from chatter.ids import BroadcastID, NetID
from chatter.keys import format_key
from chatter.testing.acquaint import acquaint
from chatter.testing.clock import Clock
from chatter.testing.dispatch import Delivery
from chatter.testing.member import Member
from chatter.testing.network import (
    ETHERNET_DATAGRAM_BYTES,
    LOOPBACK_DATAGRAM_BYTES,
    Network,
)

PORT = 29999
GROUP = NetID("224.1.1.1", PORT)

# The wall clock of every host when the test begins: a Tuesday in November 2023.
START_UNIX_MS = 1_700_000_000_000

# How often a condition is looked at that a test waits for.
_LOOK_EVERY_S = 0.05


class Cluster:
    """Members by name, the network between them, and the clock.

    Args:
        seed: of all chance in it: the same seed, the same run.
        config: settings of every node, as ``Config`` takes them.
    """

    def __init__(self, seed: int = 0, **config: Any) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.clock = Clock()
        self.network = Network(self.clock, self.rng)
        self.key = format_key(self.rng.randbytes(32))
        self._config = config
        self._members: dict[str, Member] = {}
        self._by_netid: dict[NetID, Member] = {}
        self._segments: dict[str, int] = {}
        self._hosts: dict[str, int] = {}

    # Who is in it

    def __getitem__(self, name: str) -> Member:
        return self._members[name]

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    @property
    def running(self) -> list[Member]:
        """Those whose process runs."""
        return [member for member in self if member.running]

    @property
    def now(self) -> float:
        """Virtual seconds since the test began."""
        return self.clock.now

    def at(self, netid: NetID) -> Member:
        """The member with this address."""
        return self._by_netid[netid]

    def name_of(self, netid: NetID) -> str:
        """What the test calls the node at this address."""
        member = self._by_netid.get(netid)
        return str(netid) if member is None else member.name

    def add(
        self,
        count: int = 1,
        *,
        segment: str = "a",
        join: Sequence[Member | NetID] = (),
        groups: Sequence[NetID] = (GROUP,),
        host: str | None = None,
        ipv6: bool = False,
        loopback: bool = False,
        skew_s: float = 0.0,
        **config: Any,
    ) -> list[Member]:
        """New members, not started yet: named after their segment, ``a1``, ``a2`` and so on.

        Args:
            join: whom they know from the start.
            groups: multicast groups they join; none means TCP alone.
            host: all on this machine, on ports of their own; else each on its own.
            loopback: whether their addresses are 127.0.0.1, and their host shares nothing else.
            skew_s: how far their wall clock is ahead.
            config: settings that differ from the cluster's.
        """
        seeds = [one.netid if isinstance(one, Member) else one for one in join]
        added = []
        for _ in range(count):
            netid, machine = self._next_address(segment, host, ipv6=ipv6, loopback=loopback)
            made = Config(
                **{
                    "key": self.key,
                    "address": str(netid),
                    "multicast": [str(group) for group in groups],
                    "join": [str(seed) for seed in seeds],
                    **self._config,
                    **config,
                }
            )
            channels = [
                ChannelSpec(group, False, ETHERNET_DATAGRAM_BYTES)
                for group in groups
                if not loopback
            ]
            if host is not None or loopback:
                channels += [ChannelSpec(group, True, LOOPBACK_DATAGRAM_BYTES) for group in groups]
            member = Member(
                self._next_name(segment),
                netid,
                made,
                self.network,
                segment=segment,
                unix_ms=lambda: START_UNIX_MS + int((self.clock.now + skew_s) * 1000),
                channels=channels,
                host=machine,
                seeds=seeds,
            )
            member.handlers.add(codec_handler(ANY_TAG, "json", lambda body, message: None))
            self._members[member.name] = self._by_netid[netid] = member
            added.append(member)
        return added

    def start(self, *members: Member | str) -> None:
        """Start these members; without any named, all that do not run."""
        chosen = [self._member(one) for one in members] or [one for one in self if not one.running]
        for member in chosen:
            member.start()

    def acquaint(self, *origins: Member | str, quiet_s: float = 0.0) -> None:
        """Let the running members know each other at once, as if they had long met.

        Args:
            origins: only these know everybody, the others their own segments. None: everybody does.
            quiet_s: so much later than usual each says its first words, for who measures what is
                said about something else.
        """
        chosen = [self._member(one) for one in origins]
        acquaint(self.running, self.clock.now, origins=chosen, quiet_s=quiet_s)

    # What they do

    def broadcast(
        self,
        origin: Member | str,
        tag: str = "hello",
        body: Any = None,
        to: Sequence[Member | str | NetID] | None = None,
        *,
        codec: str | None = None,
        confirm_s: float | None = None,
    ) -> BroadcastID:
        """Have a member broadcast; with ``confirm_s``, its ``receipts`` tell who got it."""
        targets = None
        if to is not None:
            targets = [one if isinstance(one, NetID) else self._member(one).netid for one in to]
        sender = self._member(origin)
        return sender.broadcast(tag, body, targets, codec=codec, confirm_s=confirm_s)[0]

    def deliveries(self, broadcast: BroadcastID) -> list[tuple[Member, Delivery]]:
        """Who dispatched a broadcast, how and when, in the order of time."""
        found = [(one, got) for one in self for got in one.inbox if got.id == broadcast]
        return sorted(found, key=lambda each: each[1].at)

    def who_dispatched(self, broadcast: BroadcastID) -> list[str]:
        """The names of those who dispatched a broadcast, sorted; twice those who did twice."""
        return sorted(member.name for member, _ in self.deliveries(broadcast))

    def count(self, name: str) -> int:
        """What all running members together counted under this name."""
        return sum(member.counts.get(name, 0) for member in self.running)

    # Time

    def run_for(self, seconds: float) -> None:
        """Let so much virtual time pass."""
        self.clock.run_until(self.clock.now + seconds)

    def run_until(
        self, condition: Callable[[], bool], within_s: float = 60.0, what: str = ""
    ) -> float:
        """Let time pass until a condition holds; the virtual seconds it took.

        Raises:
            AssertionError: it still doesn't after ``within_s``.
        """
        began = self.clock.now
        while not condition():
            if self.clock.now - began >= within_s:
                raise AssertionError(
                    f"not within {within_s} s: {what or getattr(condition, '__name__', condition)}"
                    f" (seed {self.seed})"
                )
            self.run_for(_LOOK_EVERY_S)
        return self.clock.now - began

    def settle(self, within_s: float = 10.0) -> None:
        """Let time pass until nothing is on its way and nothing waits to be sent.

        Raises:
            AssertionError: something still is after ``within_s``: too much background traffic, or a
                connection that hangs.
        """
        deadline = self.clock.now + within_s
        network = self.network
        while (
            network.in_flight
            or network.streams.waiting()
            or any(one.node.pending(self.now) for one in self.running)
        ):
            if not self.clock.step(deadline):
                raise AssertionError(f"not quiet within {within_s} s (seed {self.seed})")

    # Conditions

    def complete(self) -> bool:
        """Whether each running member knows each other one to be live, and nobody else."""
        running = {member.netid for member in self.running}
        return all(member.live_peers() == running - {member.netid} for member in self.running)

    def warm(self) -> bool:
        """Whether, besides, all members of each segment know that they hear each other."""
        return self.complete() and all(
            {
                other.netid
                for other in self.running
                if other is not member and other.segment == member.segment
            }
            <= member.listeners()
            for member in self.running
            if member.channels
        )

    # Details

    def _member(self, member: Member | str) -> Member:
        return self._members[member] if isinstance(member, str) else member

    def _next_name(self, segment: str) -> str:
        taken = sum(1 for member in self if member.segment == segment)
        return f"{segment}{taken + 1}"

    def _next_address(
        self, segment: str, host: str | None, *, ipv6: bool, loopback: bool
    ) -> tuple[NetID, str]:
        number = self._segments.setdefault(segment, len(self._segments))
        if loopback:
            machine = host or f"host of {segment}"
            ip = "::1" if ipv6 else "127.0.0.1"
            port = PORT + len(self._members)  # one address, so one port each in the whole cluster
            return NetID(ip, port), machine
        label = host or f"{segment}/{sum(1 for one in self._hosts if one.startswith(segment))}"
        index = self._hosts.setdefault(label, len(self._hosts))
        if ipv6:
            ip = f"fd00:{number:x}::{index + 1:x}"
        else:
            ip = f"{10 + number // 250}.{number % 250}.{index // 250}.{index % 250 + 1}"
        port = PORT
        while NetID(ip, port) in self._by_netid:
            port += 1
        return NetID(ip, port), ip
