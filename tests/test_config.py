"""Settings: bounds of every field, the environment, where keys come from, and what errors say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from chatter.config import (
    DEFAULT_MESSAGE_BYTES,
    DEFAULT_PORT,
    MAX_LABEL_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_STORE_BYTES,
    MAX_TOKEN_CHARS,
    MIN_TOKEN_CHARS,
    Config,
    bind_address,
    dashboard_address,
    inherited_socket,
    is_loopback_host,
)
from chatter.errors import ConfigError, MissingKey
from chatter.ids import NetID
from chatter.keys import format_key, parse_key

KEY, OTHER, THIRD = (format_key(bytes((number,)) * 32) for number in (1, 2, 3))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("CHATTER_"):
            monkeypatch.delenv(name)


def config(**fields: Any) -> Config:
    return Config(**({"key": KEY} | fields))


NUMBERS: list[tuple[str, float, float, float]] = [
    ("multicast_ttl", 0, 255, 4),
    ("max_message_bytes", 1, MAX_MESSAGE_BYTES, DEFAULT_MESSAGE_BYTES),
    ("store_bytes", 2**20 + 2, MAX_STORE_BYTES, 2**26),
    ("store_age_s", 1.0, 86400.0, 120.0),
    ("beacon_interval_s", 0.05, 60.0, 1.0),
    ("failure_timeout_s", 0.1, 86400.0, 10.0),
    ("evidence_timeout_s", 0.1, 86400.0, 15.0),
    ("connect_timeout_s", 0.05, 60.0, 3.0),
    ("repair_timeout_s", 0.1, 3600.0, 10.0),
    ("confirm_timeout_s", 0.05, 3600.0, 2.0),
    ("slow_after_s", 0.05, 3600.0, 1.0),
    ("slow_handler_s", 0.05, 3600.0, 1.0),
    ("send_timeout_s", 0.0, 3600.0, 5.0),
    ("stop_timeout_s", 0.0, 3600.0, 2.0),
]


def test_every_number_is_listed_here() -> None:
    fields = Config.__dataclass_fields__.values()

    numbers = {one.name for one in fields if one.init and type(one.default) in (int, float)}
    assert numbers == {name for name, *_ in NUMBERS}


@pytest.mark.parametrize(("name", "low", "high", "default"), NUMBERS)
def test_bounds(name: str, low: float, high: float, default: float) -> None:
    # Of two settings that bound each other, only one is looked at here.
    others: dict[str, float] = {}
    if name == "max_message_bytes":
        others = {"store_bytes": MAX_STORE_BYTES}
    if name == "store_bytes":
        others = {"max_message_bytes": 1}
    if name == "beacon_interval_s":
        others = {"failure_timeout_s": 86400.0}
    if name == "failure_timeout_s":
        others = {"beacon_interval_s": 0.05}
        low = 0.18  # the shortest pause times 3.5, and a little

    assert getattr(config(), name) == default
    for value in (low, high):
        assert getattr(config(**{name: value}, **others), name) == value
    below = -1 if low == 0 else low * 0.9 if isinstance(low, float) else low - 1
    refused: list[Any] = [below, high + 1, float("nan"), float("inf"), "1", None, True]
    for wrong in refused:
        with pytest.raises(ConfigError, match=f"^{name}: "):
            config(**{name: wrong}, **others)


@pytest.mark.parametrize("name", ["multicast_ttl", "max_message_bytes", "store_bytes"])
def test_counts_are_whole(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: a whole number"):
        config(**{name: 2.0})


def test_a_peer_is_not_failed_between_two_of_its_beacons() -> None:
    assert config(beacon_interval_s=2.0, failure_timeout_s=7.0).failure_timeout_s == 7.0
    with pytest.raises(ConfigError, match=r"failure_timeout_s: at least 3\.5 times"):
        config(beacon_interval_s=2.0, failure_timeout_s=6.9)


def test_the_store_holds_two_of_the_largest_payloads() -> None:
    assert config(max_message_bytes=1000, store_bytes=2**20 + 2000).store_bytes == 2**20 + 2000
    with pytest.raises(ConfigError, match=r"^store_bytes: at least 1050576"):
        config(max_message_bytes=1000, store_bytes=2**20 + 1999)
    with pytest.raises(ConfigError, match=r"^store_bytes: .* twice max_message_bytes"):
        config(max_message_bytes=MAX_MESSAGE_BYTES)  # the default store is too small for it


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"address": "localhost"}, "address: 'localhost' is not of the form address:port"),
        ({"address": "localhost:29999"}, "address: .*localhost"),
        ({"address": "10.0.0.1:65536"}, "address: '65536' is not a port"),
        ({"address": "::1:29999:"}, "address: "),
        ({"address": "fe80::1%eth0"}, "address: .* scope"),
        ({"address": "[fe80::1%eth0]:1"}, "address: .* scope"),
        ({"address": 29999}, "address: a text, not 29999"),
        ({"address": "0.0.0.0:29999"}, "address: 0.0.0.0 .* set advertise to IP:PORT"),
        ({"address": "0.0.0.0"}, "address: 0.0.0.0 .* set advertise to IP:PORT"),
        ({"address": "[::]:0"}, "address: :: .* set advertise to IP:PORT"),
        ({"advertise": "10.0.0.1"}, "advertise: '10.0.0.1' is not of the form"),
        ({"advertise": "node.example:29999"}, "advertise: .*node.example"),
        ({"advertise": "0.0.0.0:29999"}, "advertise: nobody can reach 0.0.0.0"),
        ({"advertise": "224.1.1.1:29999"}, "advertise: nobody can reach 224.1.1.1"),
        ({"multicast": "224.1.1.1:29999"}, r"multicast: a list .*\['224.1.1.1:29999'\]"),
        ({"multicast": ["224.1.1.1"]}, "multicast: '224.1.1.1' is not of the form"),
        ({"multicast": ["10.0.0.1:29999"]}, "multicast: 10.0.0.1 is not a group; .*239.255"),
        ({"multicast": ["224.1.1.1:0"]}, "multicast: .* not 0"),
        ({"multicast": [29999]}, "multicast: a list of texts"),
        ({"multicast": 29999}, "multicast: a list of texts"),
        ({"join": "10.0.0.1:29999"}, r"join: a list .*\['10.0.0.1:29999'\]"),
        ({"join": ["node.example"]}, "join: 'node.example' is not of the form"),
        ({"join": ["node.example:0"]}, "join: .* not 0"),
        ({"join": ["10.0.0.1:9999999"]}, "join: '9999999' is not a port"),
        ({"join": None}, "join: a list of texts"),
        ({"interface": "eth0"}, "interface: 'eth0' is not an IP address"),
        ({"interface": 5}, "interface: a text"),
        ({"label": "x" * (MAX_LABEL_BYTES + 1)}, "label: .* at most 64 bytes"),
        ({"label": "ü" * 33}, "label: .* at most 64 bytes"),
        ({"label": "\ud800"}, "label: a printable name"),
        ({"label": None}, "label: a text"),
        ({"dashboard": 8000}, "dashboard: a text, not 8000"),
        ({"dashboard": "8000"}, "dashboard: '8000' is not of the form .* 127.0.0.1:8000"),
        ({"dashboard": "localhost"}, "dashboard: 'localhost' is not of the form"),
        ({"dashboard": "localhost:65536"}, "dashboard: '65536' is not a port"),
        ({"dashboard": "127.0.0.1.5:80"}, "dashboard: '127.0.0.1.5' is neither an IP nor a name"),
        ({"dashboard": "http://localhost:80"}, "dashboard: "),
        ({"dashboard": "a b:80"}, "dashboard: 'a b' is neither"),
        ({"dashboard": "*:80"}, "dashboard: '[*]' is neither"),
        ({"dashboard": "224.1.1.1:80"}, "dashboard: no browser finds 224.1.1.1"),
        ({"dashboard": "[fe80::1%eth0]:80"}, "dashboard: no browser finds fe80::1%eth0"),
        ({"dashboard": "fd://"}, "dashboard: 'fd://': .*fd://3"),
        ({"dashboard": "fd://-1"}, "dashboard: 'fd://-1'"),
        ({"dashboard": "fd://x"}, "dashboard: 'fd://x'"),
        ({"dashboard": "0.0.0.0:80"}, "dashboard: whoever reaches 0.0.0.0 .*dashboard_token"),
        ({"dashboard": "[::]:80"}, "dashboard: whoever reaches :: .*secrets.token_urlsafe"),
        ({"dashboard": "10.0.0.1:80"}, "dashboard: whoever reaches 10.0.0.1"),
        ({"dashboard": "node.example:80"}, "dashboard: whoever reaches node.example"),
        ({"dashboard_send": 1}, "dashboard_send: True or False, not 1"),
        ({"dashboard_send": None}, "dashboard_send: True or False"),
        ({"dashboard_hosts": "dash.example"}, r"dashboard_hosts: a list .*\['dash.example'\]"),
        ({"dashboard_hosts": ["dash.example:80"]}, "dashboard_hosts: 'dash.example:80' is not"),
        ({"dashboard_hosts": ["https://dash"]}, "dashboard_hosts: 'https://dash' is not the name"),
        ({"dashboard_hosts": ["*"]}, "dashboard_hosts: "),
        ({"dashboard_hosts": [""]}, "dashboard_hosts: "),
        ({"dashboard_hosts": [5]}, "dashboard_hosts: a list of texts"),
    ],
)
def test_what_cannot_work_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        config(**fields)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("192.168.1.10", ("192.168.1.10", None)),
        ("192.168.1.10:0", ("192.168.1.10", 0)),
        ("192.168.1.10:29999", ("192.168.1.10", 29999)),
        ("::1", ("::1", None)),
        ("[::1]:7", ("::1", 7)),
    ],
)
def test_an_address_may_go_without_a_port(text: str, bound: tuple[str, int | None]) -> None:
    assert bind_address(text) == bound
    assert config(address=text).address == text


def test_a_wildcard_works_with_advertise() -> None:
    made = config(address="0.0.0.0:29999", advertise="10.0.0.1:0")

    assert (made.address, made.advertise) == ("0.0.0.0:29999", "10.0.0.1:0")


def test_sequences_of_any_kind() -> None:
    made = config(
        multicast=iter(["224.1.1.1:29999", "[ff02::1]:30000"]),
        join=["node.example:29999", "[::1]:7"],
        label="x" * MAX_LABEL_BYTES,
    )

    assert made.groups == (NetID("224.1.1.1", 29999), NetID("ff02::1", 30000))
    assert made.join == ("node.example:29999", "[::1]:7")
    assert config(multicast=[]).groups == ()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        config().label = "other"  # type: ignore[misc]


# The environment


def test_without_an_environment() -> None:
    made = config()

    assert made.address is None
    assert made.default_port == DEFAULT_PORT == 29999
    assert made.groups == (NetID("224.1.1.1", 29999),)
    assert Config.from_env(key=KEY) == made


@pytest.mark.parametrize("make", [Config, Config.from_env])
def test_the_environment_fills_what_was_not_given(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "CHATTER_ADDRESS": "10.0.0.1",
        "CHATTER_PORT": "1234",
        "CHATTER_MULTICAST_ADDRESS": "239.0.0.7",
        "CHATTER_MULTICAST_PORT": "4321",
        "CHATTER_KEY": OTHER,
    }.items():
        monkeypatch.setenv(name, value)

    made = make()

    assert made.address == "10.0.0.1"
    assert made.default_port == 1234
    assert made.groups == (NetID("239.0.0.7", 4321),)
    assert made.secrets == (parse_key(OTHER),)
    given = make(address="127.0.0.1:0", multicast=[], key=KEY)
    assert (given.address, given.groups) == ("127.0.0.1:0", ())
    assert given.secrets == (parse_key(KEY),)


def test_from_env_reads_the_ttl_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTER_MULTICAST_TTL", "9")

    assert Config.from_env(key=KEY).multicast_ttl == 9
    assert Config.from_env(key=KEY, multicast_ttl=1).multicast_ttl == 1


def test_an_override_of_none_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTER_ADDRESS", "10.0.0.1:7")
    monkeypatch.setenv("CHATTER_MULTICAST_PORT", "4321")

    made = Config.from_env(key=KEY, address=None, multicast=None, label=None, join=None)

    assert (made.address, made.label, made.join) == ("10.0.0.1:7", "", ())
    assert made.groups == (NetID("224.1.1.1", 4321),)


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADDRESS", "PORT", "MULTICAST_ADDRESS", "MULTICAST_PORT", "MULTICAST_TTL"):
        monkeypatch.setenv(f"CHATTER_{name}", "")

    assert Config.from_env(key=KEY) == config()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CHATTER_PORT", "http", "CHATTER_PORT: a number from 0 to 65535, not 'http'"),
        ("CHATTER_PORT", "65536", "CHATTER_PORT: a number from 0 to 65535"),
        ("CHATTER_PORT", "9" * 5000, "CHATTER_PORT: a number from 0 to 65535"),
        ("CHATTER_MULTICAST_PORT", "-1", "CHATTER_MULTICAST_PORT: a number"),
        ("CHATTER_MULTICAST_PORT", "0", "multicast: .* not 0"),
        ("CHATTER_MULTICAST_TTL", "256", "CHATTER_MULTICAST_TTL: a number from 0 to 255"),
        ("CHATTER_MULTICAST_ADDRESS", "10.0.0.1", "multicast: 10.0.0.1 is not a group"),
        ("CHATTER_ADDRESS", "localhost", "address: 'localhost'"),
    ],
)
def test_a_variable_that_cannot_work_is_named(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match=f"^{message}"):
        Config.from_env(key=KEY)


@pytest.mark.parametrize("name", ["adress", "secrets", "default_port"])
def test_an_unknown_setting_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: there is no such setting"):
        Config.from_env(key=KEY, **{name: "x"})


# The dashboard

TOKEN = "-._~0Az" + "x" * 9


@pytest.mark.parametrize(
    ("text", "address", "loopback"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0), True),
        ("127.9.9.9:8000", ("127.9.9.9", 8000), True),
        ("[::1]:8000", ("::1", 8000), True),
        ("LocalHost:8000", ("localhost", 8000), True),
        ("0.0.0.0:8000", ("0.0.0.0", 8000), False),
        ("[::]:8000", ("::", 8000), False),
        ("node.example:8000", ("node.example", 8000), False),
        ("localhost.example:8000", ("localhost.example", 8000), False),
    ],
)
def test_where_a_dashboard_may_be(text: str, address: tuple[str, int], loopback: bool) -> None:
    assert dashboard_address(text) == address
    assert is_loopback_host(address[0]) == loopback
    assert config(dashboard=text, dashboard_token=TOKEN).dashboard == text
    if loopback:
        assert config(dashboard=text).dashboard_token is None


def test_a_socket_that_is_passed_on() -> None:
    assert inherited_socket("fd://3") == 3
    assert inherited_socket("localhost:3") is None
    assert config(dashboard="fd://3").dashboard == "fd://3"


@pytest.mark.parametrize("length", [MIN_TOKEN_CHARS, MAX_TOKEN_CHARS])
def test_a_token(length: int) -> None:
    assert config(dashboard_token="x" * length).dashboard_token == "x" * length


@pytest.mark.parametrize(
    "token",
    [
        *("x" * (MIN_TOKEN_CHARS - 1), "x" * (MAX_TOKEN_CHARS + 1), "", TOKEN + "\n", TOKEN + " "),
        *(TOKEN + "&", TOKEN + "ü", TOKEN.encode(), 1234567890123456),
    ],
)
def test_what_is_no_token_is_refused_and_never_repeated(token: Any) -> None:
    with pytest.raises(ConfigError, match=r"^dashboard_token: .*secrets\.token_urlsafe") as caught:
        config(dashboard="localhost:80", dashboard_token=token)
    assert not token or str(token) not in str(caught.value)


def test_a_token_is_never_shown() -> None:
    made = config(dashboard="localhost:80", dashboard_token=TOKEN)
    assert TOKEN not in repr(made) + str(made)


@pytest.mark.parametrize("make", [Config, Config.from_env])
def test_the_dashboard_of_the_environment(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTER_DASHBOARD", "0.0.0.0:8000")
    monkeypatch.setenv("CHATTER_DASHBOARD_TOKEN", TOKEN)
    made = make(key=KEY)
    assert (made.dashboard, made.dashboard_token) == ("0.0.0.0:8000", TOKEN)
    given = make(key=KEY, dashboard="localhost:80", dashboard_token=TOKEN * 2)
    assert (given.dashboard, given.dashboard_token) == ("localhost:80", TOKEN * 2)
    monkeypatch.setenv("CHATTER_DASHBOARD_TOKEN", "short")
    with pytest.raises(ConfigError, match=r"^dashboard_token: "):
        make(key=KEY)
    # None at all, whatever the environment says: not even its mistakes count.
    none = make(key=KEY, dashboard="")
    assert (none.dashboard, none.dashboard_token) == (None, None)
    monkeypatch.setenv("CHATTER_DASHBOARD", "")
    assert make(key=KEY).dashboard is None


# Keys


def test_where_a_key_comes_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is given, then CHATTER_KEY, then the file."""
    path = tmp_path / "keys"
    path.write_text(f"\n{THIRD}\n\n  {OTHER}\n")

    assert Config(key_file=str(path)).secrets == (parse_key(THIRD), parse_key(OTHER))
    monkeypatch.setenv("CHATTER_KEY", OTHER)
    assert Config(key_file=str(path)).secrets == (parse_key(OTHER),)
    assert Config(key_file=str(path), key=KEY).secrets == (parse_key(KEY),)
    assert Config(key=[THIRD, KEY]).secrets == (parse_key(THIRD), parse_key(KEY))


