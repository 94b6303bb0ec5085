"""From the command line to a Config: what was said, then the environment, then the defaults."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from chatter import Config, generate_key
from chatter.command.failures import BadOptions
from chatter.command.options import MemberOptions, member_options, visiting_config

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
