"""docs/metrics.md and docs/grafana.json against the table of metrics.

There is no Grafana where the tests run: the dashboard is checked for what its import needs, and for
queries about metrics and labels that exist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatter.dashboard.metrics import METRICS, SAMPLES, Metric

DOCS = Path(__file__).resolve().parents[2] / "docs"
DOCUMENT = (DOCS / "metrics.md").read_text(encoding="utf-8")
GRAFANA: dict[str, Any] = json.loads((DOCS / "grafana.json").read_text(encoding="utf-8"))
GRID_WIDTH = 24

# What the page tells besides the table -> its labels.
BESIDES: dict[str, set[str]] = {
    "chatter_nodes": set(),
    "chatter_nodes_unanswered": set(),
    "chatter_node_info": {"node", "version"},
    "chatter_uptime_seconds": {"node"},
    "chatter_tag_deliveries_total": {"node", "tag"},
}
LABELS = BESIDES | {
    metric.sample: {"node"} | ({metric.label} if metric.label else set()) for metric in METRICS
}
COUNTERS = {name for name in SAMPLES if name.endswith("_total")}


def rows(text: str) -> dict[str, list[str]]:
    """The rows of tables, by the metric in their first cell."""
    return {
        found[1]: [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if (found := re.match(r"\| `(chatter_[a-z_]+)` \|", line))
    }


def in_stats(metric: Metric) -> str:
    """The last cell of a metric's row."""
    return ", ".join(
        f"`{counter}`" + (f" → `{value}`" if metric.label else "")
        for counter, value in metric.counters.items()
    )


def test_the_page_lists_each_metric_as_the_table_has_it() -> None:
    listed = rows(DOCUMENT)
    assert listed.keys() == SAMPLES == LABELS.keys()
    for metric in METRICS:
        label = "" if metric.label is None else f"`{metric.label}`"
        assert listed[metric.sample] == [
            *(f"`{metric.sample}`", metric.kind, label, metric.help, in_stats(metric)),
        ]


def problems_of(query: str) -> list[str]:
    """What is wrong with a query, as far as the table tells."""
    problems = []
    for name, labels in re.findall(r"(chatter_\w+)(?:\{([^}]*)\})?", query):
        if name not in SAMPLES:
            problems.append(f"no metric {name}")
            continue
        for label in re.findall(r"(\w+)=~?", labels or ""):
            if label not in LABELS[name] | {"job"}:
                problems.append(f"{name} has no label {label}")
    for by, inner in re.findall(r"by \(([^)]*)\) \((.*)\)", query):
        for label in by.split(", "):
            if not all(label in LABELS.get(one, ()) for one in re.findall(r"chatter_\w+", inner)):
                problems.append(f"summed by {label}, which is no label")
    for name in COUNTERS:
        # A counter by itself only tells how long the process has been running.
        if re.search(rf"(?<!rate\()(?<!increase\(){name}\b", query):
            problems.append(f"{name} without a rate")
    for name in re.findall(r"(?:rate|increase)\((chatter_\w+)", query):
        if name not in COUNTERS:
            problems.append(f"the rate of {name}, which is no counter")
    return problems


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = GRAFANA["panels"]
    return found


def queries() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel.get("targets", ()))
    for variable in GRAFANA["templating"]["list"]:
        if variable["type"] == "query":
            yield re.fullmatch(r"label_values\((.*), \w+\)", variable["definition"])[1]  # type: ignore[index]


def test_each_query_asks_for_what_there_is() -> None:
    asked = list(queries())
    assert len(asked) > 20
    assert [problem for query in asked for problem in problems_of(query)] == []
    for condition in re.findall(r"^\| `([^`]*chatter_[^`]* [<>] \d+)` \|", DOCUMENT, re.MULTILINE):
        assert problems_of(condition) == []


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("sum(chatter_knodes)", "no metric chatter_knodes"),
        (
            'rate(chatter_broadcasts_total{tag="x"}[5m])',
            "chatter_broadcasts_total has no label tag",
        ),
        ("chatter_broadcasts_total", "chatter_broadcasts_total without a rate"),
        ("rate(chatter_nodes[5m])", "the rate of chatter_nodes, which is no counter"),
        ("sum by (tag) (chatter_nodes)", "summed by tag, which is no label"),
    ],
)
def test_wrong_queries_are_found(query: str, problem: str) -> None:
    assert problems_of(query) == [problem]


def test_the_dashboard_has_what_grafana_needs_to_import_it() -> None:
    assert GRAFANA["id"] is None  # Grafana's own number, which another one has there
    assert 8 <= len(GRAFANA["uid"]) <= 40
    assert GRAFANA["title"] == "chatter"
    assert GRAFANA["schemaVersion"] >= 36  # the first in which a data source is an object
    numbers = [panel["id"] for panel in panels()]
    assert len(set(numbers)) == len(numbers)
    titles = [panel["title"] for panel in panels()]
    assert len(set(titles)) == len(titles)
    for panel in panels():
        assert panel["type"] in ("row", "stat", "timeseries")
        references = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(references)) == len(references) > 0 or panel["type"] == "row"


def test_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= GRID_WIDTH
        fields = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert not taken & fields, panel["title"]
        taken |= fields


def test_the_data_source_is_whichever_one_has() -> None:
    variables = {one["name"]: one for one in GRAFANA["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == (
        "datasource",
        "prometheus",
    )
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for holder in [*panels(), *(one for one in variables.values() if one["type"] == "query")]:
        if holder["type"] != "row":
            assert holder["datasource"] == chosen
        for target in holder.get("targets", ()):
            assert target["datasource"] == chosen
    for query in queries():
        for name in re.findall(r"\$(\w+)", query):
            assert name in variables or name in ("__rate_interval", "__range")


def test_what_was_asked_of_it_is_on_it() -> None:
    shown = " ".join(queries())
    for name in (
        *("chatter_broadcasts_total", "chatter_tag_deliveries_total"),
        *("chatter_frames_dropped_total", "chatter_not_dispatched_total"),
        *("chatter_peers", "chatter_handler_queue_messages", "chatter_outbox_bytes"),
        *("chatter_repair_sent_total", "chatter_broadcasts_lost_total"),
    ):
        assert name in shown
