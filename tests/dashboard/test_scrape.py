"""One scrape tells of every node of the host, whichever of them is asked."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, cast

import gevent
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chatter import Chatter, ConfigError, generate_key
from chatter.core.effects import NodeFigures
from chatter.core.membership import Summary
from chatter.dashboard import scrape
from chatter.dashboard.metrics import METRICS
from chatter.dashboard.scrape import Scraper
from chatter.errors import Closed
from chatter.ids import NetID
from chatter.net.service import Observed, Service
from tests.dashboard.browser import Response, ask, port_of, shown
from tests.net.nodes import DEADLINE_S, cluster, random_group, wait_until

TOKEN = "0123456789abcdef"
HERE, ELSEWHERE = "10.0.0.1", "10.0.0.2"


class FakeService:
    """A node whose neighbours answer as the test says."""

    def __init__(self, *neighbours: NetID) -> None:
        self.local = NetID(HERE, 1)
        self.neighbours = list(neighbours)
        self.asked: list[set[NetID]] = []
        self.answer: Callable[[NetID, int], Iterable[NodeFigures]] = lambda netid, time: [
            made(netid)
        ]
        self.observers: list[Callable[[Observed], None]] = []

    def figures(self) -> NodeFigures:
        return made(self.local)

    def peers(self) -> list[Summary]:
        return [Summary(one, 7, "alive", True, None, 0.0) for one in self.neighbours]

    def observe(self, observer: Callable[[Observed], None]) -> Callable[[], None]:
        self.observers.append(observer)
        return lambda: self.observers.remove(observer)

    def ask_figures(self, netids: Iterable[NetID]) -> None:
        self.asked.append(set(netids))
        for netid in self.asked[-1]:
            for event in self.answer(netid, len(self.asked)):
                for observer in list(self.observers):
                    observer(event)

    def scraper(self) -> Scraper:
        return Scraper(cast(Service, self))


def made(netid: NetID, *, epoch: int = 7, complete: bool = True, **counters: int) -> NodeFigures:
    return NodeFigures(netid, epoch, 0.0, 1, "1.0", counters, {}, complete)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "ASK_AGAIN_S", 0.01)


def test_it_asks_those_of_the_same_host_once() -> None:
    service = FakeService(NetID(HERE, 2), NetID(ELSEWHERE, 1), NetID(HERE, 3))
    nodes, unanswered = service.scraper().collect()
    assert [one.address for one in nodes] == [NetID(HERE, port) for port in (1, 2, 3)]
    assert unanswered == 0
    assert service.asked == [{NetID(HERE, 2), NetID(HERE, 3)}]
    assert service.observers == []


def test_who_is_alone_asks_nobody() -> None:
    service = FakeService(NetID(ELSEWHERE, 1))
    nodes, unanswered = service.scraper().collect()
    assert ([one.address for one in nodes], unanswered) == ([service.local], 0)
    assert service.asked == []


def test_a_lost_answer_is_asked_for_again_of_that_node_alone() -> None:
    service = FakeService(NetID(HERE, 2), NetID(HERE, 3))
    lost = NetID(HERE, 3)
    service.answer = lambda netid, time: [made(netid)] if netid != lost or time == 3 else []
    nodes, unanswered = service.scraper().collect()
    assert (len(nodes), unanswered) == (3, 0)
    assert service.asked[1:] == [{lost}, {lost}]


def test_who_does_not_answer_holds_up_the_page_for_so_long_and_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scrape, "ANSWER_S", 0.05)
    service = FakeService(NetID(HERE, 2), NetID(HERE, 3))
    service.answer = lambda netid, time: [made(netid)] if netid.port == 2 else []
    nodes, unanswered = service.scraper().collect()
    assert [one.address.port for one in nodes] == [1, 2]
    assert unanswered == 1
    assert 1 < len(service.asked) < 10
    assert service.observers == []


def test_a_part_is_not_taken_for_the_whole() -> None:
    service = FakeService(NetID(HERE, 2))
    service.answer = lambda netid, time: [
        made(netid, complete=False, a=1),
        *([made(netid, b=2)] if time == 2 else []),  # the first one was lost
    ]
    nodes, _ = service.scraper().collect()
    assert nodes[1].counters == {"a": 1, "b": 2}
    assert len(service.asked) == 2


def test_what_others_tell_who_looks_at_the_page_is_not_on_it() -> None:
    service = FakeService(NetID(HERE, 2))
    service.answer = lambda netid, time: [made(NetID(ELSEWHERE, 1)), made(netid)]
    nodes, _ = service.scraper().collect()
    assert [one.address for one in nodes] == [NetID(HERE, 1), NetID(HERE, 2)]


def test_who_joins_meanwhile_is_asked_too_and_no_more_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scrape, "ANSWER_S", 0.05)
    service = FakeService(NetID(HERE, 2))

    def join(netid: NetID, time: int) -> Iterable[NodeFigures]:
        service.neighbours = [NetID(HERE, 2), NetID(HERE, 3)]
        return [made(netid)] if netid.port == 2 else []

    service.answer = join
    _, unanswered = service.scraper().collect()
    assert unanswered == 1
    assert {NetID(HERE, 3)} in service.asked
    assert len(service.asked) < 10


def test_who_leaves_meanwhile_is_not_waited_for() -> None:
    service = FakeService(NetID(HERE, 2))

    def leave(netid: NetID, time: int) -> Iterable[NodeFigures]:
        service.neighbours.clear()
        return []

    service.answer = leave
    assert service.scraper().collect() == ([made(service.local)], 0)


def test_parts_make_a_whole_but_not_those_of_another_life() -> None:
    service = FakeService(NetID(HERE, 2))
    service.answer = lambda netid, time: [
        made(netid, epoch=6, complete=False, of_a_former_life=1),
        made(netid, complete=False, a=1, b=1),
        made(netid, complete=False, b=2, c=3),
        made(netid, d=4),
        made(netid, d=5),  # once more, as when somebody looks too
    ]
    nodes, _ = service.scraper().collect()
    assert nodes[1].counters == {"a": 1, "b": 2, "c": 3, "d": 5}


def test_a_node_that_does_not_run_says_so() -> None:
    with pytest.raises(Closed):
        Scraper(Chatter(address="127.0.0.1:0", multicast=[], key=generate_key())).collect()


# Real nodes


def samples_of(response: Response) -> dict[tuple[Any, ...], float]:
    """The samples of a page, by name and labels."""
    assert response.status == 200, response
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.body.decode())
        for sample in family.samples
    }


def test_the_page_has_the_counters_of_each_node_after_a_known_workload() -> None:
    with cluster(3, dashboard="127.0.0.1:0") as nodes:
        first = nodes[0].chatter
        for _ in range(20):
            first.broadcast("hello", {"text": "world"})
        wait_until(lambda: all(len(one.messages) == 20 for one in nodes[1:]), "every dispatch")
        samples = samples_of(ask(port_of(nodes[2].chatter), "/metrics"))
        assert samples["chatter_nodes",] == 3
        assert samples["chatter_nodes_unanswered",] == 0
        for node in nodes:
            labels = ("node", str(node.chatter.local_netid))
            mine = 20 if node.chatter is first else 0
            assert samples["chatter_broadcasts_total", labels] == mine
            assert samples["chatter_dispatched_total", labels] == 20 - mine
            assert samples["chatter_peers", labels, ("state", "alive")] == 2
            # What goes on meanwhile, such as signs of life, only grows.
            now = node.chatter.stats()
            for metric in METRICS:
                if metric.kind == "counter":
                    for counter, value in metric.counters.items():
                        key = [labels] if metric.label is None else [labels, (metric.label, value)]
                        assert samples[metric.sample, *sorted(key)] <= now.get(counter, 0)


def test_it_has_nobody_trace_and_nobody_watched_afterwards() -> None:
    with cluster(2, dashboard="127.0.0.1:0") as (one, other):
        assert ask(port_of(one.chatter), "/metrics").status == 200
        other.chatter.broadcast("hello", 1)
        wait_until(lambda: one.messages, "the dispatch")
        for node in (one, other):
            runtime = node.chatter._running()
            assert not runtime.node._watched.active
            assert not runtime.node._watcher.active


def test_prometheus_brings_the_token_as_a_bearer() -> None:
    with shown(dashboard_token=TOKEN) as chatter:
        port = port_of(chatter)
        assert ask(port, "/metrics").status == 401
        assert ask(port, "/metrics", Authorization="Bearer wrong").status == 401
        told = ask(port, "/metrics", Authorization=f"Bearer {TOKEN}")
        assert samples_of(told)["chatter_nodes",] == 1
        assert told.headers["Content-Type"].startswith("text/plain; version=")
        assert told.headers["Cache-Control"] == "no-store"
        assert ask(port, "/metrics", Host="evil.example").status == 421


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "chatter.dashboard.exposition", raising=False)
    with shown() as chatter:
        told = ask(port_of(chatter), "/metrics")
        assert told.status == 501
        assert b"pip install '.[metrics]'" in told.body
        with pytest.raises(ConfigError, match="prometheus_client"):
            Scraper(chatter).page("")
        assert ask(port_of(chatter), "/api/snapshot").status == 200


WORKER = textwrap.dedent("""
    from gevent import monkey; monkey.patch_all()
    import sys
    from gevent.fileobject import FileObject
    from chatter import Chatter
    chatter = Chatter(
        address="127.0.0.1:0", interface="127.0.0.1", multicast=[sys.argv[1]],
        beacon_interval_s=0.1, dashboard="127.0.0.1:" + sys.argv[2],
    )
    chatter.on("work")(lambda body, message: None)
    with chatter:
        chatter.wait_for_peers(3, timeout=30)
        print(chatter.local_netid, flush=True)
        for line in FileObject(0, "r", encoding="utf-8"):  # so many broadcasts
            for _ in range(int(line)):
                chatter.broadcast("work", 1)
            print("sent", flush=True)
