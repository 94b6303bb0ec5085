"""What every test runs under.

A patched process, hypothesis without a stopwatch, and the gate of the tests that make network
namespaces.
"""

# ruff: noqa: E402  (the patch comes before whatever might keep an unpatched socket)
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import functools
import os
import shutil
import subprocess
from collections.abc import Generator

import hypothesis
import pytest

# The same examples in every run, so that a run is green or red for a reason in the commit. No
# deadline and no complaint about slow data: a busy machine is no bug. The blob repeats a failure
# elsewhere.
hypothesis.settings.register_profile(
    "chatter",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("chatter")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-namespaces",
        action="store_true",
        help="fail if a test in network namespaces is skipped, or if none ran",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(
        NamespaceGate(bool(config.getoption("--require-namespaces"))), "namespace-gate"
    )


@functools.cache
def why_no_namespaces() -> str | None:
    """What keeps this process from making network namespaces; None if nothing does."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need the program ip (apt-get install iproute2)"
    # Root in a container often may not: only trying tells.
    name = f"chatter-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        return f"network namespaces are refused here ({made.stderr.strip()})"
    subprocess.run(["ip", "netns", "delete", name], check=True, capture_output=True)
    return None


class NamespaceGate:
    """Skips tests marked `namespaces` where they can't run, and counts them.

    Where they are required, a skip for whatever reason (this gate's, a fixture's, the test's own)
    fails the run, and so does a run without any: a suite that lost them would otherwise stay green.
    """

    def __init__(self, required: bool) -> None:
        self._required = required
        self._ran: set[str] = set()
        self._skipped: set[str] = set()

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item.get_closest_marker("namespaces") is None:
            return
        reason = why_no_namespaces()
        if reason is not None:
            pytest.skip(reason)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if item.get_closest_marker("namespaces") is not None:
            if report.skipped:
                self._skipped.add(item.nodeid)
            elif report.when == "call":
                self._ran.add(item.nodeid)
        return report

    def _complaint(self) -> str | None:
        if not self._required:
            return None
        if self._skipped:
            return f"--require-namespaces: skipped {', '.join(sorted(self._skipped))}"
        if not self._ran:
            return "--require-namespaces: no test in network namespaces ran"
        return None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._complaint() is not None and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        complaint = self._complaint()
        if complaint is not None:
            terminalreporter.write_line(complaint, red=True)
