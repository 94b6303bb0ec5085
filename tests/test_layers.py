"""Imports point one way, and `wire` and `core` touch nothing of the world.

The rules are data at the top, `problems_of` applies them to the source of one module, and the lower
half shows that it refuses what it must: a checker that finds nothing would look like a clean tree.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "chatter"

# Part of the package -> its height. A part imports its own height and below. "" is
# chatter/__init__.py: it names what is below it for users, so whatever it names can't import it.
HEIGHTS = {
    "errors": 0,
    "ids": 0,
    "version": 0,
    "keys": 0,
    "config": 0,
    "wire": 1,
    "core": 2,
    "net": 3,
    "dashboard": 4,
    "service": 5,
    "": 6,
    "integrations": 7,
    "command": 8,
    "__main__": 8,
}
# Beside the ladder, for tests: it imports these, and nobody in the package imports it.
TESTING = "testing"
TESTING_MAY_IMPORT = {"errors", "ids", "keys", "config", "wire", "core", TESTING}

# Sockets, clocks, randomness, logs, greenlets and threads are handed in. importlib: a module found
# by its name at run time would slip through this test.
PURE = {"wire", "core"}
NOT_IN_PURE = {
    *("socket", "socketserver", "select", "selectors", "ssl", "asyncio", "signal"),
    *("os", "subprocess", "multiprocessing", "tempfile"),
    *("time", "datetime", "sched"),
    *("random", "secrets", "uuid", "Crypto.Random"),
    *("gevent", "greenlet", "threading", "_thread", "concurrent", "queue"),
    *("logging", "importlib"),
}
# core is handed a random.Random and may name its type. No other exception exists.
TYPE_ONLY_IN = {"core": {"random"}}

# Third parties that one corner alone may need: the others must work without them.
ONLY_IN = {
    # Flask's commands are click's: by its context alone `flask run` is known from the others.
    "click": {"command", "__main__", "integrations"},
    "flask": {"integrations"},
    "geventwebsocket": {"dashboard", "integrations"},
    "gunicorn": {"integrations"},
    "prometheus_client": {"dashboard", "integrations"},
    "rich": {"command"},
    "socketio": {"integrations"},
}


@dataclasses.dataclass(frozen=True)
class Import:
    """One name that a module imports, in full: `from ..core import x` is `chatter.core.x`."""

    name: str
    line: int
    type_only: bool


def part_of(name: str) -> str | None:
    """The part of the package a dotted name lies in, "" for the package itself.

    None if it is no name of ours.
    """
    first, _, rest = name.partition(".")
    return rest.partition(".")[0] if first == PACKAGE else None


def imports_of(source: str, module: str, is_package: bool) -> Iterator[Import]:
    """Every import of a source text, in functions, in try and under TYPE_CHECKING too."""
    tree = ast.parse(source)
    type_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and _is_type_checking(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        guarded = id(node) in type_only
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, guarded)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                kept = package[: len(package) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno, guarded)
        elif isinstance(node, ast.Name) and node.id == "__import__":
            yield Import("importlib.__import__", node.lineno, guarded)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def problems_of(source: str, module: str, is_package: bool = False) -> list[str]:
    """One sentence for each import of a module that breaks a rule."""
    part = part_of(module)
    assert part is not None, f"{module} is no module of {PACKAGE}"
    if part not in HEIGHTS and part != TESTING:
        return [f"{module}: new at the top of {PACKAGE}/: say in HEIGHTS where it belongs"]
    problems = []
    for found in imports_of(source, module, is_package):
        reason = _why_not(part, found)
        if reason is not None:
            problems.append(f"{module}:{found.line}: imports {found.name}: {reason}")
    return problems


def _why_not(part: str, found: Import) -> str | None:
    target = part_of(found.name)
    if target is None:
        return _why_not_foreign(part, found)
    if target not in HEIGHTS and target != TESTING:
        target = ""  # `from chatter import Chatter`: a name that __init__.py defines
    if part == TESTING:
        allowed = target in TESTING_MAY_IMPORT
        return None if allowed else "testing stands on wire and core alone"
    if target == TESTING:
        return "testing is for tests, nobody in the package needs it"
    if HEIGHTS[target] > HEIGHTS[part]:
        return f"upward, from {part or PACKAGE} to {target or PACKAGE}"
    return None


def _why_not_foreign(part: str, found: Import) -> str | None:
    def names(module: str) -> bool:
        return found.name == module or found.name.startswith(f"{module}.")

    for module, homes in ONLY_IN.items():
        if names(module) and part not in homes:
            return f"{module} belongs to {' and '.join(sorted(homes))}"
    if part not in PURE:
        return None
    for module in NOT_IN_PURE:
        if names(module):
            if found.type_only and module in TYPE_ONLY_IN.get(part, ()):
                return None
            return f"{part} may not touch {module}: have what it is for handed in"
    return None


# --- the tree as it is ---------------------------------------------------------------------------


def _modules() -> list[Path]:
    return sorted((ROOT / PACKAGE).rglob("*.py"))


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_keeps_to_its_layer(path: Path) -> None:
    dotted = list(path.relative_to(ROOT).with_suffix("").parts)
    is_package = dotted[-1] == "__init__"
    if is_package:
        dotted.pop()
    assert problems_of(path.read_text(), ".".join(dotted), is_package) == []


def test_the_tree_was_found() -> None:
    found = {path.relative_to(ROOT / PACKAGE).parts[0] for path in _modules()}

    assert {"errors.py", "ids.py", "wire", "core"} <= found


# --- the checker itself --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "source"),
    [
        # upward, in every spelling
        ("chatter.wire.seal", "import chatter.core.node"),
        ("chatter.wire.seal", "from chatter.core import node"),
        ("chatter.wire.seal", "from chatter import core"),
        ("chatter.wire.seal", "from .. import core"),
        ("chatter.wire.seal", "from ..core.node import Node"),
        ("chatter.wire.seal", "from ..core import *"),
        ("chatter.core.node", "from ..net.sockets import open_tcp"),
        ("chatter.net.service", "from chatter.dashboard import stats"),
        ("chatter.dashboard.server", "from chatter.service import Chatter"),
        ("chatter.dashboard.server", "from chatter import Chatter"),
        ("chatter.dashboard.server", "import chatter.integrations.flask"),
        ("chatter.integrations.flask", "from chatter.command import node"),
        ("chatter.integrations.flask", "import chatter.__main__"),
        ("chatter.config", "from chatter.wire import seal"),
        ("chatter.errors", "from .core import peers"),
        # through the front door: what __init__.py names may not come back to it
        ("chatter.net.service", "from chatter import Config"),
        ("chatter.core.node", "from .. import NetID"),
        ("chatter.wire.seal", "import chatter"),
        ("chatter.errors", "from . import NetID"),
        # wherever it stands
        ("chatter.core.node", "def f() -> None:\n    from chatter.net import sockets"),
        ("chatter.core.node", "try:\n    import chatter.net\nexcept ImportError:\n    pass"),
        (
            "chatter.core.node",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from chatter.net import peer",
        ),
        ("chatter.core.node", "import typing\nif typing.TYPE_CHECKING:\n    import chatter.net"),
        # testing, both ways
        ("chatter.testing.cluster", "from chatter.net import sockets"),
        ("chatter.testing.cluster", "from chatter import Chatter"),
        ("chatter.core.node", "from chatter.testing import clock"),
        ("chatter.command.node", "from chatter.testing import clock"),
        # the command's library, and the dashboard's
        ("chatter.net.service", "import click"),
        ("chatter.config", "from click import Context"),
        ("chatter.net.service", "import geventwebsocket.handler"),
        # nobody said where it belongs
        ("chatter.util", ""),
        ("chatter.helpers.bytes", "import ast"),
    ],
)
def test_refuses_upward(module: str, source: str) -> None:
    assert len(problems_of(source, module)) == 1


@pytest.mark.parametrize("part", sorted(PURE))
@pytest.mark.parametrize("module", sorted(NOT_IN_PURE))
@pytest.mark.parametrize(
    "source",
    [
        "import {0}",
        "import {0}.inner as harmless",
        "from {0} import anything",
        "def f() -> None:\n    import {0}",
        "if True:\n    pass\nelse:\n    from {0}.inner import anything",
    ],
)
def test_refuses_the_world_in_pure_code(part: str, module: str, source: str) -> None:
    assert len(problems_of(source.format(module), f"chatter.{part}.x")) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("chatter.wire.x", "if TYPE_CHECKING:\n    import random"),
        ("chatter.core.x", "if TYPE_CHECKING:\n    import time"),
        ("chatter.core.x", "if TYPE_CHECKING:\n    pass\nelse:\n    import random"),
        ("chatter.core.x", "if not TYPE_CHECKING:\n    import random"),
        ("chatter.core.x", "random = __import__('random')"),
        ("chatter.wire.x", "from Crypto import Random"),
    ],
)
def test_refuses_ways_around(module: str, source: str) -> None:
    assert len(problems_of(source, module)) == 1


def test_a_package_is_its_own_parent() -> None:
    """One dot means wire in wire/__init__.py as in wire/seal.py; two mean chatter."""
    assert problems_of("from . import core", "chatter.wire", is_package=True) == []
    assert len(problems_of("from .. import core", "chatter.wire", is_package=True)) == 1
    assert problems_of("from . import core", "chatter.wire.seal") == []
    assert len(problems_of("from . import command", "chatter", is_package=True)) == 1


def test_names_each_offence_and_its_line() -> None:
    problems = problems_of(
        "import ast\nimport time\nfrom chatter import net\n", "chatter.core.node"
    )

    assert [problem.split(": imports ")[0] for problem in problems] == [
        "chatter.core.node:2",
        "chatter.core.node:3",
    ]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "chatter.core.node",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import random",
        ),
        ("chatter.core.node", "from chatter.wire import gossip\nfrom ..errors import FrameError"),
        ("chatter.core.node", "from . import peers, planner\nimport dataclasses, heapq, ipaddress"),
        ("chatter.wire.seal", "from Crypto.Cipher import AES\nimport lz4.block, hashlib, timeit"),
        ("chatter.config", "import os\nfrom chatter.ids import NetID"),
        (
            "chatter.net.service",
            "import socket, time, os, logging, gevent\nfrom chatter import core",
        ),
        ("chatter.dashboard.server", "from chatter.net import service\nimport geventwebsocket"),
        ("chatter.service", "from chatter.dashboard.server import Dashboard"),
        (
            "chatter.__main__",
            "import click\nfrom chatter import Chatter, dashboard\nfrom .command import node",
        ),
        (
            "chatter.testing.network",
            "import random\nfrom chatter.core import node\nfrom . import clock",
        ),
    ],
)
def test_lets_the_right_ones_pass(module: str, source: str) -> None:
    assert problems_of(source, module) == []
