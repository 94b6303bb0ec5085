"""Values that remember when they changed, so that each reader is sent what is new to it."""

from __future__ import annotations

from typing import Any


class Versioned:
    """Values by name, each with the version of the board at which it last changed."""

    __slots__ = ("_at", "latest", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.latest = 0
        """The version of the last change."""
        self._at: dict[str, int] = {}

    def put(self, name: str, value: Any, version: int) -> None:
        """Set a value; the same one again is no change."""
        if name not in self.values or self.values[name] != value:
            self.values[name] = value
            self._at[name] = self.latest = version

    def since(self, version: int) -> dict[str, Any]:
        """What changed after this version."""
        if self.latest <= version:
            return {}
        return {name: self.values[name] for name, at in self._at.items() if at > version}
