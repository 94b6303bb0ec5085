from __future__ import annotations

from chatter.testing.clock import Clock
from chatter.testing.freezer import Freezer
from chatter.testing.worker import Worker
from tests.testing.test_freezer import A, make_freezer


def make_worker(clock: Clock, freezer: Freezer, told: list[bool]) -> Worker:
    worker: Worker = Worker(
        clock, 1.0, 2, lambda call: freezer.keeps(A, call), lambda: told.append(worker.full)
    )
    return worker


def test_one_after_the_other_each_takes_its_time() -> None:
    clock, done = Clock(), []
    worker = make_worker(clock, make_freezer(), [])
    for name in "ab":
        worker.put(lambda name=name: done.append((name, clock.now)))  # type: ignore[misc]
    clock.run_until(5)
    worker.put(lambda: done.append(("c", clock.now)))
    clock.run_until(9)

    assert done == [("a", 1.0), ("b", 2.0), ("c", 6.0)]


def test_full_above_the_bound_and_until_half_of_it() -> None:
    clock, told = Clock(), list[bool]()
    worker = make_worker(clock, make_freezer(), told)
    for _ in range(4):
        worker.put(lambda: None)
    assert (told, worker.full, len(worker), worker.most) == ([True], True, 4, 4)
    clock.run_until(2)
    assert told == [True]
    clock.run_until(3)
    assert (told, worker.full, worker.most) == ([True, False], False, 4)


def test_a_stopped_process_handles_nothing() -> None:
    clock, freezer, done = Clock(), make_freezer(), list[float]()
    worker = make_worker(clock, freezer, [])
    worker.put(lambda: done.append(clock.now))
    freezer.freeze(A)
    clock.run_until(10)
    assert done == []

    freezer.thaw(A)
    assert done == [10.0]


def test_what_waits_ends_with_its_process() -> None:
    clock, done = Clock(), list[str]()
    worker = make_worker(clock, make_freezer(), [])
    for name in ("a", "b", "c"):
        worker.put(lambda name=name: done.append(name))  # type: ignore[misc]
    worker.clear()
    assert (len(worker), worker.full) == (0, False)
    worker.put(lambda: done.append("new"))
    clock.run_until(10)

    assert done == ["new"]
