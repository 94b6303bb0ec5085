"""Running `ip`: one process for many commands, and its complaint when it refuses."""

import json
import shutil
import subprocess
from collections.abc import Iterable
from typing import Any

from scripts.lab.errors import LabError


def _arguments(namespace: str | None) -> list[str]:
    return ["ip"] if namespace is None else ["ip", "-n", namespace]


def run_batches(batches: Iterable[tuple[str | None, list[str]]]) -> None:
    """Every batch carried out, all at the same time.

    Args:
        batches: pairs of a namespace (None: the one we are in) and lines as `ip -batch` takes them.
            Lines of one batch run in order; batches must not depend on each other.
    Raises:
        LabError: a line failed; names what `ip` said. Lines before it have been carried out.
    """
    running: list[tuple[subprocess.Popen[bytes], bytes]] = []
    complaints = []
    try:
        for namespace, lines in batches:
            process = subprocess.Popen(
                [*_arguments(namespace), "-batch", "-"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            running.append((process, "".join(f"{line}\n" for line in lines).encode()))
        for process, script in running:
            _, stderr = process.communicate(script)
            if process.returncode != 0:
                complaints.append(stderr.decode(errors="replace").strip())
    except BaseException:
        # Interrupted: what goes on by itself would build what is being torn down.
        for process, _ in running:
            process.kill()
            process.wait()
        raise
    if complaints:
        raise LabError(f"ip refused: {complaints[0]}")


def run_in(namespace: str, command: list[str], text: str = "") -> str:
    """What `command` prints, run inside `namespace` with `text` as its input.

    Raises:
        LabError: it failed; names what it said.
    """
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, *command],
        input=text.encode(),
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"{command[0]} refused: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()


def link_statistics(namespace: str) -> dict[str, dict[str, Any]]:
    """The `stats64` of each link of `namespace`, by its name: {"rx": {"bytes": …, …}, "tx": …}."""
    done = subprocess.run(
        [*_arguments(namespace), "-s", "-j", "link", "show"], capture_output=True, check=False
    )
    if done.returncode != 0:
        raise LabError(f"ip refused: {done.stderr.decode(errors='replace').strip()}")
    links: list[dict[str, Any]] = json.loads(done.stdout)
    return {link["ifname"]: link["stats64"] for link in links}


def namespace_names() -> list[str]:
    """The named network namespaces of this machine, whoever made them."""
    if shutil.which("ip") is None:
        return []
    done = subprocess.run(["ip", "netns", "list"], capture_output=True, check=False)
    return [line.split()[0] for line in done.stdout.decode().splitlines() if line.strip()]
