"""The driver: one page, told by JSON lines on stdin what to do, answering each with one on stdout.

Each request is {"do": name, ...}; the answer {"value": ...} or {"error": text}. What the page logs,
the errors of its scripts, the addresses it asks for and those that failed are kept, and told by
`seen`.
"""

import json
import shutil
import sys
from typing import Any

from playwright.sync_api import Page, sync_playwright

TIMEOUT_MS = 30_000

# Without these it looks for updates and the like, none of which belongs into a test.
ARGUMENTS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


def main(no_sandbox: bool) -> None:
    """Serve until stdin ends."""
    program = shutil.which("chromium")
    assert program is not None, "Chromium is not installed"
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if no_sandbox else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(TIMEOUT_MS)
        driver = _Driver(page)
        for line in sys.stdin:
            print(json.dumps(driver.answer(json.loads(line))), flush=True)
        browser.close()


class _Driver:
    def __init__(self, page: Page) -> None:
        self._page = page
        self._logged: list[str] = []
        self._requests: list[str] = []
        self._failed: list[str] = []
        self._received = 0
        page.on("console", lambda one: self._logged.append(f"{one.type}: {one.text}"))
        page.on("pageerror", lambda one: self._logged.append(f"error: {one}"))
        page.on("request", lambda one: self._requests.append(one.url))
        page.on("requestfailed", lambda one: self._failed.append(f"{one.failure}: {one.url}"))
        page.on("response", self._response)
        page.on("websocket", self._websocket)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What comes of one request."""
        name = request.pop("do")
        try:
            return {"value": getattr(self, f"do_{name}")(**request)}
        except Exception as error:  # whatever it is, the test shall say it
            return {"error": f"{name}: {error}"}

    def do_open(self, url: str) -> None:
        self._page.goto(url)

    def do_cookie(self, url: str, name: str, value: str) -> None:
        self._page.context.add_cookies([{"url": url, "name": name, "value": value}])

    def do_look(self, js: str) -> Any:
        return self._page.evaluate(js)

    def do_wait(self, js: str) -> None:
        # By a function: a text would be compiled in the page, which the page's policy forbids.
        self._page.wait_for_function(f"() => {{ return {js}; }}", polling=100)

    def do_click(self, selector: str) -> None:
        self._page.click(selector)

    def do_fill(self, selector: str, text: str) -> None:
        self._page.fill(selector, text)

    def do_resize(self, width: int, height: int) -> None:
        self._page.set_viewport_size({"width": width, "height": height})

    def do_dark(self, dark: bool) -> None:
        self._page.emulate_media(color_scheme="dark" if dark else "light")

    def do_picture(self, path: str, whole: bool) -> None:
        self._page.screenshot(path=path, full_page=whole)

    def do_seen(self) -> dict[str, Any]:
        # Playwright tells of events only while it is asked something, and those before the answer.
        self._page.evaluate("0")
        return {
            "logged": self._logged,
            "requests": self._requests,
            "failed": self._failed,
            "feed_bytes": self._received,
        }

    def do_trace(self, seconds: float) -> list[dict[str, Any]]:
        """What the main thread did for so long: its tasks, in the browser's own trace."""
        session = self._page.context.new_cdp_session(self._page)
        found: list[dict[str, Any]] = []
        session.on("Tracing.dataCollected", lambda data: found.extend(data["value"]))
        done: list[bool] = []
        session.on("Tracing.tracingComplete", lambda data: done.append(True))
        session.send(
            "Tracing.start",
            {
                "transferMode": "ReportEvents",
                "traceConfig": {
                    "includedCategories": [
                        *("devtools.timeline", "disabled-by-default-devtools.timeline"),
                        *("blink.user_timing", "toplevel"),
                    ]
                },
            },
        )
        self._page.wait_for_timeout(seconds * 1000)
        session.send("Tracing.end")
        while not done:
            self._page.wait_for_timeout(50)
        session.detach()
        return found

    def _response(self, response: Any) -> None:
        if response.status >= 400:
            self._failed.append(f"{response.status}: {response.url}")

    def _websocket(self, socket: Any) -> None:
        self._requests.append(socket.url)
        socket.on("socketerror", lambda error: self._failed.append(f"{error}: {socket.url}"))
        socket.on("framereceived", self._frame)

    def _frame(self, payload: str | bytes) -> None:
        self._received += len(payload.encode() if isinstance(payload, str) else payload)


if __name__ == "__main__":
    main(no_sandbox="--no-sandbox" in sys.argv)
