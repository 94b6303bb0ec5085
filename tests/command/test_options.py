"""From the command line to a Config: what was said, then the environment, then the defaults."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from chatter import Config, generate_key
from chatter.command.failures import BadOptions
from chatter.command.options import (
    DashboardOptions,
    MemberOptions,
    dashboard_options,
    member_options,
    visiting_config,
)

NOTHING = MemberOptions(
    address=None,
    advertise=None,
    multicast=None,
    interface=None,
    join=None,
    key_file=None,
    label=None,
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADDRESS", "PORT", "MULTICAST_ADDRESS", "MULTICAST_PORT", "MULTICAST_TTL"):
        monkeypatch.delenv(f"CHATTER_{name}", raising=False)
    for name in ("DASHBOARD", "DASHBOARD_TOKEN"):
        monkeypatch.delenv(f"CHATTER_{name}", raising=False)
    monkeypatch.setenv("CHATTER_KEY", generate_key())


def parse(*arguments: str) -> tuple[Result, list[MemberOptions]]:
    seen: list[MemberOptions] = []

    @click.command()
    @member_options
    def command(member: MemberOptions) -> None:
        seen.append(member)

    return CliRunner().invoke(command, arguments), seen


def test_nothing_said_is_left_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTER_MULTICAST_ADDRESS", "239.1.2.3")
    _, [member] = parse()
    assert member == NOTHING
    assert member.config().multicast == ("239.1.2.3:29999",)


def test_everything_said() -> None:
    _, [member] = parse(
        *("--address", "127.0.0.1:0", "--advertise", "127.0.0.1:5", "--interface", "127.0.0.1"),
        *("--multicast", "239.1.1.1:4", "--multicast", "239.1.1.2:4", "--label", "blue"),
        *("--join", "a.example:1", "--join", "b.example:2"),
    )
    config = member.config()
    assert config.address == "127.0.0.1:0"
    assert config.advertise == "127.0.0.1:5"
    assert config.interface == "127.0.0.1"
    assert config.multicast == ("239.1.1.1:4", "239.1.1.2:4")
    assert config.join == ("a.example:1", "b.example:2")
    assert config.label == "blue"


def test_no_multicast_is_none_at_all() -> None:
    _, [member] = parse("--no-multicast")
    assert member.config().multicast == ()
    result, seen = parse("--no-multicast", "--multicast", "239.1.1.1:4")
    assert result.exit_code == 2
    assert not seen


def test_a_key_file_goes_before_the_environment(tmp_path: Path) -> None:
    key = generate_key()
    path = tmp_path / "key"
    path.write_text(f"{key}\n\n")
    _, [member] = parse("--key-file", str(path))
    assert member.config().secrets == Config(key=key).secrets


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), ("\n", "empty"), ("secret", "passphrase")]
)
def test_a_key_file_without_a_key(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)
    _, [member] = parse("--key-file", str(path))
    with pytest.raises(BadOptions, match=reason):
        member.config()


@pytest.mark.parametrize(
    ("option", "value", "field"),
    [
        ("--address", "nonsense", "address"),
        ("--multicast", "10.0.0.1:1", "multicast"),
        ("--join", "host", "join"),
        ("--interface", "eth0", "interface"),
    ],
)
def test_what_makes_no_sense_is_named(option: str, value: str, field: str) -> None:
    _, [member] = parse(option, value)
    with pytest.raises(BadOptions, match=field):
        member.config()


def test_a_visitor_takes_a_free_port_wherever_the_address_comes_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, [member] = parse("--interface", "127.0.0.1")
    assert visiting_config(member).address == "127.0.0.1:0"
    monkeypatch.setenv("CHATTER_ADDRESS", "127.0.0.2")
    monkeypatch.setenv("CHATTER_PORT", "4000")
    assert visiting_config(NOTHING).address == "127.0.0.2:0"
    monkeypatch.setenv("CHATTER_ADDRESS", "::1")
    assert visiting_config(NOTHING).address == "[::1]:0"
    _, [member] = parse("--address", "127.0.0.1:5")
    assert visiting_config(member).address == "127.0.0.1:5"


def test_a_visitor_joins_those_it_wants_to_tell() -> None:
    _, [member] = parse("--address", "127.0.0.1:0", "--join", "a.example:1")
    assert visiting_config(member, also_join=("127.0.0.1:9",)).join == (
        "a.example:1",
        "127.0.0.1:9",
    )


# The dashboard

TOKEN = "0123456789abcdef"


def parse_shown(*arguments: str) -> tuple[Result, list[Config]]:
    made: list[Config] = []

    @click.command()
    @member_options
    @dashboard_options
    def command(member: MemberOptions, shown: DashboardOptions) -> None:
        made.append(member.config(**shown.fields()))

    return CliRunner().invoke(command, arguments), made


def test_a_dashboard_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    _, [config] = parse_shown(
        *("--dashboard", "0.0.0.0:8000", "--dashboard-send", "--dashboard-token-file", str(path))
    )
    assert config.dashboard == "0.0.0.0:8000"
    assert config.dashboard_token == TOKEN
    assert config.dashboard_send


def test_what_was_not_said_of_it_is_left_to_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, [config] = parse_shown()
    assert (config.dashboard, config.dashboard_send) == (None, False)
    monkeypatch.setenv("CHATTER_DASHBOARD", "127.0.0.1:8000")
    monkeypatch.setenv("CHATTER_DASHBOARD_TOKEN", TOKEN)
    _, [config] = parse_shown("--dashboard-send")
    assert (config.dashboard, config.dashboard_token) == ("127.0.0.1:8000", TOKEN)
    assert config.dashboard_send


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--dashboard", "nonsense"), "dashboard: "),
        (("--dashboard", "0.0.0.0:80"), "dashboard_token"),
        (("--dashboard-token-file", "/nowhere/token"), "No such file"),
        (("--dashboard-token-file", "empty"), "empty; python -c"),
        (("--dashboard-token-file", "short"), "dashboard_token: 16 to"),
    ],
)
def test_a_dashboard_that_cannot_be(
    arguments: tuple[str, ...], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").write_text(" \n")
    Path("short").write_text("x")
    result, made = parse_shown(*arguments)
    assert result.exit_code == 2
    assert reason in result.output
    assert not made


def test_a_visitor_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTER_DASHBOARD", "0.0.0.0:8000")  # without a token, even
    assert visiting_config(NOTHING).dashboard is None
    _, [member] = parse("--address", "127.0.0.1:5")
    assert visiting_config(member).dashboard is None
