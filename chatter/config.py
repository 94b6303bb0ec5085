"""Every setting of a node: meaning, unit, bounds. Validated in one place, read-only afterwards.

This is the only reader of the environment.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from chatter.errors import ConfigError, MissingKey
from chatter.ids import NetID, split_address
from chatter.keys import parse_key

DEFAULT_PORT = 29999
DEFAULT_GROUP = "224.1.1.1"
DEFAULT_TTL = 4

# The most that max_message_bytes may be. Payloads that are being put together may take 64 MiB, so
# at this size two origins can still be heard at the same time.
MAX_MESSAGE_BYTES = 32 * 1024 * 1024

DEFAULT_MESSAGE_BYTES = 16 * 1024 * 1024

# What the store holds beside two of the largest payloads: at 128 bytes each, about the last
# thousand small ones, so that a large one does not push out all that may still be asked for.
SMALL_STORE_BYTES = 1024 * 1024

# A machine that can spare more for its store is rare; more is a mistake in the unit.
MAX_STORE_BYTES = 64 * 1024 * 1024 * 1024

# Receivers authenticate the label with every frame, so it is kept to the length of a name.
MAX_LABEL_BYTES = 64

# What `secrets.token_urlsafe(12)` makes, 96 bits, cannot be guessed at any rate. Above the upper
# bound a token no longer fits the first line of a request beside a long address.
MIN_TOKEN_CHARS = 16
MAX_TOKEN_CHARS = 256

# Letters that need no escaping in an address, a header or a cookie; nothing to get wrong by hand.
_TOKEN = re.compile(r"[A-Za-z0-9._~-]*")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_TOKEN_ADVICE = '`python -c "import secrets; print(secrets.token_urlsafe())"` makes one'


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of one node. Durations are seconds.

    Raises:
        ConfigError: by the constructor; names the field and what to do.
        MissingKey: by the constructor, when neither ``key``, CHATTER_KEY nor ``key_file`` has one.
    """

    address: str | None = None
    """IP:PORT to bind and, without ``advertise``, to be known by. Port 0 picks a free one. An IP
    alone: with CHATTER_PORT (29999) if that is free, else a free port. Unset: the same, on
    CHATTER_ADDRESS, else on the address of the default route."""

    advertise: str | None = None
    """IP:PORT to be known by, where it is another than the bound one. A wildcard ``address`` needs
    it. Port 0 stands for the port that was bound."""

    multicast: Sequence[str] | None = None
    """GROUP:PORT each. Unset: CHATTER_MULTICAST_ADDRESS (224.1.1.1) and CHATTER_MULTICAST_PORT
    (29999). Empty: no multicast at all."""

    interface: str | None = None
    """The IP of the interface whose multicasts are sent and heard. Unset: that of ``address``."""

    multicast_ttl: int = DEFAULT_TTL
    """Routers a multicast may pass, 0 to 255. On loopback it is 0 whatever stands here."""

    join: Sequence[str] = ()
    """HOST:PORT of nodes to meet across networks. Tried with growing pauses until they answer, and
    again whenever they are gone. One that answers is enough: it tells of the others."""

    key: str | Sequence[str] | None = field(default=None, repr=False)
    """The text that ``chatter keygen`` prints, or several: the first seals, each opens. Unset:
    CHATTER_KEY, then ``key_file``."""

    key_file: str | None = None
    """A file with one such text a line, the first sealing."""

    label: str = ""
    """Names a cluster among those that share a key: frames with another label do not open."""

    max_message_bytes: int = DEFAULT_MESSAGE_BYTES
    """The largest encoded payload, 1 to 33,554,432 bytes (32 MiB). The same in the whole cluster: a
    node refuses what is above its own."""

    store_bytes: int = 64 * 1024 * 1024
    """How much of recent broadcasts a node keeps for those who missed them: at least twice
    ``max_message_bytes`` and 1 MiB, at most 64 GiB."""

    store_age_s: float = 120.0
    """For how long it keeps them, 1 to 86,400. Who was away for longer is told of a gap."""

    beacon_interval_s: float = 1.0
    """Pause between a node's rounds, 0.05 to 60; in each it may send a beacon. Grows to n/50 s with
    n nodes in the segment, so that a segment hears at most 50 beacons a second. Where all hear each
    other and nothing changes, beacons come up to four rounds apart, but not farther than two fifths
    of ``failure_timeout_s``."""

    failure_timeout_s: float = 10.0
    """A peer that nobody has heard for so long is failed; at least 3.5 beacons (which is also what
    it grows to in large segments, as three lost beacons in a row must not fail a peer)."""

    evidence_timeout_s: float = 15.0
    """For so long, or three and a half of the longest pauses between two beacons, a peer that said
    it hears our multicasts is served by them."""

    connect_timeout_s: float = 3.0
    """How long a TCP connect and the first exchange on it may take, 0.05 to 60."""

    repair_timeout_s: float = 10.0
    """How long a node goes on asking for a broadcast that it missed before it reports a gap, and
    an ``ordered`` handler waits for it, 0.1 to 3600."""

    confirm_timeout_s: float = 2.0
    """How long a confirmed broadcast may take until its receipt is settled, where ``broadcast`` is
    given no ``timeout``, 0.05 to 3600."""

    slow_after_s: float = 1.0
    """A peer that takes nothing for so long is no longer waited for, 0.05 to 3600. It gets what it
    missed by repair, or is told of a gap."""

    slow_handler_s: float = 1.0
    """A handler whose queue stays above its bound for so long loses what comes until it has caught
    up, 0.05 to 3600. Until then its queue slows down the senders."""

    send_timeout_s: float = 5.0
    """How long ``broadcast`` waits for room in the node's own queue before it raises QueueFull,
    0 to 3600. Inside a handler it never waits."""

    stop_timeout_s: float = 2.0
    """How long ``stop`` and the end of ``with`` go on sending what is queued, 0 to 3600."""

    leave_on_sigterm: bool = True
    """Whether SIGTERM makes the node leave before the process ends. Only in programs that do not
    handle the signal themselves, and in those that start the node in their main thread."""

    dashboard: str | None = None
    """HOST:PORT where a browser finds the dashboard; port 0 picks a free one. Or ``fd://N``: a
    listening TCP socket that this process was given as descriptor N. Any HOST but localhost and
    the IPs of loopback needs ``dashboard_token``. Unset: CHATTER_DASHBOARD, else none; an empty
    text is none whatever the environment says."""

    dashboard_token: str | None = field(default=None, repr=False)
    """What a browser has to know to see the dashboard: 16 to 256 letters, digits and ``-._~``.
    Unset: CHATTER_DASHBOARD_TOKEN, else none."""

    dashboard_send: bool = False
    """Whether the dashboard may send test broadcasts; whoever sees it can then speak to all."""

    dashboard_hosts: Sequence[str] = ()
    """Names by which the dashboard may be asked for besides ``dashboard``'s own, localhost and IP
    addresses: those that a reverse proxy passes on. Without ports."""

    secrets: tuple[bytes, ...] = field(default=(), init=False, repr=False, compare=False)
    """The 32 secret bytes of each key, as the key ring takes them."""

    default_port: int = field(default=DEFAULT_PORT, init=False)
    """The port to try first where ``address`` names none: CHATTER_PORT, else 29999."""

    def __post_init__(self) -> None:
        self._fill_from_environ()
        self._check_texts()
        self._check_addresses()
        self._check_numbers()
        self._check_dashboard()
        object.__setattr__(self, "secrets", tuple(parse_key(text) for text in self._key_texts()))

    @classmethod
    def from_env(cls, **overrides: Any) -> Config:
        """The settings of the CHATTER_* variables; what is given here goes first.

        CHATTER_ADDRESS and CHATTER_PORT, CHATTER_MULTICAST_ADDRESS and CHATTER_MULTICAST_PORT,
        CHATTER_MULTICAST_TTL, CHATTER_KEY, CHATTER_DASHBOARD and CHATTER_DASHBOARD_TOKEN. An
        override that is None counts as not given.

        Raises:
            ConfigError: names the variable or field that cannot work.
        """
        return cls(**{**_from_environ(os.environ), **_given(overrides)})

    @property
    def groups(self) -> tuple[NetID, ...]:
        """The multicast groups."""
        return tuple(NetID.parse(text) for text in self.multicast or ())

    def _fill_from_environ(self) -> None:
        # These default to the environment even where Config is made by hand, so that
        # an application that sets one field keeps what its operator set for the rest.
        object.__setattr__(
            self, "default_port", _number(os.environ, "CHATTER_PORT", DEFAULT_PORT, 65535)
        )
        if self.address is None:
            object.__setattr__(self, "address", os.environ.get("CHATTER_ADDRESS") or None)
        if self.multicast is None:
            group = join_address(*_environment_group(os.environ))
            object.__setattr__(self, "multicast", (group,))
        if self.dashboard is None:
            object.__setattr__(self, "dashboard", os.environ.get("CHATTER_DASHBOARD"))
        if self.dashboard == "":
            object.__setattr__(self, "dashboard", None)
        elif self.dashboard is not None and self.dashboard_token is None:
            token = os.environ.get("CHATTER_DASHBOARD_TOKEN") or None
            object.__setattr__(self, "dashboard_token", token)

    def _check_texts(self) -> None:
        # A number would pass for an address: ipaddress takes 29999 for 0.0.117.47.
        for name in ("address", "advertise", "interface", "label", "dashboard"):
            value = getattr(self, name)
            if not isinstance(value, str) and (value is not None or name == "label"):
                raise ConfigError(f"{name}: a text, not {value!r}")
        for name in ("multicast", "join", "dashboard_hosts"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise ConfigError(f"{name}: a list of texts, not one text: [{value!r}]")
            texts = tuple(value) if isinstance(value, Iterable) else (value,)
            if not all(isinstance(text, str) for text in texts):
                raise ConfigError(f"{name}: a list of texts, not {value!r}")
            object.__setattr__(self, name, texts)
        if not self.label.isprintable() or len(self.label.encode()) > MAX_LABEL_BYTES:
            raise ConfigError(f"label: a printable name of at most {MAX_LABEL_BYTES} bytes")

    def _check_addresses(self) -> None:
        if self.address is not None:
            ip, _ = bind_address(self.address)
            if ipaddress.ip_address(ip).is_unspecified and self.advertise is None:
                raise ConfigError(
                    f"address: {ip} says which interfaces to listen on, not where others reach"
                    " this node: set advertise to IP:PORT as well"
                )
        if self.advertise is not None:
            ip, _ = _address("advertise", self.advertise)
            known_by = ipaddress.ip_address(ip)
            if known_by.is_unspecified or known_by.is_multicast:
                raise ConfigError(f"advertise: nobody can reach {ip}; give this node's address")
        for text in self.multicast or ():
            ip, port = _address("multicast", text)
            if not ipaddress.ip_address(ip).is_multicast:
                raise ConfigError(
                    f"multicast: {ip} is not a group; IPv4 groups are 224.0.0.0 to 239.255.255.255"
                )
            if not port:
                raise ConfigError("multicast: a group needs a port that all nodes share, not 0")
        for text in self.join:
            try:
                _, port = split_address(text)
            except ValueError as error:
                raise ConfigError(f"join: {error}") from None
            if not port:
                raise ConfigError(f"join: {text!r}: a node to join has a port, not 0")
        if self.interface is not None:
            try:
                ipaddress.ip_address(self.interface)
            except ValueError:
                raise ConfigError(
                    f"interface: {self.interface!r} is not an IP address of this machine"
                ) from None

    def _check_numbers(self) -> None:
        for name, low, high in (
            ("multicast_ttl", 0, 255),
            ("max_message_bytes", 1, MAX_MESSAGE_BYTES),
            ("store_bytes", SMALL_STORE_BYTES, MAX_STORE_BYTES),
            ("store_age_s", 1.0, 86400.0),
            ("beacon_interval_s", 0.05, 60.0),
            ("failure_timeout_s", 0.1, 86400.0),
            ("evidence_timeout_s", 0.1, 86400.0),
            ("connect_timeout_s", 0.05, 60.0),
            ("repair_timeout_s", 0.1, 3600.0),
            ("confirm_timeout_s", 0.05, 3600.0),
            ("slow_after_s", 0.05, 3600.0),
            ("slow_handler_s", 0.05, 3600.0),
            ("send_timeout_s", 0.0, 3600.0),
            ("stop_timeout_s", 0.0, 3600.0),
        ):
            value = getattr(self, name)
            whole = isinstance(low, int)
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                raise ConfigError(
                    f"{name}: a {'whole number' if whole else 'number'}, not {value!r}"
                )
            if not low <= value <= high:
                raise ConfigError(f"{name}: from {low} to {high}, not {value}")
        if self.failure_timeout_s < 3.5 * self.beacon_interval_s:
            raise ConfigError(
                "failure_timeout_s: at least 3.5 times beacon_interval_s, or a peer fails"
                " between two of its beacons"
            )
        least = 2 * self.max_message_bytes + SMALL_STORE_BYTES
        if self.store_bytes < least:
            raise ConfigError(
                f"store_bytes: at least {least}, twice max_message_bytes and 1 MiB, or one large"
                " payload pushes out all that others may still ask for"
            )

    def _check_dashboard(self) -> None:
        token = self.dashboard_token
        if token is not None:
            # Never repeated: whoever reads the message need not be who may see the dashboard.
            if not isinstance(token, str) or not _TOKEN.fullmatch(token):
                raise ConfigError(
                    f"dashboard_token: a text of letters, digits and -._~; {_TOKEN_ADVICE}"
                )
            if not MIN_TOKEN_CHARS <= len(token) <= MAX_TOKEN_CHARS:
                raise ConfigError(
                    f"dashboard_token: {MIN_TOKEN_CHARS} to {MAX_TOKEN_CHARS} characters, not"
                    f" {len(token)}; {_TOKEN_ADVICE}"
                )
        if not isinstance(self.dashboard_send, bool):
            raise ConfigError(f"dashboard_send: True or False, not {self.dashboard_send!r}")
        for name in self.dashboard_hosts:
            if not _HOST_NAME.fullmatch(name):
                raise ConfigError(
                    f"dashboard_hosts: {name!r} is not the name of a host, as dash.example is:"
                    " no scheme, no port"
                )
        if self.dashboard is None or inherited_socket(self.dashboard) is not None:
            return  # where a socket that we are given is bound shows when it is taken
        host, _ = dashboard_address(self.dashboard)
        if token is None and not is_loopback_host(host):
            raise ConfigError(needs_token(host))

    def _key_texts(self) -> list[str]:
        if self.key is not None:
            if not isinstance(self.key, Iterable):
                raise MissingKey("key: the text that `chatter keygen` prints, or several in a list")
            texts = [self.key] if isinstance(self.key, str) else list(self.key)
        elif os.environ.get("CHATTER_KEY"):
            texts = [os.environ["CHATTER_KEY"]]
        elif self.key_file is not None:
            try:
                lines = Path(self.key_file).read_text(encoding="ascii", errors="replace")
            except OSError as error:
                raise MissingKey(
                    f"key_file: {self.key_file}: {error.strerror}; `chatter keygen --out FILE`"
                    " makes one"
                ) from None
            texts = [line for line in lines.splitlines() if line.strip()]
        else:
            texts = []
        if not texts:
            raise MissingKey(
                "no key: every frame is sealed, so each node of a cluster needs the same one. Make"
                " it with `chatter keygen` and set CHATTER_KEY, key= or key_file="
            )
        for text in texts:
            if not isinstance(text, str):
                raise MissingKey("key: texts that `chatter keygen` prints, not bytes or numbers")
        return texts


def bind_address(text: str) -> tuple[str, int | None]:
    """The IP and port of ``address``; no port where it names none.

    Raises:
        ConfigError: neither IP:PORT nor an IP.
    """
    try:
        ip, port = str(ipaddress.ip_address(text)), None
    except ValueError:
        return _address("address", text)
    return _without_scope("address", ip), port


def inherited_socket(text: str) -> int | None:
    """The descriptor that ``dashboard`` names as ``fd://N``; None where it names an address.

    Raises:
        ConfigError: it begins like one and has no number.
    """
    if not text.startswith("fd://"):
        return None
    number = text.removeprefix("fd://")
    if not (number.isascii() and number.isdigit() and len(number) <= 5):
        raise ConfigError(f"dashboard: {text!r}: fd:// and the number of a descriptor, as fd://3")
    return int(number)


def dashboard_address(text: str) -> tuple[str, int]:
    """The host and port of ``dashboard``; the host is an IP or a name.

    Raises:
        ConfigError: not of the form HOST:PORT, or a host that cannot be listened on.
    """
    try:
        host, port = split_address(text)
    except ValueError as error:
        raise ConfigError(f"dashboard: {error}, as 127.0.0.1:8000 is") from None
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        # What looks like a number is a mistyped IP: no name of a host ends in one.
        if not _HOST_NAME.fullmatch(host) or host.rpartition(".")[2].isdigit():
            raise ConfigError(f"dashboard: {host!r} is neither an IP nor a name") from None
        return host.lower(), port
    if ip.is_multicast or "%" in host:
        raise ConfigError(f"dashboard: no browser finds {host}; give an IP of this machine")
    return str(ip), port


def is_loopback_host(host: str) -> bool:
    """Whether only this machine reaches what listens on this IP or name.

    Of names only ``localhost`` is known not to mean another address tomorrow.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def needs_token(host: str) -> str:
    """What to tell who would show the dashboard to everybody that reaches ``host``."""
    return (
        f"dashboard: whoever reaches {host} would see the whole cluster: set dashboard_token"
        f" (CHATTER_DASHBOARD_TOKEN), {_TOKEN_ADVICE}; or bind it to 127.0.0.1"
    )


def no_such_setting(name: str) -> ConfigError:
    """What to tell who gave a keyword that is no field of Config."""
    known = [one.name for one in fields(Config) if one.init]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return ConfigError(f"{name}: there is no such setting{hint}")


def _given(overrides: Mapping[str, Any]) -> dict[str, Any]:
    known = {one.name for one in fields(Config) if one.init}
    for name in overrides:
        if name not in known:
            raise no_such_setting(name)
    return {name: value for name, value in overrides.items() if value is not None}


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if environ.get("CHATTER_ADDRESS"):
        found["address"] = environ["CHATTER_ADDRESS"]
    if environ.get("CHATTER_MULTICAST_ADDRESS") or environ.get("CHATTER_MULTICAST_PORT"):
        found["multicast"] = (join_address(*_environment_group(environ)),)
    if environ.get("CHATTER_MULTICAST_TTL"):
        found["multicast_ttl"] = _number(environ, "CHATTER_MULTICAST_TTL", DEFAULT_TTL, 255)
    if environ.get("CHATTER_KEY"):
        found["key"] = environ["CHATTER_KEY"]
    return found


def join_address(ip: str, port: int) -> str:
    """An address and port as one text, IPv6 in brackets."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _environment_group(environ: Mapping[str, str]) -> tuple[str, int]:
    group = environ.get("CHATTER_MULTICAST_ADDRESS") or DEFAULT_GROUP
    return group, _number(environ, "CHATTER_MULTICAST_PORT", DEFAULT_PORT, 65535)


def _number(environ: Mapping[str, str], name: str, default: int, highest: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= 5) or int(text) > highest:
        raise ConfigError(f"{name}: a number from 0 to {highest}, not {text!r}")
    return int(text)


def _address(name: str, text: str) -> tuple[str, int]:
    try:
        ip, port = split_address(text)
        ip = str(ipaddress.ip_address(ip))
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
    return _without_scope(name, ip), port


def _without_scope(name: str, ip: str) -> str:
    if "%" in ip:
        raise ConfigError(
            f"{name}: {ip}: a scope means nothing to other hosts; use an address"
            " that every node can reach"
        )
    return ip