""")


class Worker:
    """A process that broadcasts when it is told to."""

    def __init__(self, group: str, port: int, key: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, group, str(port)],
            env={**os.environ, "CHATTER_KEY": key},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def met_the_others(self) -> str:
        """Its address, once it has."""
        with gevent.Timeout(DEADLINE_S, AssertionError("a worker met nobody")):
            return self._out.readline().strip()

    def broadcast(self, count: int) -> None:
        print(count, file=self._in, flush=True)
        with gevent.Timeout(DEADLINE_S, AssertionError("a worker did not broadcast")):
            assert self._out.readline() == "sent\n"

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def test_one_scrape_tells_of_four_processes_whichever_of_them_serves() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    group, key = random_group(), generate_key()
    workers = [Worker(group, port, key) for _ in range(4)]
    try:
        addresses = [one.met_the_others() for one in workers]
        for count, worker in enumerate(workers, start=1):
            worker.broadcast(count)
        samples = samples_of(ask(port, "/metrics"))  # the first one that there ever was
        assert samples["chatter_nodes",] == 4
        assert samples["chatter_nodes_unanswered",] == 0
        for count, address in enumerate(addresses, start=1):
            assert samples["chatter_broadcasts_total", ("node", address)] == count

        def deliveries() -> list[float | None]:
            now = samples_of(ask(port, "/metrics"))
            name = "chatter_dispatched_total"
            return [now.get((name, ("node", address))) for address in addresses]

        wait_until(lambda: deliveries() == [9, 8, 7, 6], "every dispatch")
    finally:
        for one in workers:
            one.kill()
