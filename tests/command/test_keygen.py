"""Keys, and where they are written."""

from __future__ import annotations

import stat
from pathlib import Path

from click.testing import CliRunner

from chatter import Config
from chatter.command.keygen import keygen


def test_a_printed_key_is_a_key_and_each_is_another() -> None:
    first, second = (CliRunner().invoke(keygen).stdout.strip() for _ in range(2))
    assert first != second
    assert Config(key=[first, second]).secrets[0]


def test_a_key_file_is_private_and_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "key"
    result = CliRunner().invoke(keygen, ["--out", str(path)])
    assert (result.exit_code, result.stdout) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Config(key=path.read_text()).secrets[0]


def test_a_file_that_exists_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("precious")
    result = CliRunner().invoke(keygen, ["--out", str(path)])
    assert result.exit_code == 2
    assert "exists" in result.stderr
    assert path.read_text() == "precious"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert CliRunner().invoke(keygen, ["--out", str(tmp_path / "link")]).exit_code == 2
    assert not (tmp_path / "elsewhere").exists()


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    result = CliRunner().invoke(keygen, ["--out", str(tmp_path / "no" / "key")])
    assert result.exit_code == 1
    assert "can't write" in result.stderr