@pytest.mark.parametrize("fields", [{}, {"key": []}, {"key": ()}])
def test_no_key_means_no_start(fields: dict[str, Any]) -> None:
    with pytest.raises(MissingKey, match=r"chatter keygen.* CHATTER_KEY, key= or key_file="):
        Config(**fields)


@pytest.mark.parametrize("lines", ["", "\n \n"])
def test_an_empty_key_file_is_no_key(lines: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(lines)

    with pytest.raises(MissingKey, match="chatter keygen"):
        Config(key_file=str(path))


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent"

    with pytest.raises(MissingKey, match=r"absent: No such file.*chatter keygen --out FILE"):
        Config(key_file=str(path))


SECRETS = ["tr0ub4dor&3 xkcd 936", KEY[:-3] + "AAA", KEY[:30], b"bytes are no text", 12345678]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("way", ["key", "keys", "environment", "file"])
def test_what_is_no_key_is_refused_and_never_repeated(
    secret: Any, way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fields: dict[str, Any] = {}
    if way in ("key", "keys"):
        fields["key"] = secret if way == "key" else [KEY, secret]
    elif way == "environment":
        monkeypatch.setenv("CHATTER_KEY", str(secret))
    else:
        path = tmp_path / "keys"
        path.write_text(str(secret))
        fields["key_file"] = str(path)

    with pytest.raises(MissingKey, match="chatter keygen") as caught:
        Config(**fields)

    shown = str(caught.value)
    assert str(secret) not in shown
    assert str(secret)[-8:] not in shown


def test_a_key_is_never_shown() -> None:
    made = config(key=[KEY, OTHER])

    for text in (repr(made), str(made)):
        assert KEY not in text
        assert repr(made.secrets[0]) not in text
        assert "secrets" not in text
