from __future__ import annotations

from scripts.lab.janitor import abandoned, new_prefix


def test_only_names_of_our_making_whose_owner_is_gone_are_abandoned() -> None:
    names = [
        "chatter-lab-100-ab12-router",
        "chatter-lab-100-ab12-s1h1",
        "chatter-lab-200-cd34-s1h1",
        "chatter-lab-1000-ab12-s1h1",
        "chatter-lab-100-ab12",
        "chatter-lab-x-ab12-s1h1",
        "my-chatter-lab-100-ab12-s1h1",
        "somebody-else",
    ]
    assert abandoned(names, live_pids=[1, 200]) == {
        "chatter-lab-100-ab12-": ["chatter-lab-100-ab12-router", "chatter-lab-100-ab12-s1h1"],
        "chatter-lab-1000-ab12-": ["chatter-lab-1000-ab12-s1h1"],
    }


def test_a_prefix_is_recognised_as_ours_and_differs_from_lab_to_lab() -> None:
    prefixes = {new_prefix() for _ in range(5)}
    assert len(prefixes) > 1
    for prefix in prefixes:
        assert abandoned([f"{prefix}router"], live_pids=[]) == {prefix: [f"{prefix}router"]}
