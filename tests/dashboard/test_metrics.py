"""The table of metrics has each counter of a node, once, and no other."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import chatter.core.node
from chatter import Chatter, generate_key
from chatter.dashboard.metrics import METRICS, PREFIX, SAMPLES
from chatter.errors import FrameError

# With the node come all the errors by which it refuses frames.
PACKAGE = Path(chatter.core.node.__file__).parent.parent
DESCRIBED = [name for metric in METRICS for name in metric.counters]


def reasons(kind: type[FrameError] = FrameError) -> set[str]:
    """All by which a frame may be refused."""
    return {kind.reason}.union(*(reasons(one) for one in kind.__subclasses__()))


def counted_in(source: str) -> Iterator[str]:
    """The names by which a module counts: ``counts["name"] += 1``, whatever ``counts`` belongs to.

    Fails for one that it cannot read, rather than miss it.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if not isinstance(node, ast.AugAssign) or not isinstance(node.target, ast.Subscript):
            continue
        if ast.unparse(node.target.value).rpartition(".")[2] in ("counts", "_counts"):
            yield from _names(node.target.slice, tree)


def _names(index: ast.expr, tree: ast.AST) -> Iterator[str]:
    match index:
        case ast.Constant(str(name)):
            yield name
        case ast.IfExp(_, body, orelse):
            yield from _names(body, tree)
            yield from _names(orelse, tree)
        case ast.JoinedStr() if re.fullmatch(r"f'dropped_\{.*\.reason\}'", ast.unparse(index)):
            yield from (f"dropped_{reason}" for reason in reasons())
        case ast.Name(variable):
            given = [
                one.value
                for one in ast.walk(tree)
                if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == variable
            ]
            assert given, variable
            for value in given:
                yield from _names(value, tree)
        case _:
            raise AssertionError(f"a name that this test cannot read: {ast.unparse(index)}")


def counted() -> set[str]:
    """All by which the package counts."""
    return {
        name
        for part in ("core", "net")
        for path in (PACKAGE / part).glob("*.py")
        for name in counted_in(path.read_text(encoding="utf-8"))
    }


def gauges() -> set[str]:
    """What a node tells of itself before it has counted anything."""
    with Chatter(address="127.0.0.1:0", multicast=[], key=generate_key()) as node:
        figures = node.figures().counters
        assert set(node.stats()) == set(figures)
        return set(figures) - counted()


def test_every_counter_is_described_and_nothing_else() -> None:
    assert set(DESCRIBED) == counted() | gauges()
    assert [name for name, times in Counter(DESCRIBED).items() if times > 1] == []


def test_what_is_no_count_is_a_gauge() -> None:
    kinds = {name: metric.kind for metric in METRICS for name in metric.counters}
    assert {name for name in gauges() if kinds[name] == "counter"} == {"kernel_drops"}
    assert {name for name in counted() if kinds[name] == "gauge"} == set()


def test_names_are_as_prometheus_wants_them() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(PREFIX + r"[a-z]+(_[a-z]+)*", metric.name)
        assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket", "_info"))
        # The unit comes last.
        assert "bytes_" not in metric.name
        assert metric.help.endswith(".")
        assert (metric.label is None) == (list(metric.counters.values()) == [""])
        assert len(set(metric.counters.values())) == len(metric.counters)
        assert metric.sample in SAMPLES


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('self._context.counts["a"] += 1', {"a"}),
        ('counts["a" if x else "b"] += n', {"a", "b"}),
        ('name = "a" if x else "b"\nself.counts[name] += 1', {"a", "b"}),
        ('counts[f"dropped_{error.reason}"] += 1', {f"dropped_{one}" for one in reasons()}),
        ('other["a"] += 1', set()),
    ],
)
def test_the_reader_of_the_code(source: str, found: set[str]) -> None:
    assert set(counted_in(source)) == found


def test_the_reader_of_the_code_passes_over_nothing() -> None:
    with pytest.raises(AssertionError, match="cannot read"):
        list(counted_in("counts[make()] += 1"))
