"""Who may see the dashboard: rules over headers, without a socket."""

from __future__ import annotations

from typing import Any

import pytest

from chatter.dashboard.access import Access, host_of

TOKEN = "0123456789abcdef"


def environ(path: str = "/", **more: Any) -> dict[str, Any]:
    """A request from a browser on this machine."""
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "HTTP_HOST": "127.0.0.1:8000",
        "SCRIPT_NAME": "",
        **more,
    }


def status(access: Access, **more: Any) -> str:
    """The number that it is refused with; "" if it is not."""
    refusal = access.refusal(environ(**more))
    return "" if refusal is None else refusal.status[:3]


# Host


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:8000", "10.1.2.3:80", "[::1]", "[::1]:8000", "localhost"),
        *("localhost:8000", "LOCALHOST:1", "dash.example", "Dash.Example:443"),
    ],
)
def test_hosts_that_no_foreign_page_can_take(host: str) -> None:
    assert status(Access(None, ["dash.example"]), HTTP_HOST=host) == ""


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example"),
        *(
            "",
            ":8000",
            "127.0.0.1:8000:1",
            "127.0.0.1:x",
            "[::1",
            "[::1]x",
            "::1",
            "0x7f.1",
            "2130706433",
        ),
        *("127.0.0.1,evil.example", "evil.example,127.0.0.1", "127.0.0.1 ", "user@127.0.0.1"),
        *("sub.dash.example", "dash.example.", "127.0.0.1\x00"),
    ],
)
def test_hosts_that_are_refused(host: str) -> None:
    access = Access(None, ["dash.example"])
    assert status(access, HTTP_HOST=host) == "421"
    assert status(access, HTTP_HOST=host, path="/healthz") == "421"


def test_a_request_without_a_host_is_refused() -> None:
    request = environ()
    del request["HTTP_HOST"]
    refusal = Access(None).refusal(request)
    assert refusal is not None
    assert "dashboard_hosts" in refusal.text  # what to do


def test_the_host_of_what_is_none() -> None:
    assert host_of("[::1]:") == "::1"
    assert host_of("a:99") == "a"
    assert host_of("a:9９") is None


# Methods


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get", ""])
def test_only_reading(method: str) -> None:
    refusal = Access(None).refusal(environ(REQUEST_METHOD=method))
    assert refusal is not None
    assert refusal.status.startswith("405")
    assert ("Allow", "GET, HEAD") in refusal.headers
    assert status(Access(None), REQUEST_METHOD="HEAD") == ""


# Token


def test_without_a_token_all_are_let_in() -> None:
    assert status(Access(None)) == ""
    assert Access(None).cookie(environ(QUERY_STRING=f"token={TOKEN}")) is None


@pytest.mark.parametrize("path", ["/", "/app.js", "/ws", "/api/snapshot", "/nothing", ""])
def test_a_token_guards_everything(path: str) -> None:
    access = Access(TOKEN)
    refusal = access.refusal(environ(path))
    assert refusal is not None
    assert refusal.status.startswith("401")
    assert dict(refusal.headers)["WWW-Authenticate"].startswith("Bearer")
    assert TOKEN not in refusal.text
    assert status(access, path=path, HTTP_AUTHORIZATION=f"Bearer {TOKEN}") == ""
    assert status(access, path=path, HTTP_AUTHORIZATION=f"bearer  {TOKEN} ") == ""


def test_but_not_whether_it_lives() -> None:
    assert status(Access(TOKEN), path="/healthz") == ""
    assert status(Access(TOKEN), path="/healthz/") == "401"


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"],
)
def test_wrong_tokens(given: str) -> None:
    assert status(Access(TOKEN), HTTP_AUTHORIZATION=given) == "401"


def test_the_cookie_is_the_way_back_in() -> None:
    access = Access(TOKEN)
    set_cookie = access.cookie(environ(QUERY_STRING=f"a=b&token={TOKEN}"))
    assert set_cookie is not None
    pair, *attributes = set_cookie.split("; ")
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert TOKEN not in pair
    assert status(access, HTTP_COOKIE=pair) == ""
    assert status(access, HTTP_COOKIE=f"other=1; {pair}; last=2") == ""
    assert status(access, HTTP_COOKIE=pair[:-1]) == "401"
    assert status(access, HTTP_COOKIE=pair + "0") == "401"
    # Another token, another cookie: neither opens, nor overwrites, that of the other.
    other = Access(TOKEN + "x")
    assert status(other, HTTP_COOKIE=pair) == "401"
    other_cookie = other.cookie(environ(QUERY_STRING=f"token={TOKEN}x"))
    assert other_cookie is not None
    assert other_cookie.partition("=")[0] != pair.partition("=")[0]


def test_the_cookie_stays_below_the_prefix_and_on_https() -> None:
    request = environ(QUERY_STRING=f"token={TOKEN}", SCRIPT_NAME="/dash")
    cookie = Access(TOKEN).cookie(request | {"wsgi.url_scheme": "https"})
    assert cookie is not None
    assert cookie.endswith("; Path=/dash; HttpOnly; SameSite=Strict; Secure")


@pytest.mark.parametrize(
    "query", ["", "token", "token=", "token=x", f"Token={TOKEN}", f"xtoken={TOKEN}"]
)
def test_no_cookie_for_a_wrong_token(query: str) -> None:
    assert Access(TOKEN).cookie(environ(QUERY_STRING=query)) is None


# Origin


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "127.0.0.1:8000"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://localhost:8000", "LOCALHOST:8000"),
        ("https://dash.example", "dash.example"),
        ("https://dash.example:8443", "127.0.0.1:8000"),  # a proxy that puts in its own Host
    ],
)
def test_origins_of_our_own_page(origin: str | None, host: str) -> None:
    access = Access(None, ["dash.example"])
    request = environ(HTTP_HOST=host) | ({} if origin is None else {"HTTP_ORIGIN": origin})
    assert access.origin_refusal(request) is None


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "http://127.0.0.1:8001", "http://127.0.0.1", "null", ""),
        *("http://localhost:8000", "file://127.0.0.1:8000", "127.0.0.1:8000", "http://"),
        *("https://sub.dash.example", "https://dash.example.evil.example", "https://10.0.0.1"),
    ],
)
def test_origins_of_other_pages(origin: str) -> None:
    refusal = Access(None, ["dash.example"]).origin_refusal(environ(HTTP_ORIGIN=origin))
    assert refusal is not None
    assert refusal.status.startswith("403")


def test_who_decides_around_it_takes_any_host_but_no_other_method_and_no_foreign_page() -> None:
    access = Access(None, any_host=True)
    assert status(access, HTTP_HOST="shop.example") == ""
    assert status(access, HTTP_HOST="shop.example", REQUEST_METHOD="POST") == "405"
    foreign = environ(HTTP_HOST="shop.example", HTTP_ORIGIN="https://evil.example")
    assert access.origin_refusal(foreign) is not None
