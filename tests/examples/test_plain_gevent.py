"""Workers that keep the pace that they are told."""

from __future__ import annotations

import re
from pathlib import Path

from tests.examples.running import ended, started


def test_all_workers_know_the_pace_also_the_one_that_came_late(tmp_path: Path) -> None:
    with started("plain_gevent", tmp_path) as process:
        lines = ended(process, tmp_path).splitlines()
    assert lines[:3] == [
        "5 a second: 3 workers know",
        "50 a second: 3 workers know",
        "10 a second: 4 workers know",
    ]
    stopped = [
        re.fullmatch(r"worker 127\.0\.0\.1:\d+ stops after (\d+) jobs", x) for x in lines[3:]
    ]
    assert len(stopped) == 4
    assert all(stopped)
    # At the first pace of one a second none would have done more than a few.
    done = sorted(int(one[1]) for one in stopped if one)
    assert done[1] > 5
    assert (tmp_path / "log").read_text() == ""
