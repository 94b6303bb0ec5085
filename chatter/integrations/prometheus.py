"""Prometheus: what the nodes of this process counted, in prometheus_client's registry.

::

    from prometheus_client import REGISTRY
    from chatter.integrations.prometheus import ChatterCollector

    REGISTRY.register(ChatterCollector(chatter))

For a process that Prometheus can reach by itself. The workers of gunicorn share one port, and each
scrape meets one of them by chance: there, scrape ``/metrics`` of the dashboard, which tells of
every node of the host. Names, labels and what they mean are in docs/metrics.md.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Protocol

from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from chatter.core.effects import NodeFigures
from chatter.dashboard.exposition import make_families
from chatter.errors import Closed, ConfigError


class Node(Protocol):
    """A node, or what stands for the one of this process."""

    def figures(self) -> NodeFigures:
        """What it counted. Raises Closed unless it runs."""


class ChatterCollector(Collector):
    """Tells of nodes of this process, whenever the registry is asked.

    Args:
        nodes: a ``Chatter`` or several: a registry takes one collector with these metrics. They
            need not run: one that does not has no samples, and ``chatter_nodes`` tells how many do.
        logger: where to warn.

    Raises:
        ConfigError: one of them is no node.

    Asking costs no message and does not wait. In prometheus_client's mode for several processes
    (PROMETHEUS_MULTIPROC_DIR) its MultiProcessCollector reads files that only its own metrics
    write, so this collector is left out there; that is one warning.
    """

    def __init__(self, *nodes: Node, logger: logging.Logger | None = None) -> None:
        for node in nodes:
            if not callable(getattr(node, "figures", None)):
                # When it is asked, it would take all other metrics of the registry with it.
                raise ConfigError(
                    f"nodes: {node!r} is none: give a Chatter, as app.extensions['chatter'] is one"
                )
        self._nodes = nodes
        if values.ValueClass is not values.MutexValue:
            (logger or logging.getLogger("chatter")).warning(
                "prometheus_client collects from several processes here (PROMETHEUS_MULTIPROC_DIR),"
                " which leaves ChatterCollector out: have Prometheus scrape /metrics of chatter's"
                " dashboard too, which tells of every node of this host"
            )

    def describe(self) -> Iterator[Metric]:
        """The metrics without samples: to register must not need a node that runs."""
        return make_families([])

    def collect(self) -> Iterator[Metric]:
        """The metrics of those nodes that run."""
        return make_families([figures for node in self._nodes for figures in _running(node)])


def _running(node: Node) -> list[NodeFigures]:
    try:
        return [node.figures()]
    except Closed:
        return []
