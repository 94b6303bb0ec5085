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

    def count(self, tag: str) -> None:
        """One more. Hot: once for each broadcast."""
        values = self.values
        if tag in values:
            values[tag] += 1
        elif len(values) < MAX_TAGS:
            values[tag] = 1
        else:
            values[OTHERS] = values.get(OTHERS, 0) + 1
