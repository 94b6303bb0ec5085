"""The page below a prefix of an application, in a real browser, by two workers of gunicorn.

One site and one browser for all, in the order of a story: who may not look, who may, and what
happens when the worker that is looked through ends.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from scripts.browser.client import Browser
from tests.dashboard.page import Page, total_js
from tests.integrations import servers
from tests.integrations.servers import Server, Site
from tests.net.nodes import Recorder

pytestmark = pytest.mark.browser

PREFIX = "/admin/chatter"
WORKERS = 2


class Admin(Page):
    """Who looks at a site, and a node outside of it."""

    def __init__(self, browser: Browser, site: Site, server: Server, outside: Recorder) -> None:
        # Without the slash, as it is typed.
        super().__init__(browser, f"http://127.0.0.1:{site.port}{PREFIX}")
        self.server = server
        self.outside = outside.chatter

    @property
    def seen_from(self) -> str:
        """The address of the node that tells the page what it shows."""
        address: str = self.browser.look("document.getElementById('local').textContent")
        return address

    def workers(self) -> dict[str, int]:
        """The process of each worker, by the address of its node."""
        found: dict[str, int] = {}

        def ask() -> bool:
            told = self.server.who()
            found[told["address"]] = told["pid"]
            return len(found) == WORKERS

        self.server.until(ask, "an answer of each worker")
        return found

    def looked_through(self) -> int:
        """The process of the worker whose node tells the page."""
        workers = self.workers()
        self.server.until(lambda: self.seen_from in workers, "the head of the page")
        return workers[self.seen_from]

    def alive(self) -> set[str]:
        return {address for address, state in self.states().items() if state == "alive"}


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    with servers.site(tmp_path_factory.mktemp("site")) as site, Browser() as browser:
        outside = site.outside()
        # Longer than any test waits: who looks must not be what ends a worker.
        server = site.gunicorn("-k", "gevent", "-w", str(WORKERS), "--graceful-timeout", "300")
        server.until(lambda: len(outside.chatter.peers()) == WORKERS, "the workers' nodes")
        server.until(server.answers, "the server")
        yield Admin(browser, site, server, outside)


def test_who_is_not_logged_in_is_refused_and_sees_no_page(admin: Admin) -> None:
    with Browser() as stranger:
        stranger.open(admin.url)

        assert stranger.failed == [f"403: {admin.url}/"]
        assert stranger.requests[-1] == f"{admin.url}/"
        assert stranger.look("document.querySelectorAll('script, [data-testid]').length") == 0


def test_who_is_logged_in_sees_the_workers_and_the_node_outside(admin: Admin) -> None:
    admin.browser.cookie(admin.url, "user", "admin")
    admin.browser.open(admin.url)
    admin.until_connected()
    admin.until_alive(WORKERS + 1)
    workers = admin.workers()

    assert admin.alive() == {*workers, str(admin.outside.local_netid)}
    assert admin.seen_from in workers


def test_a_broadcast_appears_in_its_counts(admin: Admin) -> None:
    admin.outside.broadcast("count", 1)
    # Each node tells its own, so not all at once.
    admin.until_tag("count", WORKERS)
    admin.until(f"{total_js('broadcasts')} === 1")
    admin.until(f"{total_js('deliveries')} === {WORKERS}")


def test_nothing_failed_and_nothing_was_asked_for_outside_the_prefix(admin: Admin) -> None:
    asked = [urlsplit(one) for one in admin.browser.requests]

    assert admin.browser.failed == []
    assert admin.browser.logged == []
    assert {one.netloc for one in asked} == {urlsplit(admin.url).netloc}
    assert [one.path for one in asked if not f"{one.path}/".startswith(f"{PREFIX}/")] == []
    assert [one.path for one in asked if one.scheme == "ws"] == [f"{PREFIX}/ws"]


def test_it_goes_on_by_itself_when_the_worker_that_it_looks_through_ends(admin: Admin) -> None:
    before = admin.workers()
    ending = admin.seen_from
    os.kill(before[ending], signal.SIGTERM)
    # By the one that is left, or by the one that gunicorn starts in its place.
    admin.until(f"document.getElementById('local').textContent !== '{ending}'")
    admin.until_connected()
    node = f"document.querySelector(\"[data-testid=node][data-address='{ending}']\")"
    admin.until(f"{node}?.dataset.state !== 'alive'")
    admin.until_alive(WORKERS + 1)
    after = admin.workers()

    assert len(set(after.values()) - set(before.values())) == 1
    assert admin.alive() == {*after, str(admin.outside.local_netid)}
    assert admin.seen_from in after
    assert admin.states().get(ending) in ("left", None)
    # Counted by who sends: what was told before the change, and what is told after it.
    admin.until(f"{total_js('broadcasts')} === 1")
    admin.outside.broadcast("count", 2)
    admin.until(f"{total_js('broadcasts')} === 2")
    assert "Traceback" not in admin.server.log


@pytest.mark.parametrize("user", ["nobody", "guest"])
def test_who_is_no_longer_logged_in_is_told_so_and_goes_on_after_a_login(
    admin: Admin, user: str
) -> None:
    """Refused, or sent to where one logs in, when the page connects again."""
    admin.browser.cookie(admin.url, "user", user)
    os.kill(admin.looked_through(), signal.SIGTERM)
    admin.until("document.getElementById('banner').textContent.includes('log in')")
    admin.browser.cookie(admin.url, "user", "admin")  # in another tab
    admin.until_connected()
