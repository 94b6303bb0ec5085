"""An installed copy carries the page: built, installed and run far from the checkout."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from chatter import generate_key
from chatter.dashboard.pages import load_pages

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60


def python_files(folder: Path) -> set[str]:
    """The modules of the package in a folder."""
    return {path.relative_to(folder).as_posix() for path in (folder / "chatter").rglob("*.py")}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout: neither does a build/ of before get in, nor is one left behind."""
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("chatter", "web"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    # Whatever the page is made of today, it may be in folders tomorrow.
    (source / "web" / "part" / "of").mkdir(parents=True)
    (source / "web" / "part" / "of" / "it.js").write_text("export {};\n", encoding="utf-8")
    return source


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the build system's own hook. Needs no network."""
    out = tmp_path_factory.mktemp("out")
    hook = (
        "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    )
    built = subprocess.run(
        [sys.executable, "-c", hook, str(out)],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = out.glob("*.whl")
    return path


def test_the_wheel_has_everything(wheel: Path, source: Path) -> None:
    """Also each part of the package: setup.cfg lists them by hand."""
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    assert {name for name in names if name.endswith(".py")} == python_files(ROOT)
    pages = load_pages((source / "web",))
    assert "/part/of/it.js" in pages
    served = {f"chatter/web{path}" for path in pages if path != "/"}
    assert {name for name in names if name.startswith("chatter/web/")} == served
    assert "chatter/py.typed" in names


def test_an_installed_node_shows_the_page(wheel: Path, source: Path, tmp_path: Path) -> None:
    home, empty = tmp_path / "environment", tmp_path / "empty"
    empty.mkdir()
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    installed = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps"),
            *("--no-index", "--quiet", "--disable-pip-version-check", str(wheel)),
        ],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert installed.returncode == 0, installed.stderr
    # What chatter needs is taken from here. A path in a .pth is no site folder: the editable
    # checkout that is installed there as well is not found by it.
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CHATTER_", "PYTHON"))
    }
    where = subprocess.run(
        [str(python), "-c", "import chatter; print(chatter.__file__)"],
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert where.stdout.startswith(str(site)), where.stdout + where.stderr

    node = subprocess.Popen(
        [
            *(str(home / "bin" / "chatter"), "node", "--json", "--no-multicast"),
            *("--address", "127.0.0.1:0", "--dashboard", "127.0.0.1:0"),
        ],
        cwd=empty,
        env=environment | {"CHATTER_KEY": generate_key()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert node.stdout is not None
        first = node.stdout.readline()
        assert first, node.communicate(timeout=10)
        url = json.loads(first)["dashboard"]
        for path, page in load_pages((source / "web",)).items():
            with urllib.request.urlopen(url + path.removeprefix("/"), timeout=10) as answer:
                assert answer.read() == page.body, path
                assert answer.headers["Content-Type"] == page.content_type
        with urllib.request.urlopen(url + "api/snapshot", timeout=10) as answer:
            assert json.load(answer)["type"] == "snapshot"
    finally:
        _, errors = node.communicate(timeout=10)
    assert node.returncode == 0, errors


def test_the_same_setuptools_builds_and_tests() -> None:
    """The bound of the extra `test` is that of pyproject.toml."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    needed = settings["options.extras_require"]["test"].splitlines()
    [bound] = [line for line in needed if line.startswith("setuptools")]
    assert f'requires = ["{bound}"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
