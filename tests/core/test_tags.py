from __future__ import annotations

from chatter.core.tags import MAX_TAGS, OTHERS, TagCounts


def test_each_tag_is_counted_by_its_name() -> None:
    tags = TagCounts()
    for tag in ("a", "b", "a"):
        tags.count(tag)

    assert tags.values == {"a": 2, "b": 1}


def test_a_program_that_makes_up_tags_without_end_is_counted_in_bounded_memory() -> None:
    tags = TagCounts()
    for number in range(3 * MAX_TAGS):
        tags.count(f"tag {number}")
    tags.count("tag 0")

    assert len(tags.values) == MAX_TAGS + 1
    assert tags.values[OTHERS] == 2 * MAX_TAGS
    assert tags.values["tag 0"] == 2
