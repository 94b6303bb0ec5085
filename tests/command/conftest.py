"""A cluster of real processes for those tests that ask for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.command.process import Cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.end()
