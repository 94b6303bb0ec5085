"""What the README shows is run, and what it lists is compared with the code."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from chatter import Config, generate_key
from tests.net.nodes import random_group

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of the README in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def environment() -> dict[str, str]:
    """A user's environment, but on loopback, where nobody else is disturbed."""
    group, port = random_group().split(":")
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CHATTER_KEY": generate_key(),
        "CHATTER_ADDRESS": "127.0.0.1",
        "CHATTER_MULTICAST_ADDRESS": group,
        "CHATTER_MULTICAST_PORT": port,
    }


def start(command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    """A process whose output is read when it ends."""
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_first_example_in_two_terminals(tmp_path: Path, environment: dict[str, str]) -> None:
    program = tmp_path / "hello.py"
    program.write_text(blocks("python")[0], encoding="utf-8")
    both = [start([sys.executable, str(program)], environment) for _ in range(2)]
    outputs = [one.communicate(timeout=60) for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert [stderr for _, stderr in outputs] == ["", ""]
    # Each says hello when it has met the other, so at least the later one is heard by the earlier.
    heard = [stdout.splitlines() for stdout, _ in outputs]
    assert any(heard)
    for line in heard[0] + heard[1]:
        assert re.fullmatch(r"somebody says hello from 127\.0\.0\.1:\d+", line)


def test_the_longer_example(tmp_path: Path, environment: dict[str, str]) -> None:
    program = tmp_path / "longer.py"
    program.write_text(blocks("python")[1], encoding="utf-8")
    done = start([sys.executable, str(program)], environment)
    stdout, stderr = done.communicate(timeout=60)
    assert (done.returncode, stderr) == (0, "")
    assert stdout.count("4 bytes from 127.0.0.1:") == 2
    assert "is meant for 1" in stdout
    assert re.search(r"^delivered to \(NetID\(.*\),\) missing \(\) \(Edge\(", stdout, re.MULTILINE)
    assert re.search(r"^127\.0\.0\.1:\d+ alive$", stdout, re.MULTILINE)
    assert re.search(r"^127\.0\.0\.1:\d+ left$", stdout, re.MULTILINE)


def test_the_two_terminals_without_a_program(environment: dict[str, str]) -> None:
    console = "".join(blocks("console"))
    listen, send = re.findall(r"^\$ (chatter (?:listen|send).*)$", console, re.MULTILINE)
    listener = start([*shlex.split(listen), "--count", "1"], environment)
    sender = start(shlex.split(send), environment)
    sent, complaint = sender.communicate(timeout=60)
    assert (sender.returncode, complaint) == (0, "")
    assert "1" in sent
    heard, _ = listener.communicate(timeout=60)
    assert listener.returncode == 0
    assert "hello" in heard
    assert "world" in heard


def test_the_commands_it_names_exist() -> None:
    for name in ("scripts/demo", "scripts/test", "scripts/check"):
        assert name in README
        assert os.access(ROOT / name, os.X_OK)
    for path in re.findall(r"\]\((docs/[^)]+)\)", README):
        assert (ROOT / path).is_file()


def test_the_settings_are_those_of_config() -> None:
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|[^|]*\|$", README, re.MULTILINE)
    assert {name for name, _, _ in rows} == {one.name for one in fields(Config) if one.init}
    default = {one.name: one.default for one in fields(Config)}
    for name, _, shown in rows:
        if re.fullmatch(r"[\d.,]+", shown.strip()):
            assert float(shown.replace(",", "")) == default[name]
