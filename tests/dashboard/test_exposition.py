"""The page is one that Prometheus' own parsers read, with the figures that nodes told."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from chatter.core.effects import NodeFigures
from chatter.dashboard.exposition import encode_page
from chatter.dashboard.metrics import METRICS, SAMPLES
from tests.core.parts import netid

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def figures(number: int, *, tags: dict[str, int] | None = None, **counters: int) -> NodeFigures:
    return NodeFigures(netid(number), 7, 0.0, 12, "1.2.3", counters, tags or {})


def page(*nodes: NodeFigures, accept: str = "", unanswered: int = 0) -> dict[str, float]:
    """The samples of a page, by what a query has to say for them."""
    body, content_type = encode_page(nodes, unanswered, accept, lambda: None)
    parse = parse_openmetrics if "openmetrics" in content_type else parse_text
    samples: dict[str, float] = {}
    for family in parse(body.decode()):
        for sample in family.samples:
            labels = "".join(f",{key}={value}" for key, value in sorted(sample.labels.items()))
            assert sample.name + labels not in samples
            samples[sample.name + labels] = sample.value
    return samples


def test_each_figure_is_a_sample_of_its_node() -> None:
    one, other = netid(1), netid(2)
    told = page(
        figures(1, broadcasts=5, dropped_bad_seal=2, peers_alive=3, tags={"hello": 4}),
        figures(2, broadcasts=6, bytes_sent=2**60),
        unanswered=1,
    )
    assert told["chatter_nodes"] == 2
    assert told["chatter_nodes_unanswered"] == 1
    assert told[f"chatter_node_info,node={one},version=1.2.3"] == 1
    assert told[f"chatter_uptime_seconds,node={one}"] == 12
    assert told[f"chatter_broadcasts_total,node={one}"] == 5
    assert told[f"chatter_broadcasts_total,node={other}"] == 6
    assert told[f"chatter_sent_bytes_total,node={other}"] == 2**60
    assert told[f"chatter_frames_dropped_total,node={one},reason=bad_seal"] == 2
    assert told[f"chatter_peers,node={one},state=alive"] == 3
    assert told[f"chatter_tag_deliveries_total,node={one},tag=hello"] == 4


def test_what_was_not_counted_yet_is_zero() -> None:
    told = page(figures(1))
    assert {name.partition(",")[0] for name in told} == SAMPLES - {"chatter_tag_deliveries_total"}
    for metric in METRICS:
        for value in metric.counters.values():
            label = "" if metric.label is None else f",{metric.label}={value}"
            labels = sorted([f",node={netid(1)}", label])
            assert told[metric.sample + "".join(labels)] == 0


def test_without_a_node_it_says_so() -> None:
    assert page() == {"chatter_nodes": 0, "chatter_nodes_unanswered": 0}


def test_names_of_a_later_version_and_tags_that_need_escapes_do_no_harm() -> None:
    told = page(figures(1, invented_later=5, tags={'a"\n\\{}': 1, "…": 2}))
    assert not any("invented" in name for name in told)
    assert told[f'chatter_tag_deliveries_total,node={netid(1)},tag=a"\n\\{{}}'] == 1
    assert told[f"chatter_tag_deliveries_total,node={netid(1)},tag=…"] == 2


def test_who_asks_for_openmetrics_gets_the_same_in_it() -> None:
    nodes = [figures(1, broadcasts=5, dropped_replay=1, tags={"t": 1}), figures(2)]
    told = page(*nodes, accept=OPENMETRICS)
    assert told == page(*nodes)
    assert encode_page(nodes, 0, OPENMETRICS, lambda: None)[0].endswith(b"# EOF\n")


def test_a_long_page_lets_others_have_their_turn() -> None:
    turns: list[None] = []
    encode_page([figures(1)], 0, "", lambda: turns.append(None))
    assert len(turns) > len(METRICS)
