"""The part of a page that a program writes."""

from __future__ import annotations

import pytest

from scripts.measuring.errors import MeasureError
from scripts.measuring.page import insert, markers

BEGIN, END = markers("me")


def test_what_is_around_the_markers_stays() -> None:
    other = "\nothers\n".join(markers("me too"))
    page = f"{other}\nbefore\n{BEGIN}\nold\n{END}\nafter\n"
    once = insert(page, "new\n", "me")
    assert once == f"{other}\nbefore\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert insert(once, "new\n", "me") == once


@pytest.mark.parametrize("page", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}\n{BEGIN}\n{END}"])
def test_a_page_without_exactly_its_markers_is_refused(page: str) -> None:
    with pytest.raises(MeasureError, match="needs one line <!-- me -->"):
        insert(page, "figures", "me")
