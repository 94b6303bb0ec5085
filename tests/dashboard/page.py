"""The page in a real browser, and what can be read from it."""

from __future__ import annotations

from scripts.browser.client import Browser


class Page:
    """The dashboard's page, wherever it is served.

    Args:
        url: what is typed into the browser.
    """

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self.url = url

    def states(self) -> dict[str, str]:
        """The nodes of the map, by address."""
        found: dict[str, str] = self.browser.look(
            "Object.fromEntries([...document.querySelectorAll('[data-testid=node]')]"
            ".map(one => [one.dataset.address, one.dataset.state]))"
        )
        return found

    def total(self, name: str) -> int:
        """An exact total of the page."""
        return int(self.browser.look(total_js(name)))

    def until(self, js: str) -> None:
        self.browser.wait(js)

    def until_connected(self, connected: bool = True) -> None:
        """Until it says that it hears of the cluster, or that it does not."""
        sign = "===" if connected else "!=="
        self.until(
            f"document.querySelector('[data-testid=status]').dataset.state {sign} 'connected'"
        )

    def until_alive(self, count: int) -> None:
        """Until so many nodes of the map are alive."""
        alive = "document.querySelectorAll('[data-testid=node][data-state=alive]')"
        self.until(f"{alive}.length === {count}")

    def until_tag(self, tag: str, count: int) -> None:
        """Until so many messages of that tag were dispatched."""
        row = f"document.querySelector('[data-testid=tag][data-tag={tag}]')"
        self.until(f"{row}?.dataset.value === '{count}'")


def total_js(name: str) -> str:
    """An exact total, as an expression in the page."""
    return f"Number(document.querySelector('[data-testid=total-{name}]').dataset.value)"
