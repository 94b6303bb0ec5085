"""A registry of prometheus_client that tells of the nodes of its process."""

from __future__ import annotations

import logging

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from chatter import Chatter, ConfigError, generate_key
from chatter.core.effects import NodeFigures
from chatter.dashboard.metrics import METRICS
from chatter.integrations.flask import FlaskChatter
from chatter.integrations.prometheus import ChatterCollector
from tests.net.nodes import cluster, wait_until
from tests.net.test_service import run_script


def make_chatter() -> Chatter:
    return Chatter(address="127.0.0.1:0", multicast=[], key=generate_key())


def test_the_counters_are_the_nodes_own_after_a_known_workload() -> None:
    with cluster(2) as (one, other):
        registry = CollectorRegistry()
        registry.register(ChatterCollector(one.chatter, other.chatter))
        for _ in range(30):
            one.chatter.broadcast("hello", {"text": "world"})
        one.chatter.broadcast("bye", 1, confirm=True).wait()
        wait_until(lambda: other.chatter.stats().get("dispatched") == 31, "every dispatch")

        def value(name: str, node: Chatter, **labels: str) -> float | None:
            return registry.get_sample_value(name, {"node": str(node.local_netid), **labels})

        assert value("chatter_broadcasts_total", one.chatter) == 31
        assert value("chatter_dispatched_total", other.chatter) == 31
        assert value("chatter_tag_deliveries_total", other.chatter, tag="hello") == 30
        assert value("chatter_receipts_total", one.chatter, result="full") == 1
        assert value("chatter_peers", one.chatter, state="alive") == 1
        assert registry.get_sample_value("chatter_nodes") == 2
        # No greenlet has its turn in between, so nothing moves on.
        families = list(registry.collect())
        stats = {str(one.chatter.local_netid): one.chatter.stats()}
        stats[str(other.chatter.local_netid)] = other.chatter.stats()
        samples = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }
        for node, counters in stats.items():
            for metric in METRICS:
                for counter, label in metric.counters.items():
                    labels = {"node": node}
                    if metric.label is not None:
                        labels[metric.label] = label
                    key = (metric.sample, *sorted(labels.items()))
                    assert samples[key] == counters.get(counter, 0), key


def test_a_node_that_does_not_run_has_no_samples() -> None:
    chatter = make_chatter()
    registry = CollectorRegistry(auto_describe=True)
    registry.register(ChatterCollector(chatter))  # before it is started
    assert registry.get_sample_value("chatter_nodes") == 0
    with chatter:
        labels = {"node": str(chatter.local_netid)}
        assert registry.get_sample_value("chatter_broadcasts_total", labels) == 0
        assert registry.get_sample_value("chatter_nodes") == 1
    assert registry.get_sample_value("chatter_nodes") == 0
    assert registry.get_sample_value("chatter_broadcasts_total", labels) is None


def test_to_register_asks_no_node() -> None:
    class Asked:
        def figures(self) -> NodeFigures:
            raise AssertionError("asked")

    collector = ChatterCollector(Asked())
    CollectorRegistry(auto_describe=True).register(collector)
    assert {metric.sample.removesuffix("_total") for metric in METRICS} <= {
        family.name for family in collector.describe()
    }
    with pytest.raises(AssertionError, match="asked"):
        list(collector.collect())


def test_what_is_no_node_is_refused_before_it_can_break_a_scrape() -> None:
    extension = FlaskChatter()
    with pytest.raises(ConfigError, match=r"give a Chatter, as app\.extensions\['chatter'\]"):
        ChatterCollector(extension)  # type: ignore[arg-type]


def test_one_registry_takes_it_once_as_the_page_may_have_each_metric_once() -> None:
    registry = CollectorRegistry()
    registry.register(ChatterCollector(make_chatter()))
    with pytest.raises(ValueError, match="chatter_nodes"):
        registry.register(ChatterCollector(make_chatter()))


def test_asking_changes_no_counter_and_waits_for_nobody() -> None:
    with make_chatter() as chatter:
        registry = CollectorRegistry()
        registry.register(ChatterCollector(chatter))
        turns: list[None] = []
        chatter.observe(lambda event: turns.append(None))
        before = chatter.stats()
        assert generate_latest(registry) == generate_latest(registry)
        assert chatter.stats() == before
        assert turns == []


def test_a_mode_that_leaves_collectors_out_is_named(
    tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "chatter"):
        ChatterCollector(make_chatter())
    assert caplog.text == ""
    done = run_script(
        """
        from gevent import monkey; monkey.patch_all()
        import logging
        logging.basicConfig(format="%(levelname)s %(message)s")
        from prometheus_client import CollectorRegistry, generate_latest, multiprocess
        from chatter import Chatter
        from chatter.integrations.prometheus import ChatterCollector

        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        collector = ChatterCollector(Chatter(address="127.0.0.1:0", multicast=[]))
        print(generate_latest(registry).decode())
        """,
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert "chatter_" not in done.stdout  # it is as the warning says
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("WARNING")
    assert "have Prometheus scrape /metrics of chatter's dashboard" in warning
