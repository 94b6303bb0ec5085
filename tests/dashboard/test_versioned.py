from __future__ import annotations

from chatter.dashboard.versioned import Versioned


def test_a_reader_is_told_what_changed_since_its_version() -> None:
    values = Versioned()
    values.put("a", 1, 3)
    values.put("b", None, 4)
    values.put("a", 2, 5)

    assert values.values == {"a": 2, "b": None}
    assert values.since(0) == {"a": 2, "b": None}
    assert values.since(3) == {"a": 2, "b": None}
    assert values.since(4) == {"a": 2}
    assert values.since(5) == {}
    assert values.latest == 5


def test_the_same_value_again_is_no_change() -> None:
    values = Versioned()
    values.put("a", 1, 1)
    values.put("b", None, 1)
    values.put("a", 1, 2)
    values.put("b", None, 2)

    assert values.latest == 1
    assert values.since(1) == {}
