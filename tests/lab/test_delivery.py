"""The proofs of `scripts/prove_delivery`, shorter: lost UDP, dead nodes, a cut, all sizes."""

from __future__ import annotations

import pytest

from scripts.lab.loss import why_no_loss
from scripts.lab.proof.checks import Checks
from scripts.lab.proof.cut import prove_cut
from scripts.lab.proof.deaths import prove_deaths
from scripts.lab.proof.loss import prove_loss
from scripts.lab.proof.overlapping import prove_overlap
from scripts.lab.proof.sizes import prove_sizes

pytestmark = pytest.mark.namespaces

SIZES = (1, 64 << 10, 2 << 20)


def assert_all(checks: Checks, count: int) -> None:
    assert [str(check) for check in checks.failed] == []
    assert len(checks.made) == count


def test_what_udp_loses_arrives_all_the_same_and_receipts_say_so() -> None:
    reason = why_no_loss()
    if reason is not None:
        pytest.skip(reason)
    checks = Checks("loss")
    prove_loss(checks, 300, broadcasts=60, confirmed=6, hosts=2)
    assert_all(checks, 5)


def test_the_dead_are_named_and_the_living_served() -> None:
    checks = Checks("deaths")
    prove_deaths(checks, confirmed=6, timeout_s=1.0)
    assert_all(checks, 8)


def test_a_segment_that_was_cut_off_catches_up() -> None:
    checks = Checks("cut")
    prove_cut(checks, 2.0, broadcasts=12, hosts=2)
    assert_all(checks, 4)


@pytest.mark.parametrize("multicast", [True, False], ids=["multicast", "tree"])
def test_payloads_of_all_sizes_arrive_intact(multicast: bool) -> None:
    checks = Checks("sizes")
    prove_sizes(checks, SIZES, hosts=3, multicast=multicast)
    assert_all(checks, len(SIZES) + 3)


def test_a_relay_passes_on_before_it_has_everything() -> None:
    checks = Checks("overlap")
    prove_overlap(checks, 12 << 20)
    assert_all(checks, 2)
