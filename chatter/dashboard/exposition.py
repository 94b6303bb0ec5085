"""Exposition: what nodes counted, in the formats that Prometheus reads.

The only module of the dashboard that needs the extra ``metrics``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from chatter.core.effects import NodeFigures
from chatter.dashboard.metrics import (
    DELIVERIES,
    INFO,
    METRICS,
    NODES,
    UNANSWERED,
    UPTIME,
    Metric,
)

NODE = "node"


def make_families(nodes: Sequence[NodeFigures], unanswered: int = 0) -> Iterator[Family]:
    """All metrics, each with the samples of these nodes.

    What a node has not counted yet is 0 rather than missing, so that the first one is a rise. A
    name that the table does not have, as a node of a later version may tell, is left out.

    Args:
        nodes: the complete figures of each.
        unanswered: how many there are besides, whose figures are not known.
    """
    yield GaugeMetricFamily(NODES, "Nodes that this page tells of.", value=len(nodes))
    yield GaugeMetricFamily(
        UNANSWERED, "Nodes of this host that did not answer in time.", value=unanswered
    )
    info = InfoMetricFamily(INFO, "The version of the node's package.", labels=[NODE])
    uptime = GaugeMetricFamily(UPTIME, "Whole seconds since the node was started.", labels=[NODE])
    deliveries = CounterMetricFamily(
        DELIVERIES,
        "Broadcasts that came for the handlers here, by their tag; the hundred first tags have"
        " names.",
        labels=[NODE, "tag"],
    )
    for figures in nodes:
        name = str(figures.address)
        info.add_metric([name], {"version": figures.package})
        uptime.add_metric([name], figures.uptime_s)
        for tag, count in figures.tags.items():
            deliveries.add_metric([name, tag], count)
    yield from (info, uptime, deliveries)
    for metric in METRICS:
        yield _family(metric, nodes)


def encode_page(
    nodes: Sequence[NodeFigures],
    unanswered: int,
    accept: str,
    breathe: Callable[[], None],
) -> tuple[bytes, str]:
    """The page, and its content type.

    Args:
        accept: the header of that name: who asks for OpenMetrics gets it.
        breathe: called between one metric and the next, as many nodes make a long page.
    """

    class Page(Collector):
        def collect(self) -> Iterator[Family]:
            for family in make_families(nodes, unanswered):
                yield family
                breathe()

    registry = CollectorRegistry()
    registry.register(Page())
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type


def _family(metric: Metric, nodes: Sequence[NodeFigures]) -> Family:
    labels = [NODE] if metric.label is None else [NODE, metric.label]
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=labels)
    for figures in nodes:
        name = str(figures.address)
        for counter, value in metric.counters.items():
            given = [name] if metric.label is None else [name, value]
            family.add_metric(given, figures.counters.get(counter, 0))
    return family
