"""Browser: a page in headless Chromium, driven by a process of its own."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from types import TracebackType
from typing import Any, Self


def why_no_browser() -> str | None:
    """What keeps us from driving a browser; None if nothing does."""
    if shutil.which("chromium") is None:
        return "the page needs a browser (apt-get install chromium)"
    if importlib.util.find_spec("playwright") is None:
        return "the browser needs Playwright (pip install '.[test]')"
    return None


class BrowserError(Exception):
    """The page did not do what was asked of it in time."""


class Browser:
    """One page. A context manager."""

    def __init__(self) -> None:
        # Chromium refuses its sandbox to root.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "scripts.browser.driver", *sandbox],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def open(self, url: str) -> None:
        """Load a page."""
        self._ask("open", url=url)

    def cookie(self, url: str, name: str, value: str) -> None:
        """Have a cookie, as if the server at that address had set it."""
        self._ask("cookie", url=url, name=name, value=value)

    def look(self, js: str) -> Any:
        """The value of an expression in the page."""
        return self._ask("look", js=js)

    def wait(self, js: str) -> None:
        """Wait until an expression in the page is true."""
        self._ask("wait", js=js)

    def click(self, selector: str) -> None:
        """Click on an element, once it is there."""
        self._ask("click", selector=selector)

    def fill(self, selector: str, text: str) -> None:
        """Write into a field."""
        self._ask("fill", selector=selector, text=text)

    def resize(self, width: int, height: int) -> None:
        """Give the page this size."""
        self._ask("resize", width=width, height=height)

    def dark(self, dark: bool) -> None:
        """Whether the system prefers dark colours."""
        self._ask("dark", dark=dark)

    def picture(self, path: str, *, whole: bool = False) -> None:
        """Write what is seen, or the whole page, into a PNG file."""
        self._ask("picture", path=path, whole=whole)

    def trace(self, seconds: float) -> list[dict[str, Any]]:
        """The events of the browser's own trace over so long."""
        found: list[dict[str, Any]] = self._ask("trace", seconds=seconds)
        return found

    @property
    def logged(self) -> list[str]:
        """What the page's console said."""
        return list(self._ask("seen")["logged"])

    @property
    def requests(self) -> list[str]:
        """All addresses that the page asked for."""
        return list(self._ask("seen")["requests"])

    @property
    def failed(self) -> list[str]:
        """What failed of that: why, or the status if that is an error's, and the address."""
        return list(self._ask("seen")["failed"])

    @property
    def feed_bytes(self) -> int:
        """Bytes that came by WebSocket."""
        return int(self._ask("seen")["feed_bytes"])

    def _ask(self, name: str, /, **fields: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": name, **fields}).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BrowserError("the browser has ended; its last words are above")
        answer = json.loads(line)
        if "error" in answer:
            raise BrowserError(answer["error"])
        return answer["value"]
