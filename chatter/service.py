"""Chatter: the object that users hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatter.net.service import Service

if TYPE_CHECKING:
    from chatter.dashboard.server import Dashboard


class Chatter(Service):
    """A node of the cluster, and the dashboard if its settings ask for one.

    Args:
        config: its settings; or give Config's fields as keywords.
        logger: where to log; the library never configures logging.

    The constructor stores; ``start()`` acts. Use it as a context manager, or call ``stop()``.
    """

    _dashboard: Dashboard | None = None

    @property
    def dashboard_url(self) -> str | None:
        """Where the dashboard is served, by this process or by another that has the same address;
        None without one."""
        return None if self._dashboard is None else self._dashboard.url

    def _opened(self) -> None:
        if self.config.dashboard is not None:
            # Only here: who wants no dashboard does not even import it.
            from chatter.dashboard.server import Dashboard

            dashboard = Dashboard(self, self._logger)
            dashboard.start()
            self._dashboard = dashboard

    def _closing(self) -> None:
        dashboard, self._dashboard = self._dashboard, None
        if dashboard is not None:
            dashboard.stop()
