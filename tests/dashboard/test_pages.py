"""The files of the page: a fixed listing."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatter.dashboard.pages import CONTENT_TYPES, PLACES, load_pages
from chatter.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes(b"<p>")
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "view.js").write_bytes(b"1")
    (tmp_path / "README.md").write_bytes(b"not for browsers")
    (tmp_path / ".hidden").write_bytes(b"nor this")
    pages = load_pages((tmp_path,))
    assert set(pages) == {"/", "/index.html", "/part/view.js"}
    assert pages["/"] == pages["/index.html"]
    assert pages["/"].body == b"<p>"
    assert pages["/"].content_type == "text/html; charset=utf-8"
    assert pages["/part/view.js"].content_type == "text/javascript; charset=utf-8"
    assert pages["/"].etag != pages["/part/view.js"].etag


def test_what_comes_later_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes(b"one")
    pages = load_pages((tmp_path,))
    (tmp_path / "index.html").write_bytes(b"two")
    assert pages["/"].body == b"one"
    assert load_pages((tmp_path,))["/"].etag != pages["/"].etag


def test_the_installed_folder_goes_before_that_of_the_checkout(tmp_path: Path) -> None:
    installed, checkout = tmp_path / "installed", tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "index.html").write_bytes(b"checkout")
    assert load_pages((installed, checkout))["/"].body == b"checkout"
    installed.mkdir()
    (installed / "index.html").write_bytes(b"installed")
    assert load_pages((installed, checkout))["/"].body == b"installed"


def test_a_broken_installation_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^dashboard: .*install chatter anew, with the extra `dashboard`"
    ):
        load_pages((tmp_path / "absent", tmp_path / "too"))


def test_the_page_of_this_checkout_is_found() -> None:
    assert [place for place in PLACES if place.is_dir()] == [ROOT / "web"]


def test_every_file_of_the_page_is_of_a_known_kind() -> None:
    unknown = {
        path.suffix for path in (ROOT / "web").rglob("*") if path.is_file()
    } - CONTENT_TYPES.keys()
    assert unknown <= {".md"}


def test_what_is_served_is_what_is_packed() -> None:
    """setup.cfg lists the kinds of files for the wheel; this module those for browsers."""
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    packed = {f".{line.rpartition('.')[2]}" for line in text.splitlines() if "    **/*." in line}
    assert packed == set(CONTENT_TYPES)
