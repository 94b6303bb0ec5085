"""A real browser, for tests and pictures of the dashboard: headless Chromium, driven by Playwright.

Playwright keeps an event loop of its own, which does not go with a monkey-patched process. So the
driver is a process, and `Browser` speaks with it through pipes, one JSON object a line.
"""
