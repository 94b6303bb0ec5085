"""What `scripts/measure_tree` compares."""

from __future__ import annotations

import pytest

from scripts.tree.measure import modelled, simulated


@pytest.mark.parametrize("one_way_s", [0.0005, 0.02])
def test_the_model_and_the_fake_network_agree(one_way_s: float) -> None:
    modelled_s, simulated_s = (each(12, one_way_s, 0.00005) for each in (modelled, simulated))

    assert tuple(simulated_s) == pytest.approx(tuple(modelled_s), rel=0.1)
    assert modelled_s.planned <= min(modelled_s)
