"""A site for those tests that ask for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations import servers


@pytest.fixture
def site(tmp_path: Path) -> Iterator[servers.Site]:
    with servers.site(tmp_path) as made:
        yield made
