"""Clusters in memory, under a clock that jumps: for tests of chatter, and of what is built on it.

Real frames cross a network that can lose, delay, duplicate, reorder and cut. Nothing waits, and the
same seed gives the same run.
"""

from chatter.testing.clock import Clock, Livelock
from chatter.testing.cluster import Cluster
from chatter.testing.dispatch import Delivery
from chatter.testing.faults import Cut, Delay, Duplicate, Fault, Lose, Path, Reorder
from chatter.testing.member import Member
from chatter.testing.network import Network
from chatter.testing.scenario import Scenario, ScenarioFailed

__all__ = [
    "Clock",
    "Cluster",
    "Cut",
    "Delay",
    "Delivery",
    "Duplicate",
    "Fault",
    "Livelock",
    "Lose",
    "Member",
    "Network",
    "Path",
    "Reorder",
    "Scenario",
    "ScenarioFailed",
]
