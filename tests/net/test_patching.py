"""A patch that came too late is known by what modules kept of the time before it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chatter.net import patching

ROOT = Path(patching.__file__).parent.parent.parent


def told(program: str, folder: Path) -> list[str]:
    """What a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


NAMES = "from chatter.net import patching\nprint(*patching.unpatched_names())\n"
PATCH = "from gevent import monkey\nmonkey.patch_all()\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "waits.py").write_text("import time\nfrom time import sleep as pause\n")
    (tmp_path / "connects.py").write_text("from socket import create_connection\n")
    (tmp_path / "locks.py").write_text("from threading import Lock\nimport select, socket, time\n")
    return tmp_path


def test_this_process_is_patched() -> None:
    assert patching.is_patched()


def test_before_the_patch_nothing_is(folder: Path) -> None:
    program = "from chatter.net import patching\nprint(patching.is_patched())\n"
    assert told(program, folder) == ["False"]


def test_a_patch_before_all_imports_is_in_time(folder: Path) -> None:
    assert told(f"{PATCH}import waits, connects, locks, flask\n{NAMES}", folder) == []


def test_what_waits_and_was_taken_before_is_named(folder: Path) -> None:
    program = f"import waits, connects\n{PATCH}{NAMES}"
    assert told(program, folder) == ["connects.create_connection", "waits.pause"]


def test_modules_and_locks_may_come_before(folder: Path) -> None:
    """Flask's own command has imported half of the framework before the application patches."""
    assert told(f"import locks, flask.cli, werkzeug.serving, chatter\n{PATCH}{NAMES}", folder) == []


def test_what_a_debugger_keeps_is_its_own(folder: Path) -> None:
    (folder / "_pydev_bundle").mkdir()
    (folder / "_pydev_bundle" / "saved.py").write_text("from socket import socket\n")
    names = ["pydevd", "_pydevd_bundle", "debugpy"]
    for name in names:
        (folder / f"{name}.py").write_text("from time import sleep\n")
    imports = ", ".join(["waits", "_pydev_bundle.saved", *names])
    assert told(f"import {imports}\n{PATCH}{NAMES}", folder) == ["waits.pause"]


def test_the_sentence_names_the_first_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patching, "unpatched_names", lambda own_code: [])
    assert patching.why_too_late("patch first") is None
    monkeypatch.setattr(patching, "unpatched_names", lambda own_code: ["a.sleep", "b.poll"])
    assert patching.why_too_late("patch first") == (
        "this process was patched too late: a.sleep (and 1 more) was imported before, and whenever"
        " it waits, the node stands still and others take it for dead; patch first"
    )


def test_what_is_installed_may_keep_what_it_wants(folder: Path) -> None:
    """A test runner keeps the real ``sleep`` to time tests with."""
    (folder / "site-packages").mkdir()
    (folder / "site-packages" / "runner.py").write_text("from time import sleep\n")
    program = (
        f"import sys\nsys.path.append('{folder}/site-packages')\nimport runner, waits\n{PATCH}"
    )
    names = "from chatter.net import patching\nprint(*patching.unpatched_names(own_code=True))\n"
    assert told(program + NAMES, folder) == ["runner.sleep", "waits.pause"]
    assert told(program + names, folder) == ["waits.pause"]


def test_a_node_that_will_stand_still_says_so_when_it_starts(tmp_path: Path) -> None:
    program = (
        "from time import sleep\n"
        f"{PATCH}"
        "from chatter import Chatter, generate_key\n"
        "with Chatter(address='127.0.0.1:0', key=generate_key(), multicast=[]):\n"
        "    pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "patched too late: __main__.sleep was imported before" in done.stderr
    assert "monkey.patch_all()` first in the program" in done.stderr
