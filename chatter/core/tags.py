"""How many broadcasts of each tag were dispatched here."""

from __future__ import annotations

# Tags counted by name; a program that makes up tags without end is still counted, under OTHERS.
MAX_TAGS = 100
OTHERS = "…"


class TagCounts:
    """Deliveries by tag."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        """By tag; of those that came after ``MAX_TAGS`` others, together under ``OTHERS``."""

    def count(self, tag: str, many: int = 1) -> None:
        """So many more."""
        values = self.values
        if tag in values:
            values[tag] += many
        elif len(values) < MAX_TAGS:
            values[tag] = many
        else:
            values[OTHERS] = values.get(OTHERS, 0) + many
