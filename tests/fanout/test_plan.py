"""What is measured in which order, and what keeps it from being measured."""

from __future__ import annotations

from scripts.fanout.figures import Case
from scripts.fanout.plan import MODES, Plan, complaints
from scripts.fanout.systems import SYSTEMS

PLAN = Plan(("chatter", "udp"), ("latency",), nodes=(2, 3), sizes=(128,), runs=2)


def test_runs_of_all_systems_take_turns_on_the_same_work() -> None:
    order = [
        (run, case.system, case.nodes)
        for cases in PLAN.work()
        for run, case in PLAN.interleaved(cases)
    ]

    assert order == [
        *[(1, "chatter", 2), (1, "udp", 2), (2, "chatter", 2), (2, "udp", 2)],
        *[(1, "chatter", 3), (1, "udp", 3), (2, "chatter", 3), (2, "udp", 3)],
    ]
    assert PLAN.total == len(order)
    assert next(PLAN.work())[0] == Case("chatter", "latency", 2, 128)


def found_nowhere(program: str) -> None:
    return None


def test_what_is_missing_is_said_with_what_to_do() -> None:
    plan = Plan(tuple(SYSTEMS), MODES, nodes=(2,), sizes=(128,), runs=1)
    said = complaints(plan, 0, find=found_nowhere, importable=lambda module: False)

    assert "redis needs redis-server: apt-get install redis-server" in said
    assert "nats needs nats-server: apt-get install nats-server" in said
    assert "nats needs nats-py: pip install '.[bench]'" in said
    assert "tcp:tls needs openssl: apt-get install openssl" in said
    assert "chatter:fast needs cryptography: pip install '.[bench]'" in said
    assert {line.split()[0] for line in said} == set(SYSTEMS) - {
        *("chatter", "chatter:pycryptodome", "chatter:tree", "tcp", "udp")
    }


def test_multicast_without_a_tree_is_refused_behind_a_router() -> None:
    for segments, refused in ((0, False), (1, False), (2, True)):
        said = complaints(PLAN, segments, find=found_nowhere, importable=lambda module: True)
        assert bool(said) == refused
        assert all("udp" in line and "--segments 1" in line for line in said)
