"""python-socketio's own tests of its ``PubSubManager``, applied to ``ChatterManager``.

They are in its source distribution, which is fetched in the version that is installed; nothing of
it is kept here. They replace ``_publish`` and ``_listen``, so they prove that ChatterManager is
still a PubSubManager; what goes from server to server is test_socketio_servers' matter.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

pytest.importorskip("socketio", reason="needs the extra socketio")

ROOT = Path(__file__).resolve().parent.parent.parent
SUITE = "tests/common/test_pubsub_manager.py"


def fetch(directory: Path) -> Path:
    """The directory of the unpacked distribution; skips where it cannot be had."""
    name = f"python-socketio=={version('python-socketio')}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*command, "--no-binary", "python-socketio", "--dest", str(directory), name],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        pytest.skip(f"the source of {name} cannot be fetched ({lines[-1]})")
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(directory, filter="data")
    return directory / archive.name.removesuffix(".tar.gz")


def test_they_pass(tmp_path: Path) -> None:
    source = fetch(tmp_path)
    suite = (source / SUITE).read_text()
    tests = len(re.findall(r"^    def test_", suite, re.MULTILINE))
    constructions = suite.count("pubsub_manager.PubSubManager(")
    assert tests > 40
    assert constructions > 1

    command = [sys.executable, "-m", "pytest", "-p", "socketio_suite_plugin"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(source), SUITE],
        cwd=source,
        # By itself: the source has a package `tests` of its own.
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
        capture_output=True,
        text=True,
        timeout=150,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tests} passed" in done.stdout
    made = re.search(r"ChatterManagers made: (\d+)", done.stdout)
    # One by each test's setup, and those that the tests make themselves.
    assert made is not None
    assert int(made[1]) == tests + constructions - 1
