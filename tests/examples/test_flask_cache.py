"""Four workers of gunicorn, each with a cache of its own that lasts an hour."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.command.process import free_port
from tests.examples.running import DEADLINE_S, is_anybody_left, said, started

WORKERS = 4


class Shop:
    """The example, running."""

    def __init__(self, port: int, dashboard: int, folder: Path) -> None:
        self._port = port
        self.dashboard = dashboard
        self._folder = folder

    def ask(self, path: str, cents: int | None = None) -> dict[str, Any]:
        """What a worker answers, whichever it is. With ``cents`` it is a change."""
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}")
        if cents is not None:
            request.method = "PUT"
            request.data = json.dumps({"cents": cents}).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            told: dict[str, Any] = json.loads(answer.read())
        return told

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Until it holds; what the server said is shown if it never does."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}; {said(self._folder)}"
            gevent.sleep(0.005)

    def until_all(self, path: str, name: str, value: Any) -> None:
        """Until each worker has answered so."""
        seen: set[int] = set()

        def ask() -> bool:
            answer = self.ask(path)
            if answer[name] == value:
                seen.add(answer["worker"])
            return len(seen) == WORKERS

        self.until(ask, f"{name} {value} of all workers")

    def is_up(self) -> bool:
        try:
            self.ask("/workers")
        except OSError:
            return False
        return True


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    port, dashboard = free_port(), free_port()
    with started(
        "flask_cache",
        tmp_path,
        BIND=f"127.0.0.1:{port}",
        CHATTER_DASHBOARD=f"127.0.0.1:{dashboard}",
        DATABASE=str(tmp_path / "prices.sqlite"),
    ) as process:
        made = Shop(port, dashboard, tmp_path)
        made.until(made.is_up, "the server")
        made.until_all("/workers", "others", WORKERS - 1)
        yield made
        process.send_signal(signal.SIGTERM)
        made.until(lambda: process.poll() is not None, "the end of the server")
        made.until(lambda: not is_anybody_left(process), "the end of the workers")
        assert process.returncode == 0


def test_a_price_that_one_worker_changes_is_new_in_all(shop: Shop) -> None:
    shop.ask("/prices/lamp", cents=990)
    shop.ask("/prices/desk", cents=1000)
    shop.until_all("/prices/lamp", "cents", 990)  # now each has it in its cache
    shop.until_all("/prices/lamp", "total", 1990)
    told = shop.ask("/prices/lamp", cents=1250)
    assert told["told"] == WORKERS - 1
    shop.until_all("/prices/lamp", "cents", 1250)
    shop.until_all("/prices/lamp", "total", 2250)
    for _ in range(4 * WORKERS):
        assert shop.ask("/prices/lamp")["cents"] == 1250


def test_one_scrape_tells_of_all_workers_of_gunicorn(shop: Shop) -> None:
    shop.ask("/prices/lamp", cents=990)  # two messages: the key, and the memoized function

    def counted(name: str) -> dict[str, float]:
        url = f"http://127.0.0.1:{shop.dashboard}/metrics"
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
            page = answer.read().decode()
        return {
            sample.labels.get("node", ""): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == name
        }

    # A node that is too busy to answer in time is left out of a scrape, and is in the next.
    shop.until(lambda: counted("chatter_nodes") == {"": WORKERS}, "the four nodes")
    shop.until(
        lambda: sorted(counted("chatter_broadcasts_total").values()) == [0, 0, 0, 2],
        "every node's broadcasts",
    )
    shop.until(
        lambda: sorted(counted("chatter_dispatched_total").values()) == [0, 2, 2, 2],
        "every dispatch",
    )
