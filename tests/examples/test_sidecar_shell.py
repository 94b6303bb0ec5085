"""A shell script that tells all workers, and knows who has heard."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.examples.running import ROOT, ended, environment, started


def test_the_script_says_who_has_heard(tmp_path: Path) -> None:
    with started("sidecar_shell", tmp_path) as process:
        worker, receipt, heard = ended(process, tmp_path).splitlines()
    address = re.fullmatch(r"a worker is listening at (127\.0\.0\.1:\d+)", worker)
    assert address
    told = json.loads(receipt.removeprefix("the receipt is "))
    assert (told["event"], told["delivered"], told["missing"]) == ("receipt", [address[1]], [])
    assert '{"version": "1.4.2"}' in heard
    assert (tmp_path / "log").read_text() == ""


def test_without_the_command_it_says_what_to_install() -> None:
    done = subprocess.run(
        ["/bin/bash", "examples/sidecar_shell/deploy.sh"],
        cwd=ROOT,
        env=environment(PATH="/nowhere"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "the command chatter is not on the PATH: pip install chatter\n"
