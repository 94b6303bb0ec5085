"""What every test runs under.

A patched process, hypothesis without a stopwatch, and the gates of the tests that need more than
Python: network namespaces, a browser, what scripts/bench_fanout compares with.
"""

# ruff: noqa: E402  (the patch comes before whatever might keep an unpatched socket)
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Generator

import hypothesis
import pytest

from scripts.browser.client import why_no_browser
from scripts.fanout.plan import why_no_bench

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
    parser.addoption(
        "--require-browser",
        action="store_true",
        help="fail if a test in a browser is skipped, or if none ran",
    )
    parser.addoption(
        "--require-bench",
        action="store_true",
        help="fail if a test with the systems of scripts/bench_fanout is skipped, or if none ran",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell has what it starts in the background ignore SIGINT, and so do all that this starts:
    # tests that press Ctrl-C would wait for ever.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for marker, why_not in (
        ("namespaces", why_no_namespaces),
        ("browser", why_no_browser),
        ("bench", why_no_bench),
    ):
        required = bool(config.getoption(f"--require-{marker}"))
        config.pluginmanager.register(Gate(marker, why_not, required), f"{marker}-gate")


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


class Gate:
    """Skips tests with a marker where they can't run, and counts them.

    Where they are required, a skip for whatever reason (this gate's, a fixture's, the test's own)
    fails the run, and so does a run without any: a suite that lost them would otherwise stay green.
    """

    def __init__(self, marker: str, why_not: Callable[[], str | None], required: bool) -> None:
        self._marker = marker
        self._why_not = why_not
        self._required = required
        self._ran: set[str] = set()
        self._skipped: set[str] = set()

    # Before the fixtures of a module, which may be what cannot be had.
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item.get_closest_marker(self._marker) is None:
            return
        reason = self._why_not()
        if reason is not None:
            pytest.skip(reason)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if item.get_closest_marker(self._marker) is not None:
            if report.skipped:
                self._skipped.add(item.nodeid)
            elif report.when == "call":
                self._ran.add(item.nodeid)
        return report

    def _complaint(self) -> str | None:
        if not self._required:
            return None
        if self._skipped:
            return f"--require-{self._marker}: skipped {', '.join(sorted(self._skipped))}"
        if not self._ran:
            return f"--require-{self._marker}: no test marked so ran"
        return None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._complaint() is not None and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        complaint = self._complaint()
        if complaint is not None:
            terminalreporter.write_line(complaint, red=True)
