"""Who may see the dashboard: rules over the headers of a request, and nothing else.

Three strangers are kept out, each by a rule of its own.

- Who reaches the port and has no token: by `token_refusal`. On loopback there may be no token; then
  every user of the machine may look.
- A page of the web that a member of the team looks at. Its script may not read our answers, but it
  may have its name resolve to 127.0.0.1 and so become, to the browser, the same site as the
  dashboard (DNS rebinding). It cannot forge the Host header, so `host_refusal` takes only IP
  addresses, for which no name is resolved, ``localhost``, and the names in the settings.
- The same page by a WebSocket, to which the same-origin rule of browsers does not apply: by
  `origin_refusal`.

Source: RFC 6454 (origin), RFC 6750 (bearer token), RFC 6265bis (SameSite).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Environ = Mapping[str, Any]
Headers = tuple[tuple[str, str], ...]

HEALTH_PATH = "/healthz"

# On every answer. Nothing is loaded from elsewhere, nothing inline runs, nobody frames the page,
# and the token of its address is told to nobody.
SECURITY_HEADERS: Headers = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


class Refusal(NamedTuple):
    """Why a request is not answered.

    Attributes:
        status: as HTTP says it.
        text: what it means and what to do, for whoever sits before the browser.
        headers: what the status demands.
    """

    status: str
    text: str
    headers: Headers = ()


class Access:
    """Decides over requests.

    Args:
        token: what must be known to see anything but `HEALTH_PATH`; None: nothing.
        hosts: names by which the dashboard may be asked for.
        any_host: whether it may be asked for by any name: a program around it decides by itself
            who may see it, and not by the address that a request came to.
    """

    def __init__(
        self, token: str | None, hosts: Iterable[str] = (), *, any_host: bool = False
    ) -> None:
        self._any_host = any_host
        self._token = None if token is None else _digest("token", token)
        self._hosts = frozenset(name.lower() for name in hosts) | {"localhost"}
        # The browser keeps a cookie longer than we know of: not the token itself, which may also
        # open the dashboards of other clusters. Browsers send a cookie to all ports of a host, so
        # two dashboards with different tokens need cookies of different names.
        if token is not None:
            self._cookie_name = "chatter_dashboard_" + _digest("name", token).hex()[:8]
            self._cookie_value = _digest("cookie", token).hex()

    def refusal(self, environ: Environ) -> Refusal | None:
        """Why this request is not answered; None if it is."""
        return (
            self._host_refusal(environ)
            or self._method_refusal(environ)
            or (None if environ.get("PATH_INFO") == HEALTH_PATH else self._token_refusal(environ))
        )

    def origin_refusal(self, environ: Environ) -> Refusal | None:
        """Why this WebSocket is not opened, though `refusal` has no objection; None if it is.

        Programs send no Origin; browsers always do, and let no script choose it.
        """
        origin = environ.get("HTTP_ORIGIN")
        if origin is None:
            return None
        scheme, _, netloc = origin.partition("://")
        if scheme in ("http", "https"):
            # Its port too: another program of this machine need not be one of ours.
            if netloc.lower() == environ.get("HTTP_HOST", "").lower():
                return None
            # A proxy that is told of in the settings may pass on its own Host, not the browser's.
            if host_of(netloc) in self._hosts - {"localhost"}:
                return None
        return Refusal(
            "403 Forbidden",
            "This WebSocket was opened by a page of another site. Behind a reverse proxy, put the"
            " name that the browser shows into dashboard_hosts.",
        )

    def cookie(self, environ: Environ) -> str | None:
        """The value of Set-Cookie for a request that brings the right token in its address.

        None if it does not, or where none is needed.
        """
        given = _queried_token(environ)
        if given is None or not self._opens(given):
            return None
        secure = "; Secure" if environ.get("wsgi.url_scheme") == "https" else ""
        path = environ.get("SCRIPT_NAME") or "/"
        return (
            f"{self._cookie_name}={self._cookie_value}; Path={path}; HttpOnly; SameSite=Strict"
            + secure
        )

    def _host_refusal(self, environ: Environ) -> Refusal | None:
        host = host_of(environ.get("HTTP_HOST", ""))
        if self._any_host or (host is not None and (host in self._hosts or _is_ip(host))):
            return None
        return Refusal(
            "421 Misdirected Request",
            "The dashboard does not answer to this name: a foreign page could make any name lead"
            " here. Use the IP address or localhost, or put the name into dashboard_hosts.",
        )

    def _method_refusal(self, environ: Environ) -> Refusal | None:
        if environ.get("REQUEST_METHOD") in ("GET", "HEAD"):
            return None
        return Refusal(
            "405 Method Not Allowed",
            "The dashboard is read: GET and HEAD are all it answers.",
            (("Allow", "GET, HEAD"),),
        )

    def _token_refusal(self, environ: Environ) -> Refusal | None:
        if self._token is None or self._has_cookie(environ):
            return None
        scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() == "bearer" and self._opens(given.strip()):
            return None
        return Refusal(
            "401 Unauthorized",
            "The dashboard of this cluster needs its token: open this address with ?token= and the"
            " token at its end, once; the browser then remembers. Programs send it as the header"
            " Authorization: Bearer.",
            (("WWW-Authenticate", 'Bearer realm="chatter dashboard"'),),
        )

    def _opens(self, given: str) -> bool:
        # Digests are of one length, and compared in constant time: the time that it takes tells
        # nothing about how much of a guess was right.
        return self._token is not None and hmac.compare_digest(self._token, _digest("token", given))

    def _has_cookie(self, environ: Environ) -> bool:
        for pair in environ.get("HTTP_COOKIE", "").split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self._cookie_name:
                return hmac.compare_digest(_digest("", value), _digest("", self._cookie_value))
        return False


def host_of(netloc: str) -> str | None:
    """The host of ``host``, ``host:port`` or ``[v6]:port``, in small letters; None if malformed."""
    if netloc.startswith("["):
        host, bracket, rest = netloc[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return None
        port = rest[1:]
    else:
        host, _, port = netloc.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit())):
        return None
    return host.lower()


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _queried_token(environ: Environ) -> str | None:
    # Not parse_qs: a token has no letters that need escaping, and this cannot fail.
    for part in str(environ.get("QUERY_STRING", "")).split("&"):
        if part.startswith("token="):
            return part.removeprefix("token=")
    return None


def _digest(purpose: str, text: str) -> bytes:
    return hashlib.sha256(f"chatter dashboard {purpose}:{text}".encode()).digest()
