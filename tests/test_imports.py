"""Each module can be imported first, and importing the library changes nothing in the process.

Every case runs in a fresh interpreter: this one is patched and has imported everything already.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Module of an extra -> the extra. Where it isn't installed, what needs it can't be imported.
EXTRAS = {
    "flask": "flask",
    "geventwebsocket": "dashboard",
    "gunicorn": "gunicorn",
    "prometheus_client": "metrics",
    "socketio": "socketio",
}


def _module_names() -> list[str]:
    names = []
    for path in sorted((ROOT / "chatter").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """What a fresh interpreter says to a program; its warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", _module_names())
def test_imports_alone(name: str) -> None:
    """A circle of imports works or fails depending on who comes first; so each comes first once."""
    done = run_python(f"import {name}")

    for module, extra in EXTRAS.items():
        if f"ModuleNotFoundError: No module named '{module}" in done.stderr:
            pytest.skip(f"{name} needs the extra {extra}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == ""


def test_importing_patches_nothing_and_starts_nothing() -> None:
    done = run_python("""
import socket, sys, threading, time
before = socket.socket, time.sleep, threading.Thread.start, threading.active_count()

import chatter
from gevent import monkey

assert before == (socket.socket, time.sleep, threading.Thread.start, threading.active_count())
assert not monkey.saved
""")

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["click", "geventwebsocket", "flask", "rich"])
def test_importing_leaves_the_corners_alone(module: str) -> None:
    """The command's library and those of extras would cost every program that imports chatter."""
    done = run_python(f"import sys, chatter; sys.exit({module!r} in sys.modules)")

    assert done.returncode == 0, done.stderr or f"import chatter imports {module}"


def test_a_node_without_a_dashboard_has_nothing_of_it() -> None:
    """Not even its modules: so no socket, no greenlet and no work."""
    done = run_python("""
from gevent import monkey
monkey.patch_all()
import os, sys
import chatter

with chatter.Chatter(address="127.0.0.1:0", key=chatter.generate_key(), multicast=[]) as node:
    assert node.dashboard_url is None
    opened = []
    for number in os.listdir("/proc/self/fd"):
        try:
            opened.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            pass  # that of the listing itself
    assert sum(one.startswith("socket:") for one in opened) == 2, opened  # TCP and UDP, one port
    found = [one for one in sys.modules if one.startswith(("chatter.dashboard", "geventwebsocket"))]
    assert not found, found
""")

    assert done.returncode == 0, done.stderr


def test_may_be_imported_before_the_patch() -> None:
    """What gevent replaces must be reached through its module: an imported name stays unpatched.

    Nor may anything that chatter imports make a later patch_all() warn.
    """
    done = run_python("""
import importlib, pkgutil, sys
import chatter

for module in pkgutil.walk_packages(chatter.__path__, "chatter."):
    # The command and those above it patch, or belong to programs that have.
    if module.name.split(".")[1] not in ("__main__", "command", "dashboard", "integrations"):
        importlib.import_module(module.name)

from gevent import monkey
monkey.patch_all()

originals = {
    id(value): f"{module}.{name}"
    for module, names in monkey.saved.items()
    for name, value in names.items()
    if callable(value)
}
assert originals
for name, module in list(sys.modules.items()):
    if name.partition(".")[0] == "chatter":
        for attribute, value in vars(module).items():
            if id(value) in originals:
                sys.exit(f"{name}.{attribute} is the unpatched {originals[id(value)]}")
""")

    assert done.returncode == 0, done.stderr
