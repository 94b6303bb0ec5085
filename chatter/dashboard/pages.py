"""The files of the page, read once: what is served is what was there at the start, and no other.

No path is ever made from what a browser asks for; it is looked up in the listing or not found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from chatter.errors import ConfigError

# An installed package carries the folder inside; in a checkout it lies at the top.
_PACKAGE = Path(__file__).resolve().parent.parent
PLACES = (_PACKAGE / "web", _PACKAGE.parent / "web")

# What a browser is told of each kind; a file of another kind is no part of the page.
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


class Page(NamedTuple):
    """One file, ready to be sent.

    Attributes:
        etag: names this content, in quotes, as HTTP has it.
    """

    body: bytes
    content_type: str
    etag: str


Pages = Mapping[str, Page]


def load_pages(places: tuple[Path, ...] = PLACES) -> Pages:
    """The files in the first of these folders that is there, by path: ``/app.js``.

    ``/`` is ``index.html``, if there is one.

    Raises:
        ConfigError: none of them is there: the installation is broken.
    """
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        raise ConfigError(
            f"dashboard: its files are missing ({places[0]}): install chatter anew, with"
            " the extra `dashboard`"
        )
    pages = {
        f"/{path.relative_to(folder).as_posix()}": _read(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in CONTENT_TYPES and path.is_file()
    }
    if "/index.html" in pages:
        pages["/"] = pages["/index.html"]
    return pages


def _read(path: Path) -> Page:
    body = path.read_bytes()
    return Page(body, CONTENT_TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')
