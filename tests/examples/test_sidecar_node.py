"""Two members of a cluster in JavaScript."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.examples.running import EXAMPLES, ROOT, ended, environment, started

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None, reason="Node.js is not installed (apt-get install nodejs)"
)


def test_they_talk_to_each_other(tmp_path: Path) -> None:
    with started("sidecar_node", tmp_path) as process:
        lines = ended(process, tmp_path).splitlines()
    # Who of two processes is read first is nobody's promise.
    assert sorted(lines[:2]) == ["shop: 1 delivered, 0 missing", "stock: 2 lamps for Ada"]
    assert lines[2] == "shop: lamps are reserved"
    assert lines[3].startswith("shop: refused: ")
    assert '"tag"' in lines[3]
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--address", "nonsense"], "chatter node ended with status 2"),
        (["--address", "127.0.0.1:0", "no-such-program"], "ENOENT"),
    ],
)
def test_a_sidecar_that_cannot_start_is_an_error_of_the_program(
    arguments: list[str], reason: str
) -> None:
    *options, last = arguments
    command = last if last.startswith("no-such") else "chatter"
    given = options if last.startswith("no-such") else arguments
    program = f"""
        import {{ Chatter }} from "{(EXAMPLES / "sidecar_node" / "chatter.mjs").as_uri()}";
        await Chatter.start({given!r}, {command!r}).catch((error) => console.log(error.message));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", program],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert reason in done.stdout


def test_a_sidecar_that_dies_fails_what_waits_for_it() -> None:
    program = f"""
        import {{ Chatter }} from "{(EXAMPLES / "sidecar_node" / "chatter.mjs").as_uri()}";
        const one = await Chatter.start(["--address", "127.0.0.1:0", "--interface", "127.0.0.1"]);
        one.on("exit", (status) => console.log("exit", status));
        const left = one.leave();  // it answers nothing any more
        await one.stats().catch((error) => console.log("refused:", error.message));
        console.log("status", await left);
    """
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", program],
        cwd=ROOT,
        env={**environment(), "NODE_NO_WARNINGS": "1", "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "exit 0",
        "refused: chatter node ended with status 0",
        "status 0",
    ]
