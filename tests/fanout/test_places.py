"""Where the processes of a measurement run."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.fanout import places
from scripts.fanout.places import LOOPBACK, check_neighbours, open_places
from scripts.measuring.errors import MeasureError


def test_on_loopback_all_share_one_address() -> None:
    with open_places(0, 9) as found:
        assert {found.host(number).ip for number in range(9)} == {LOOPBACK}
        assert found.server.prefix == ()


def test_hosts_that_could_not_all_connect_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "NEIGHBOURS", tmp_path / "gc_thresh3")
    places.NEIGHBOURS.write_text("1024\n")
    check_neighbours(1, 31)
    with pytest.raises(
        MeasureError, match=r"1,156 entries .* holds 1,024: run `sysctl -w .*=2312`"
    ):
        check_neighbours(1, 33)
